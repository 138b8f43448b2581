"""Bit-parallel elements on block floating point: exact integer sums of a group, one FP32 rounding a group.

FIGNA is one of them: 13 bits of magnitude and a sign, truncated (Jang et al., "FIGNA: Integer Unit-Based
Accelerator Design for FP-INT GEMM Preserving Numerical Accuracy", HPCA 2024), and so are its variants with 11
and 8 bits in the comparison of the Anda paper (arXiv 2411.15982).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.anda import Rounding
from golden.baseline.align import align
from golden.bitplanes import Encoding
from golden.dot import group_dot
from golden.fp16 import FloatArray16

__all__ = ["FIGNA_MANTISSA_BITS", "bfp_accumulate", "bfp_product"]

FIGNA_MANTISSA_BITS = 13
"""Of a magnitude; the variants of the comparison have 11 and 8."""


def bfp_accumulate(
    q: NDArray[Any],
    exponents: NDArray[Any],
    levels: NDArray[Any],
    scales: NDArray[np.float16],
    bits: int,
) -> NDArray[np.float32]:
    """What an element gives for integers that are aligned already.

    The sum over a group is exact in integers: at most 64 * 2^16 * 2^7 in magnitude. Then
    `A <- round_fp32(A + T * scale * 2^(E - 13 - bits))`, one rounding a group (contract, section 6).

    Parameters
    ----------
    q : integer array [..., groups, group]
    exponents : integer array [..., groups]
        Shared exponents E.
    levels : integer array [..., groups, group]
        Weight levels; broadcasts.
    scales : float16 array [..., groups]
        Finite scales of the weights; broadcasts.
    bits : int
        Of an aligned element, sign included.

    Returns
    -------
    float32 array [...]
    """
    totals = group_dot(q, levels)
    return fused_accumulate_fp32(totals, scales, exponents.astype(np.int64) - 13 - bits)


def bfp_product(
    x: FloatArray16,
    levels: NDArray[Any],
    scales: NDArray[np.float16],
    bits: int = FIGNA_MANTISSA_BITS + 1,
    *,
    encoding: Encoding = "sign-magnitude",
    rounding: Rounding = "truncate",
    group: int = 64,
) -> NDArray[np.float32]:
    """The same from FP16 activations [..., K]; the defaults are FIGNA's.

    Raises
    ------
    ValueError
        As for `golden.baseline.align.align`.
    """
    q, exponents = align(x, bits, encoding=encoding, rounding=rounding, group=group)
    return bfp_accumulate(q, exponents, levels, scales, bits)
