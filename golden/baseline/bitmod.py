"""A term-serial element like BitMoD's: FP16 activations, weights as signed powers of two, a term a cycle.

After Chen et al., "BitMoD: Bit-serial Mixture-of-Datatype LLM Acceleration", HPCA 2025 (arXiv 2411.11745):
weights are taken apart into terms (Booth digits of integers; FP4 and its special values likewise), four lanes
multiply FP16 activations by a term each, and a group ends with its scale. Assumed, because no bit of it is
published: two terms for every weight of 4 bits, in non-adjacent form; in each cycle the products are aligned
to the largest exponent so far, truncated `guard` bits below an FP16 significand; one FP32 rounding a group.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.fp16 import EXPONENT_BIAS, FloatArray16, fields, require_finite, require_fp16

__all__ = ["GUARD_BITS", "LARGEST_SHIFT", "bitmod_accumulate", "group_sums", "terms_of"]

GUARD_BITS = 5
"""Bits kept below the significand of the largest product: a sum of a group then has 24 bits."""

LARGEST_SHIFT = 4
"""A term is 0 or plus or minus one of `2^0` to `2^4`: integers of 4 bits, and FP4 in halves with 8 and 5."""


def terms_of(levels: NDArray[Any], count: int = 2) -> NDArray[np.int64]:
    """Integers as sums of signed powers of two, in non-adjacent form, the smallest first.

    Parameters
    ----------
    levels : integer array [...]
    count : int
        Terms of each; missing ones are 0.

    Returns
    -------
    int64 array [..., count]

    Raises
    ------
    ValueError
        When a level takes more terms, or larger ones.
    """
    rest = levels.astype(np.int64)
    found = np.zeros((*rest.shape, count), dtype=np.int64)
    used = np.zeros(rest.shape, dtype=np.int64)
    for shift in range(LARGEST_SHIFT + 1):
        # An odd number takes the digit that leaves a multiple of four: 1, or -1 for one of the form 4n + 3.
        digit = np.where(rest & 1 == 1, 2 - (rest & 3), 0)
        for place in range(count):
            found[..., place] += np.where(used == place, digit << shift, 0)
        used += digit != 0
        rest = (rest - digit) >> 1
    wrong = (rest != 0) | (used > count)
    if wrong.any():
        level = levels[wrong].flat[0]
        raise ValueError(
            f"a weight must be a sum of {count} terms of up to {1 << LARGEST_SHIFT}, not {level}"
        )
    return found


def group_sums(
    x: FloatArray16, terms: NDArray[Any], lanes: int = 4, guard: int = GUARD_BITS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What an element holds at the end of each group: `S * 2^(E - 25 - guard)`.

    In every step `E' = max(E, e_i + t_i)` over the lanes, zero terms included, and
    `S' = floor(S / 2^(E' - E)) + sum_i +- floor(significand_i * 2^guard / 2^(E' - e_i - t_i))`. A group
    begins with `S = 0` and an `E` below all.

    Parameters
    ----------
    x : float16 array [..., group]
        Finite values.
    terms : integer array [..., group, count]
        0 or plus or minus a power of two; the axes in front broadcast.
    lanes : int
        Elements in one step; all terms of some elements come before those of the next.
    guard : int

    Returns
    -------
    S, E : int64 array [...]
        At most `group * count * 2047 * 2^guard` in magnitude.
    """
    sign, exponent, significand = (part.astype(np.int64) for part in fields(x))
    _, length = np.frexp(np.abs(terms).astype(np.float64))
    shift = np.maximum(length.astype(np.int64) - 1, 0)
    total = np.zeros(np.broadcast_shapes(x.shape[:-1], terms.shape[:-2]), dtype=np.int64)
    largest = np.zeros_like(total)
    for start in range(0, x.shape[-1], lanes):
        beat = slice(start, start + lanes)
        for place in range(terms.shape[-1]):
            term, own = terms[..., beat, place], exponent[..., beat] + shift[..., beat, place]
            now = np.maximum(largest, own.max(axis=-1))
            # 2047 * 2^guard is 0 after 62 places, and so is S or -1 after as many: no shift is longer.
            distance = np.minimum(now[..., None] - own, 62)
            product = np.where(term == 0, 0, significand[..., beat] << guard) >> distance
            negative = (term < 0) != (sign[..., beat] == 1)
            total = total >> (now - largest)
            total += np.where(negative, -product, product).sum(axis=-1)
            largest = now
    return total, largest


def bitmod_accumulate(
    x: FloatArray16,
    levels: NDArray[Any],
    scales: NDArray[np.float16],
    *,
    lanes: int = 4,
    count: int = 2,
    guard: int = GUARD_BITS,
) -> NDArray[np.float32]:
    """FP32 sums over groups: `A <- round_fp32(A + S * 2^(E - 25 - guard) * scale)`.

    Parameters
    ----------
    x : float16 array [..., groups, group]
    levels : integer array [..., groups, group]
        Broadcasts.
    scales : float16 array [..., groups]
        Finite; broadcasts.
    lanes, count, guard : int
        As for `group_sums` and `terms_of`.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        When `x` is not float16 or not finite, or a level has too many terms.
    """
    require_fp16(x, "an element")
    require_finite(x)
    totals, exponents = group_sums(x, terms_of(levels, count), lanes, guard)
    return fused_accumulate_fp32(totals, scales, exponents - EXPONENT_BIAS - guard)
