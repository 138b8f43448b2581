"""Sums across groups: the accumulators of contract, section 6."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import EXPONENTS, AndaCodec
from golden.dot import group_dot_range
from golden.interval import Interval

__all__ = [
    "accumulate_fixed",
    "accumulate_integer",
    "fp32_exponent_range",
    "fused_accumulate_fp32",
    "fused_add",
    "round_fp16",
]

SMALLEST_SCALE = Fraction(1, 1 << 24)
LARGEST_SCALE = Fraction(65504)
SCALE_BITS = 11
"""Bits of an FP16 significand: what a scale adds to the width of a product."""


def fused_add(
    accumulator: NDArray[np.float32], product: NDArray[np.float64], sum_is_exact: bool = False
) -> None:
    """`accumulator <- round_fp32(accumulator + product)` in place, rounded once, to nearest even.

    float64 holds the sum of a float32 and a float64 only when their exponents are near. Otherwise the
    float64 sum is rounded to odd: an inexact sum takes the neighbour whose last bit is 1. With 53 bits,
    more than 24 + 2, no such sum is a float32 or halfway between two, so the cast to float32 then decides
    as the exact sum would (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved
    algorithms using rounding to odd", IEEE Transactions on Computers 57(4), 2008).

    Parameters
    ----------
    accumulator : float32 array
        Changed in place.
    product : float64 array of the same shape
        Exact products; overwritten.
    sum_is_exact : bool
        The caller has proved that float64 holds every sum: then the cast is the only rounding.
    """
    if sum_is_exact:
        np.add(accumulator, product, out=accumulator, casting="same_kind")
        return
    wide = accumulator.astype(np.float64)
    total = wide + product
    # The error of that addition, exactly (Knuth's TwoSum): product - (total - wide) and
    # wide - (total - (total - wide)), added.
    part = total - wide
    np.subtract(product, part, out=product)
    np.subtract(total, part, out=part)
    np.subtract(wide, part, out=wide)
    error = np.add(wide, product, out=product)
    bits = total.view(np.int64)
    # Towards the error is away from zero, one up in the bit pattern, when both have one sign.
    step = np.where((error > 0) == (total > 0), np.int64(1), np.int64(-1))
    np.add(bits, step, out=bits, where=(error != 0) & ((bits & 1) == 0))
    np.copyto(accumulator, total, casting="same_kind")


def fused_accumulate_fp32(
    totals: NDArray[Any],
    scales: NDArray[np.float16],
    ulp_exponents: NDArray[Any],
    start: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The `fp32` accumulator: `A <- round_fp32(A + T_g * scale_g * 2^k_g)` group after group.

    One rounding a group, to nearest even, groups in ascending order (contract, section 6).

    Parameters
    ----------
    totals : integer array [..., groups]
        Dot products `T_g`, below `2^42` in magnitude.
    scales : float16 array [..., groups]
        Finite weight scales; broadcasts.
    ulp_exponents : integer array [..., groups]
        `k_g`, from `AndaCodec.ulp_exponent`; broadcasts.
    start : float32 array [...], optional
        Where to go on from; +0 when left out.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        When the totals are not integers or too large for an exact product, or a scale is not finite float16.
    """
    if scales.dtype != np.float16 or not np.isfinite(scales).all():
        raise ValueError(f"scales must be finite float16 values, but came as {scales.dtype}: {scales}")
    limit = 1 << 53 - SCALE_BITS
    if totals.dtype.kind not in "iu":
        raise ValueError(f"totals must be integers, not {totals.dtype}")
    if totals.size and max(int(totals.max()), -int(totals.min())) >= limit:
        raise ValueError(f"totals must be below {limit} in magnitude, but reach {np.abs(totals).max()}")
    # 42 + 11 bits and an exponent between -53 and 45: exact in float64.
    exact = np.ldexp(totals * scales.astype(np.float64), ulp_exponents)
    lead, groups = exact.shape[:-1], exact.shape[-1]
    accumulator = np.zeros(lead, dtype=np.float32).reshape(-1)
    if start is not None:
        accumulator[:] = np.broadcast_to(start, lead).reshape(-1)
    for product in np.ascontiguousarray(exact.reshape(-1, groups).T):
        fused_add(accumulator, product)
    return accumulator.reshape(lead)


def accumulate_fixed(
    totals: NDArray[Any], ulp_exponents: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The `fixed` accumulator: `sum_g T_g << (k_g - k)`, exact, `k` the smallest `k_g` of the row.

    Parameters
    ----------
    totals : integer array [..., groups]
        Dot products `T_g`.
    ulp_exponents : integer array [..., groups]
        `k_g`, from `AndaCodec.ulp_exponent`; broadcasts.

    Returns
    -------
    sums : int64 array [...]
        The value is `sums * 2^k`, times the scale of the channel.
    k : int32 array [...]

    Raises
    ------
    ValueError
        When 63 bits and a sign might not hold the sum.
    """
    exponents = np.broadcast_to(ulp_exponents, totals.shape).astype(np.int64)
    unit = exponents.min(axis=-1)
    shifts = exponents - unit[..., np.newaxis]
    bound = np.ldexp(np.abs(totals).astype(np.float64), shifts).sum(axis=-1)
    if bound.size and bound.max() >= 2.0**62:
        raise ValueError(f"a fixed sum must stay below 2^62, but one may reach 2^{np.log2(bound.max()):.1f}")
    return (totals << shifts).sum(axis=-1), unit.astype(np.int32)


def accumulate_integer(totals: NDArray[Any]) -> NDArray[np.int64]:
    """The `integer` accumulator, for groups of one exponent: the exact sum over the last axis."""
    return np.asarray(totals.sum(axis=-1, dtype=np.int64))


def round_fp16(a: NDArray[np.float32]) -> tuple[NDArray[np.float16], bool]:
    """A result as FP16: to nearest even, overflow to the largest finite value (contract, section 6).

    Parameters
    ----------
    a : float32 array
        Finite values.

    Returns
    -------
    float16 array
        Subnormal results are rounded where they are, once.
    overflow : bool
        Whether any element was too large: 65520 and above in magnitude, where 65536 would be nearest
        (65520 itself lies halfway, and 65504 is the odd one).
    """
    with np.errstate(over="ignore"):
        rounded = a.astype(np.float16)
    overflow = np.isinf(rounded)
    if not overflow.any():
        return rounded, False
    return np.where(overflow, np.copysign(np.float16(65504), rounded), rounded), True


def fp32_exponent_range(codec: AndaCodec, levels: Interval, length: int) -> Interval:
    """Where the leading bit of a nonzero `fp32` accumulator can be, for any activations and scales.

    Every product is a multiple of the smallest scale times the smallest unit, and rounding a multiple
    gives a multiple: no accumulator is nearer to zero. With `n` groups and products of at most `p`, the
    `n` roundings, each of at most one part in `2^24`, let the sum grow to no more than
    `n * p * (1 + 2^-24)^n`, which is at most `n * p / (1 - n * 2^-24)`.

    FP32 has its normal numbers from -126 to 127: an adder for a range inside needs neither subnormals
    nor infinities (contract, section 6).

    Parameters
    ----------
    codec : AndaCodec
        Gives the units and the integers.
    levels : Interval
        Range of the weight levels.
    length : int
        Elements along K, 1 to fewer than 2^24 groups.

    Returns
    -------
    Interval
        Of `floor(log2(abs(A)))` over everything that can be reached, and perhaps a little more.
    """
    groups = codec.groups(length)
    if not 1 <= groups < 1 << 24:
        raise ValueError(f"the range is known for 1 to 2^24 - 1 groups, not for {groups}")
    dot = group_dot_range(codec.levels, levels, codec.group)
    largest_unit = Fraction(2) ** codec.ulp_exponent(EXPONENTS.max)
    product = max(dot.max, -dot.min) * LARGEST_SCALE * largest_unit
    largest = groups * product / (1 - Fraction(groups, 1 << 24))
    smallest = SMALLEST_SCALE * Fraction(2) ** codec.ulp_exponent(EXPONENTS.min)
    return Interval(_floor_log2(smallest), _floor_log2(largest))


def _floor_log2(value: Fraction) -> int:
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1
