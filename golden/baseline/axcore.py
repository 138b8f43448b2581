"""AxCore-like: FP16 times FP4 without a multiplier, and an adder that does not normalise (MICRO 2025).

What its description gives, and its published hardware (github.com/CLab-HKUST-GZ/micro58-axcore-ae) confirms:
exponent and mantissa fields of activation and weight are added as one integer, so that `log2(1 + f)` is taken
for `f`; a constant, 43 units of `2^-10` for FP16, makes up for the mean error; subnormal weights are turned
into normal ones first (E2M1 has one, 0.5, which is `1.0 * 2^-1` exactly); products of zero are zero. The
products of a column are aligned to the largest exponent among them and the sum so far, in two's complement
with 12 bits behind the point, cut off below, and added without being normalised.

What is assumed: subnormal activations count as zero; exponents have a bit more than FP16's, so that nothing
wraps; the sum has as many bits before the point as 64 products need; it is normalised to FP32
once a group, and multiplied by the scale of the group there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_int import scaled_sums
from golden.fp16 import fields, require_finite, require_fp16

__all__ = [
    "COMPENSATION",
    "FRACTION_BITS",
    "LEVELS",
    "approximate_products",
    "axcore_product",
    "axcore_sums",
    "codes_of",
]

COMPENSATION = 43
"""Added to each mantissa, in units of `2^-10`: makes up for the mean error of the approximation."""

FRACTION_BITS = 12
"""Behind the point of an aligned product: the ten of FP16 and two more."""

LEVELS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Magnitudes of the E2M1 codes 0 to 7; codes from 8 on are negative."""

# What E2M1 codes 1 to 7 add to an FP16 word: exponent and mantissa, the bias of FP4 taken off.
_ADDENDS = np.array([0, -1 << 10, 0, 1 << 9, 1 << 10, 3 << 9, 2 << 10, 5 << 9], np.int64)


def codes_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The E2M1 codes of weights that are one of `LEVELS` or its negative.

    Raises
    ------
    ValueError
        When a weight is none of them.
    """
    table = np.array(LEVELS)
    codes = np.searchsorted(table, np.abs(values))
    if (codes >= len(table)).any() or (table[np.minimum(codes, 7)] != np.abs(values)).any():
        raise ValueError(f"weights must be E2M1 values, 0 to 6 in magnitude, not {values}")
    return np.asarray(codes | np.where(np.asarray(values) < 0, 8, 0), np.uint8)


def approximate_products(
    x: NDArray[np.float16], codes: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Products by the addition of exponents and mantissas.

    Parameters
    ----------
    x : float16 array [...]
        Finite values; subnormal ones count as zero.
    codes : integer array [...]
        E2M1 codes, 0 to 15; broadcasts.

    Returns
    -------
    significands : int64 array [...]
        With sign, ten bits behind the point: 0, or 1024 to 2047 in magnitude.
    exponents : int64 array [...]
        0 to 33, 0 for zeros: the product is `significand * 2^(exponent - 25)`. A field of 0 still has a
        hidden bit.

    Raises
    ------
    ValueError
        When `x` is not finite float16, or a code has more than four bits.
    """
    require_finite(require_fp16(x, "an AxCore multiplier"))
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu" or (codes.size and not 0 <= codes.min() <= codes.max() <= 15):
        raise ValueError(f"E2M1 codes must be integers from 0 to 15, not {codes}")
    sign, _, significand = fields(x)
    word = (x.view(np.uint16) & 0x7FFF).astype(np.int64)
    zero = (significand < 1 << 10) | (codes & 7 == 0)
    total = np.where(zero, 0, word + _ADDENDS[codes & 7] + COMPENSATION)
    negative = (sign == 1) != (codes >= 8)
    magnitude = np.where(zero, 0, (total & 1023) + 1024)
    return np.where(negative, -magnitude, magnitude), total >> 10


def axcore_sums(x: NDArray[np.float16], codes: NDArray[Any], lanes: int = 4) -> NDArray[np.float32]:
    """The sum of a group, `lanes` products a step, as FP32.

    Each step takes the largest exponent among products and sum so far, shifts all to it, cuts off, and adds.
    No product is above 8188 units, and cutting off takes no sum beyond 64 of them: 20 bits, which float32
    holds.

    Parameters
    ----------
    x : float16 array [..., group]
    codes : integer array [..., group]
        Broadcasts.
    lanes : int
        Divides the group, of at most 64.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        As for `approximate_products`, or when lanes do not divide the group.
    """
    significands, exponents = approximate_products(x, codes)
    group = significands.shape[-1]
    if group % lanes or group > 64:
        raise ValueError(f"{lanes} lanes do not divide a group of {group}, or it has more than 64 elements")
    split = (*significands.shape[:-1], group // lanes, lanes)
    significands, exponents = significands.reshape(split) << FRACTION_BITS - 10, exponents.reshape(split)
    total = np.zeros(split[:-2], np.int64)
    exponent = np.zeros(split[:-2], np.int64)
    for step in range(split[-2]):
        given = exponents[..., step, :]
        largest = np.maximum(given.max(axis=-1), exponent)
        total >>= largest - exponent  # an arithmetic shift: the floor
        total += (significands[..., step, :] >> largest[..., np.newaxis] - given).sum(axis=-1)
        exponent = largest
    value = np.ldexp(total.astype(np.float64), exponent - 15 - FRACTION_BITS)
    return np.asarray(value, np.float32)


def axcore_product(
    x: NDArray[np.float16], codes: NDArray[Any], scales: NDArray[np.float16], lanes: int = 4
) -> NDArray[np.float32]:
    """The element: `A <- round_fp32(A + G * scale)` over the groups of a row.

    Parameters
    ----------
    x : float16 array [..., groups, group]
    codes : integer array [..., groups, group]
    scales : float16 array [..., groups]
    lanes : int
        As for `axcore_sums`.

    Returns
    -------
    float32 array [...]
    """
    return scaled_sums(axcore_sums(x, codes, lanes), scales)
