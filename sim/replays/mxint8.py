"""Replays of the MXINT8 elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.mxint8 import BLOCK, mx_int4_accumulate, mx_mx_accumulate, to_mxint8
from golden.fp16 import FloatArray16
from hdl.baseline.mxint8 import MxInt8Parameters
from sim.replay_data import Expected, Replay, constant
from sim.replays.blocks import block_inputs

__all__ = ["replay"]


def replay(
    parameters: MxInt8Parameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `MxInt8` sees for one row: a scale serves all blocks of its group.

    Parameters
    ----------
    parameters
        With weights outside. MXINT8 weights are the products of levels and scales, rounded to FP16 first.
    activations : float16 array [runs, groups, group]
        A group is one or more blocks of 32.
    weights : integer array [runs, groups, group]
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    p = parameters
    runs, count, size = activations.shape
    q, codes = to_mxint8(activations.reshape(runs, count * size))
    groups: dict[str, tuple[NDArray[Any], int]] = {"exponent": (codes[..., None], 8)}
    if p.kind == "int4":
        levels = weights.reshape(runs, -1, BLOCK)
        repeated = np.repeat(scales, size // BLOCK, axis=1)
        sums = mx_int4_accumulate(q, codes, levels, repeated)
        groups["scale"] = (repeated.view(np.uint16)[..., None], 16)
    else:
        values = (weights * scales[..., None].astype(np.float64)).astype(np.float16)
        levels, weight_codes = to_mxint8(values.reshape(runs, count * size))
        sums = mx_mx_accumulate(q, codes, levels, weight_codes)
        groups["weight_exponent"] = (weight_codes[..., None], 8)
    inputs = block_inputs(p.block, q[:, :, None], levels, groups)
    if p.accumulator.scaled:
        inputs["clear_nonfinite"] = constant(0, 1, runs, inputs["results_ready"].shape[1])
    result = Expected("results_valid", "results_value", sums.view(np.uint32)[:, None])
    return Replay(inputs, (result,), count * size)
