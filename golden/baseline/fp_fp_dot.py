"""FP16 products added a few at a time: aligned to the largest exponent, cut off, and added at once into FP32.

So do tensor cores (M. Fasi, N. J. Higham, M. Mikaitis and S. Pranesh, "Numerical behavior of NVIDIA tensor
cores", PeerJ Computer Science 7:e330, 2021): products are exact, terms are cut off where the window of the
largest one ends, and nothing is normalised in between. What is chosen here: products are aligned among
themselves, and their sum then with the accumulator; the significand of a subnormal stays as it is, with an
exponent of 1; cutting off is `floor`, in two's complement; what leaves a step is rounded to FP32, to nearest
even.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_fp import require_pairs, special_sums, with_specials
from golden.fp16 import fields

__all__ = ["GUARD_BITS", "aligned_sums", "dot_accumulate", "window_bits"]

GUARD_BITS = 1
"""Places kept below the last one of an FP32 number of the largest exponent."""

_FRACTION_BITS = 23
#: A product is a multiple of 2^(exponent - 50).
_PRODUCT_FRACTION = 20
#: Integers of the window are below 2^34, and floor(n / 2^62) is 0 or -1 for all of them.
_FAR = 62


def window_bits(lanes: int, guard: int) -> int:
    """Width of the sum of a step, sign included; `lanes` is a power of two."""
    return _FRACTION_BITS + guard + 3 + (lanes - 1).bit_length()


def aligned_sums(
    x: NDArray[np.float16], w: NDArray[np.float16], guard: int = GUARD_BITS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`S = sum_i floor(x_i * w_i / 2^(E - 53 - guard))` over the last axis, `E = max_i (e(x_i) + e(w_i))`.

    `e` is the effective exponent, 1 to 30; those of zeros count.

    Parameters
    ----------
    x, w : float16 array [..., lanes]
        Values that are not finite count as zero.
    guard : int
        0 to 4.

    Returns
    -------
    S, E : int64 array [...]
        The sum is `S * 2^(E - 53 - guard)`.
    """
    parts = []
    for operand in (x, w):
        finite = np.where(np.isfinite(operand), operand, np.float16(0))
        parts.append([part.astype(np.int64) for part in fields(finite)])
    (sign, exponent, significand), (other_sign, other_exponent, other_significand) = parts
    product = np.where(sign == other_sign, 1, -1) * significand * other_significand
    exponent = exponent + other_exponent
    largest = exponent.max(axis=-1)
    shift = np.minimum(largest[..., np.newaxis] - exponent, _FAR)
    cut = product << _FRACTION_BITS + guard - _PRODUCT_FRACTION >> shift
    return cut.sum(axis=-1), largest


def dot_accumulate(
    activations: NDArray[np.float16],
    weights: NDArray[np.float16],
    lanes: int = 4,
    guard: int = GUARD_BITS,
    start: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """`A <- round_fp32(A + S)` over the last axis, `lanes` products a step, in ascending order.

    The window has `W = window_bits(lanes, guard)` bits, and its top place below the sign is that of the
    larger operand: `2^(E - 29) * lanes` for `S`, the leading bit for `A`, where that of a negative power of
    two is one place lower, as two's complement has it. The other one is cut off at the window's last place,
    `2^(W-2)` below the top. Then both are added exactly and rounded to FP32. A zero is never the larger one.

    Infinities and NaN follow IEEE 754 (`golden.baseline.fp_fp`); a NaN leaves as 0x7fc00000.

    Parameters
    ----------
    activations, weights : float16 array [..., n]
        Any values; the axes in front broadcast.
    lanes : int
        A power of two that divides `n`.
    guard : int
        As for `aligned_sums`.
    start : float32 array [...], optional
        Where to go on from, a value that such a sum can have; +0 when left out.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        When an operand is not float16, their last axes differ, or lanes do not divide them.
    """
    x, w = require_pairs(activations, weights, "a dot product unit")
    if x.shape[-1] % lanes:
        raise ValueError(f"{lanes} lanes do not divide a sum of {x.shape[-1]} products")
    x, w = np.broadcast_arrays(x, w)
    accumulator = np.zeros(x.shape[:-1], np.float32)
    if start is not None:
        accumulator[...] = start
    up, down = special_sums(x, w, accumulator)
    steps = (*x.shape[:-1], -1, lanes)
    sums, exponents = aligned_sums(x.reshape(steps), w.reshape(steps), guard)
    total = np.where(np.isfinite(accumulator), accumulator, np.float32(0))
    for step in range(sums.shape[-1]):
        total = _added(total, sums[..., step], exponents[..., step], lanes, guard)
    return with_specials(total, up, down)


def _added(
    a: NDArray[np.float32], s: NDArray[Any], exponent: NDArray[Any], lanes: int, guard: int
) -> NDArray[np.float32]:
    """One step: `A` in FP32, `S` in units of `2^(E - 53 - guard)`."""
    top_of_sum = exponent - 29 + (lanes - 1).bit_length()
    mantissa, length = np.frexp(a.astype(np.float64))
    lead = length.astype(np.int64) - 1 - (mantissa == -0.5)
    top = np.where((a != 0) & ((s == 0) | (lead > top_of_sum)), lead, top_of_sum)
    unit = top - (window_bits(lanes, guard) - 2)
    shift = np.clip(top - top_of_sum, 0, _FAR)
    whole = (s >> shift) + np.floor(np.ldexp(a.astype(np.float64), -unit)).astype(np.int64)
    return np.asarray(np.ldexp(whole.astype(np.float64), unit), np.float32)
