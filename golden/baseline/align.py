"""FP16 groups aligned to their largest exponent, to any width: what a converter hands to an element.

`golden.anda` has the same numbers for up to 17 planes, as bit planes. A bit-parallel element may want more:
11 significant bits and the 29 places that finite FP16 exponents can lie apart are 40 bits of magnitude, and
from there on nothing is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import Rounding
from golden.bitplanes import Encoding
from golden.fp16 import FloatArray16, fields, require_finite, require_fp16
from golden.interval import Interval

__all__ = ["WIDTHS", "align", "aligned_range"]

WIDTHS = Interval(2, 42)
"""Bits of an aligned element, sign included."""


def aligned_range(bits: int, encoding: Encoding) -> Interval:
    """The integers that an element of `bits` bits can be: without `-2^(bits-1)` in sign-magnitude."""
    full = Interval.of_bits(bits, signed=True)
    return full if encoding == "twos-complement" else Interval(-full.max, full.max)


def align(
    x: FloatArray16,
    bits: int,
    *,
    encoding: Encoding = "sign-magnitude",
    rounding: Rounding = "truncate",
    group: int = 64,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Integers under one exponent a group: `q * 2^(E - 13 - bits)` (contract, sections 2a and 2b).

    Sign-magnitude truncates or rounds the magnitude; two's complement truncates to the floor, or rounds to
    nearest with ties upwards. What does not fit at the top is the largest integer.

    Parameters
    ----------
    x : float16 array [..., K]
        Finite values, K a multiple of the group.
    bits : int
        2 to 42, sign included.
    encoding, rounding : str
        As for `golden.anda.AndaCodec`.
    group : int
        Elements that share an exponent.

    Returns
    -------
    q : int64 array [..., groups, group]
    exponents : uint8 array [..., groups]
        Largest exponents E, 1 to 30.

    Raises
    ------
    ValueError
        When `x` is not float16 or not finite or not whole groups, or the width is impossible.
    """
    if not WIDTHS.min <= bits <= WIDTHS.max:
        raise ValueError(f"an aligned element has {WIDTHS.min} to {WIDTHS.max} bits, not {bits}")
    require_fp16(x, "an aligner")
    require_finite(x)
    if x.shape[-1] % group:
        raise ValueError(f"an aligner takes whole groups of {group}, not {x.shape[-1]} elements")
    sign, exponent, significand = fields(x.reshape(*x.shape[:-1], -1, group))
    shared = exponent.max(axis=-1, keepdims=True)
    limits = aligned_range(bits, encoding)
    # x / ulp = significand * 2^(bits - 12 - (E - e)); one bit more below, to round with. 11 + 31 bits: int64.
    extra = int(rounding == "nearest")
    left = np.int64(max(bits - 12, 0) + extra)
    right = (shared - exponent).astype(np.int64) + max(12 - bits, 0)
    number = significand.astype(np.int64) << left
    if encoding == "twos-complement":
        number = _negated_if(sign, number)
    number >>= np.minimum(right, 62)  # an arithmetic shift is the floor
    if extra:
        number = np.minimum((number + 1) >> 1, limits.max)
    if encoding == "sign-magnitude":
        number = _negated_if(sign, number)
    return number, shared[..., 0].astype(np.uint8)


def _negated_if(sign: NDArray[Any], number: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(sign == 1, -number, number)
