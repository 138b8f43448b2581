"""MXINT8 of the OCP Microscaling specification, version 1.0: blocks of 32, 8-bit integers, a power of two.

An element is `q * 2^-6` with `q` in two's complement, a scale is `2^(code - 127)` with a code of 8 bits. The
conversion is the specification's: the scale is the power of two of the largest magnitude, elements are
rounded to nearest, ties to even, and saturate. What it leaves open: `q = -128` is not produced (the largest
magnitudes are equal for both signs), and a block of zeros takes the smallest scale that FP16 values have,
`2^-24`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.dot import group_dot
from golden.fp16 import EXPONENT_BIAS, FloatArray16, fields, require_finite, require_fp16
from golden.interval import Interval

__all__ = [
    "BLOCK",
    "CODES",
    "mx_int4_accumulate",
    "mx_mx_accumulate",
    "to_mxint8",
]

BLOCK = 32
FRACTION_BITS = 6
SCALE_BIAS = 127
CODES = Interval(SCALE_BIAS - 24, SCALE_BIAS + 15)
"""Scales that blocks of FP16 values have: from the smallest subnormal to the largest power of two."""
LARGEST = 127


def to_mxint8(x: FloatArray16) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """FP16 values as blocks of MXINT8.

    Parameters
    ----------
    x : float16 array [..., K]
        Finite values, K a multiple of 32.

    Returns
    -------
    q : int64 array [..., blocks, 32]
        -127 to 127.
    codes : uint8 array [..., blocks]
        Inside `CODES`.

    Raises
    ------
    ValueError
        When `x` is not float16 or not finite or not whole blocks.
    """
    require_fp16(x, "a converter to MXINT8")
    require_finite(x)
    if x.shape[-1] % BLOCK:
        raise ValueError(f"MXINT8 takes whole blocks of {BLOCK}, not {x.shape[-1]} elements")
    sign, exponent, significand = fields(x.reshape(*x.shape[:-1], -1, BLOCK))
    # Integers in units of 2^-24, below 2^41: the power of two of the largest is its length.
    magnitude = significand.astype(np.int64) << (exponent - 1)
    _, length = np.frexp(magnitude.max(axis=-1).astype(np.float64))
    leading = np.maximum(length - 1, 0)
    # q = magnitude * 2^(6 - leading): six bits more below, then a shift that rounds.
    shift = leading[..., None].astype(np.int64)
    wide = magnitude << FRACTION_BITS
    half = np.where(shift > 0, (np.int64(1) << shift) >> 1, 0)
    floor = wide >> shift
    rest = wide - (floor << shift)
    up = (rest > half) | ((rest == half) & (shift > 0) & (floor & 1 == 1))
    q = np.minimum(floor + up, LARGEST)
    codes = leading - (EXPONENT_BIAS - 1) + SCALE_BIAS
    return np.where(sign == 1, -q, q), codes.astype(np.uint8)


def mx_int4_accumulate(
    q: NDArray[Any], codes: NDArray[Any], levels: NDArray[Any], scales: NDArray[np.float16]
) -> NDArray[np.float32]:
    """MXINT8 activations times integer weights with an FP16 scale: one FP32 rounding a block.

    Parameters
    ----------
    q : integer array [..., blocks, 32]
    codes : integer array [..., blocks]
    levels : integer array [..., blocks, 32]
        Of at most 8 bits; broadcasts.
    scales : float16 array [..., blocks]
        Finite, that of a group repeated for each of its blocks; broadcasts.

    Returns
    -------
    float32 array [...]
    """
    units = codes.astype(np.int64) - SCALE_BIAS - FRACTION_BITS
    return fused_accumulate_fp32(group_dot(q, levels), scales, units)


def mx_mx_accumulate(
    q: NDArray[Any], codes: NDArray[Any], weights: NDArray[Any], weight_codes: NDArray[Any]
) -> NDArray[np.float32]:
    """MXINT8 times MXINT8: `2^(a + b - 254) * sum q * w * 2^-12` a block, one FP32 rounding each.

    The specification leaves precision and order of a sum of blocks to the implementer.
    """
    units = codes.astype(np.int64) + weight_codes - 2 * (SCALE_BIAS + FRACTION_BITS)
    totals = group_dot(q, weights)
    return fused_accumulate_fp32(totals, np.ones((1,) * totals.ndim, dtype=np.float16), units)
