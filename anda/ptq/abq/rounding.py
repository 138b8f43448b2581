"""GPTQ on ABQ's grid: the final rounding of a matrix whose scales and zero points are settled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.abq.affine import AffineFormat, AffineMatrix, grid
from anda.ptq.activation import activation_range
from anda.ptq.budget import Budget
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer
from anda.ptq.grid import WeightGrid
from anda.ptq.hessian import Damped

__all__ = ["gptq_round"]


def gptq_round(
    matrix: NDArray[Any], hessian: Damped, form: AffineFormat, low: NDArray[Any], high: NDArray[Any]
) -> AffineMatrix:
    """Round a matrix [C, K] input after input, later weights making up for the errors of earlier ones.

    Parameters
    ----------
    matrix : float array [C, K]
    hessian : Damped
        Of the inputs as the quantized layer gets them.
    form : AffineFormat
    low, high : float arrays [C, groups]
        Ends of the codes.
    """
    scales, zeros = grid(form, low, high)
    ends = -zeros.astype(np.int64)
    levels = np.arange(ends.min(), ends.max() + form.top + 1)
    size = matrix.shape[1] // scales.shape[1]
    on = WeightGrid(
        levels,
        np.ascontiguousarray(scales.T.astype(np.float64)),
        np.ascontiguousarray(ends.T),
        np.ascontiguousarray(ends.T + form.top),
        size,
    )
    # Nothing limits the sums: any activation will do.
    layer = Layer(
        np.ascontiguousarray(matrix.T, dtype=np.float64), on, Budget(activation_range(8, True), None, None)
    )
    found = gptq(layer, hessian, soft=False).T
    codes = found + np.repeat(zeros.astype(np.int64), size, axis=1)
    return AffineMatrix(form, np.clip(codes, 0, form.top).astype(np.uint8), scales, zeros)
