"""Replays of the elements on block floating point, FIGNA among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import Rounding
from golden.baseline.align import align
from golden.baseline.bfp import bfp_accumulate
from golden.fp16 import FloatArray16
from hdl.baseline.bfp import BfpParameters
from sim.replay_data import Expected, Replay, constant
from sim.replays.blocks import block_inputs

__all__ = ["replay"]


def replay(
    parameters: BfpParameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `Bfp` sees for one row of groups, or for two with the same weights where it takes two in turn.

    Activations are truncated for sign-magnitude and rounded to nearest for two's complement.

    Parameters
    ----------
    parameters
        With weights outside.
    activations : float16 array [runs, groups, block]
        The second row of a run is that of the run before.
    weights : integer array [runs, groups, block]
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    p, block = parameters, parameters.block
    runs, count, size = activations.shape
    x = np.stack([np.roll(activations, row, axis=0) for row in range(p.slots)], axis=1)
    rounding: Rounding = "truncate" if block.encoding == "sign-magnitude" else "nearest"
    q, exponents = align(
        x.reshape(runs, p.slots, count * size),
        block.bits,
        encoding=block.encoding,
        rounding=rounding,
        group=size,
    )
    sums = bfp_accumulate(q, exponents, weights[:, None], scales[:, None], block.bits).view(np.uint32)
    shape = (runs, count, p.slots)
    groups: dict[str, tuple[NDArray[Any], int]] = {
        "exponent": (np.moveaxis(exponents, 1, 2), 5),
        "scale": (np.broadcast_to(scales.view(np.uint16)[..., None], shape), 16),
    }
    results = [Expected("results_valid", "results_value", sums)]
    if p.accumulator.slot_bits:
        slots = np.arange(p.slots)
        groups["slot"] = (np.broadcast_to(slots, shape), p.accumulator.slot_bits)
        results.append(Expected("results_valid", "results_slot", np.broadcast_to(slots, (runs, p.slots))))
    inputs = block_inputs(block, np.moveaxis(q, 1, 2), weights, groups)
    cycles = inputs["results_ready"].shape[1]
    inputs["clear_nonfinite"] = constant(0, 1, runs, cycles)
    return Replay(inputs, tuple(results), p.slots * count * size)
