"""iFPU: FP16 activations aligned so far that hardly anything is lost, times the bits of integer weights.

Kim et al., "Winning Both the Accuracy of Floating Point Activation and the Simplicity of Integer Arithmetic",
ICLR 2023.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.align import align
from golden.baseline.fp_int import scaled_sums
from golden.dot import group_dot
from golden.fp16 import FloatArray16

__all__ = ["EXACT_MANTISSA_BITS", "ifpu_accumulate", "ifpu_product"]

EXACT_MANTISSA_BITS = 11 + 29
"""Significant bits of FP16, and how far exponents from 1 to 30 can lie apart: nothing is lost."""


def ifpu_accumulate(
    q: NDArray[Any],
    exponents: NDArray[Any],
    levels: NDArray[Any],
    scales: NDArray[np.float16],
    mantissa_bits: int = EXACT_MANTISSA_BITS,
) -> NDArray[np.float32]:
    """What an element gives for integers that are aligned already.

    The sum of a group is exact: below `2^50` in magnitude, so that float64 holds it too and the cast to FP32
    is one rounding, to nearest even. Then `A <- round_fp32(A + G * scale)`, group after group.

    Parameters
    ----------
    q : integer array [..., groups, group]
        Of `mantissa_bits` and a sign, under the exponents.
    exponents : integer array [..., groups]
    levels : integer array [..., groups, group]
        -8 to 7; broadcasts.
    scales : float16 array [..., groups]
        Finite values; broadcasts.
    mantissa_bits : int

    Returns
    -------
    float32 array [...]
    """
    totals = group_dot(q, levels).astype(np.float64)
    units = exponents.astype(np.int64) - 13 - (mantissa_bits + 1)
    return scaled_sums(np.ldexp(totals, units).astype(np.float32), scales)


def ifpu_product(
    x: FloatArray16,
    levels: NDArray[Any],
    scales: NDArray[np.float16],
    mantissa_bits: int = EXACT_MANTISSA_BITS,
    group: int = 64,
) -> NDArray[np.float32]:
    """The same from FP16 activations [..., K], aligned with truncation.

    Raises
    ------
    ValueError
        As for `golden.baseline.align.align` and `golden.baseline.fp_int.scaled_sums`.
    """
    q, exponents = align(x, mantissa_bits + 1, group=group)
    return ifpu_accumulate(q, exponents, levels, scales, mantissa_bits)
