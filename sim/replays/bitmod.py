"""Replays of the term-serial element."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.bitmod import bitmod_accumulate, terms_of
from golden.fp16 import FloatArray16
from hdl.baseline.bitmod import BitModParameters
from sim.replay_data import Expected, Replay, constant, integers_to_bits, lanes_to_bits
from sim.replays.blocks import beats_and_groups

__all__ = ["replay"]

_TERM_BITS = 5


def replay(
    parameters: BitModParameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `BitMod` sees for one row: activations stay for all terms of their weights.

    Parameters
    ----------
    parameters
    activations : float16 array [runs, groups, group]
    weights : integer array [runs, groups, group]
        Levels that have no more terms than the element takes.
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When a weight has more terms.
    """
    p = parameters
    runs, count, size = activations.shape
    terms = terms_of(weights, p.terms)
    length = np.frexp(np.abs(terms).astype(np.float64))[1].astype(np.int64)
    wires = np.maximum(length - 1, 0) | (terms < 0).astype(np.int64) << 3 | (terms == 0).astype(np.int64) << 4
    # [runs, groups, beats of lanes, lanes, terms]: all terms of some lanes before the next lanes.
    by_lanes = np.moveaxis(wires.reshape(runs, count, -1, p.lanes, p.terms), -1, -2)
    x = np.repeat(activations.view(np.uint16).reshape(runs, count, -1, p.lanes), p.terms, axis=2)
    beats = {
        "activations_values": lanes_to_bits(x[:, :, None], 16),
        "terms": lanes_to_bits(by_lanes.reshape(runs, count, 1, p.beats, p.lanes), _TERM_BITS),
    }
    groups = {"scale": integers_to_bits(scales.view(np.uint16)[..., None], 16)}
    inputs = beats_and_groups(beats, groups, rows=1, flags=True)
    inputs["clear_nonfinite"] = constant(0, 1, runs, inputs["results_ready"].shape[1])
    sums = bitmod_accumulate(activations, weights, scales, lanes=p.lanes, count=p.terms, guard=p.guard)
    result = Expected("results_valid", "results_value", sums.view(np.uint32)[:, None])
    return Replay(inputs, (result,), count * size)
