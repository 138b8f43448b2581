"""Replays of the elements on block floating point, FIGNA among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import Rounding
from golden.baseline.align import align
from golden.baseline.bfp import bfp_accumulate
from golden.dot import group_dot
from golden.fp16 import FloatArray16
from hdl.baseline.bfp import BfpParameters
from hdl.baseline.block import BlockParameters
from sim.replay_data import Expected, Replay, constant
from sim.replays.blocks import block_inputs, sum_inputs

__all__ = ["replay", "replay_sums", "rounding_of"]


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
    q, exponents = _aligned(block, x)
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


def replay_sums(parameters: BlockParameters, activations: FloatArray16, weights: NDArray[Any]) -> Replay:
    """What `BlockDot` sees, the integer part alone, for one row of groups.

    Parameters
    ----------
    parameters
        With weights outside.
    activations : float16 array [runs, groups, block]
        Rounded as for `replay`.
    weights : integer array [runs, groups, block]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    q, _ = _aligned(parameters, activations[:, None])
    _, count, size = weights.shape
    result = Expected("sum_valid", "sum_payload", group_dot(q, weights[:, None])[:, 0])
    return Replay(sum_inputs(parameters, q[:, 0], weights), (result,), count * size)


def rounding_of(parameters: BlockParameters) -> Rounding:
    """How the activations of these elements are rounded: magnitudes are truncated, as FIGNA does it."""
    return "truncate" if parameters.encoding == "sign-magnitude" else "nearest"


def _aligned(block: BlockParameters, x: FloatArray16) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Integers and exponents of activations [runs, rows, groups, block]."""
    runs, rows, count, size = x.shape
    return align(
        x.reshape(runs, rows, count * size),
        block.bits,
        encoding=block.encoding,
        rounding=rounding_of(block),
        group=size,
    )
