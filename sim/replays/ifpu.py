"""Replays of iFPU: sixteen aligned activations stay for the four bits of their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.align import align
from golden.baseline.ifpu import ifpu_accumulate
from golden.fp16 import FloatArray16
from hdl.baseline.ifpu import IfpuParameters
from sim.replay_data import Replay, integers_to_bits, lanes_to_bits
from sim.replays.grouped import grouped_replay

__all__ = ["replay"]

_WEIGHT_BITS = 4


def replay(
    parameters: IfpuParameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `Ifpu` sees behind an aligner that truncates.

    Parameters
    ----------
    parameters
        With weights outside.
    activations : float16 array [runs, groups, elements]
    weights : integer array [runs, groups, elements]
        Levels, -8 to 7.
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    p = parameters
    if p.weights != "outside":
        raise ValueError("a replay is for weights outside, not inside")
    runs, _, size = activations.shape
    q, exponents = align(activations.reshape(runs, -1), p.bits, group=size)
    result = ifpu_accumulate(q, exponents, weights, scales, p.mantissa_bits)
    beats = {
        "activations_values": lanes_to_bits(q.reshape(runs, -1, p.lanes), p.bits),
        "levels": lanes_to_bits(weights.reshape(runs, -1, p.lanes), _WEIGHT_BITS),
    }
    groups = {
        "groups_exponent": integers_to_bits(exponents, 5),
        "groups_scale": integers_to_bits(scales.view(np.uint16), 16),
    }
    return grouped_replay(beats, groups, result, _WEIGHT_BITS, p.latency, weights[0].size)
