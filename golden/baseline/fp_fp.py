"""FP16 times FP16, added up in FP32: the reference that every peer of the comparison is divided by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_add
from golden.fp16 import require_fp16

__all__ = ["dequantize", "fma_accumulate", "require_pairs", "special_sums", "with_specials"]

_NAN = np.uint32(0x7FC00000).view(np.float32)
_INFINITY = np.float32(np.inf)
_LARGEST = np.float16(65504)


def fma_accumulate(
    activations: NDArray[np.float16],
    weights: NDArray[np.float16],
    start: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """`A <- round_fp32(A + x * w)` over the last axis, in ascending order: IEEE 754 fused multiply-adds.

    A product of two FP16 values has at most 22 significant bits and is a multiple of `2^-48`: it is exact in
    float64, and no accumulator is subnormal. Infinities and NaN follow IEEE 754; a NaN leaves as 0x7fc00000.

    Parameters
    ----------
    activations, weights : float16 array [..., n]
        Any values; the axes in front broadcast.
    start : float32 array [...], optional
        Where to go on from, a value that such a sum can have; +0 when left out.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        When an operand is not float16, or their last axes differ.
    """
    x, w = require_pairs(activations, weights, "a fused multiply-add")
    with np.errstate(invalid="ignore", over="ignore"):
        products = x.astype(np.float64) * w.astype(np.float64)
    lead = products.shape[:-1]
    accumulator = np.zeros(lead, np.float32)
    if start is not None:
        accumulator[...] = start
    up, down = special_sums(x, w, accumulator)
    flat = np.where(np.isfinite(accumulator), accumulator, np.float32(0)).reshape(-1)
    finite = np.where(np.isfinite(products), products, 0.0).reshape(len(flat), -1)
    for column in np.ascontiguousarray(finite.T):
        fused_add(flat, column)
    return with_specials(flat.reshape(lead), up, down)


def require_pairs(
    activations: NDArray[np.float16], weights: NDArray[np.float16], what: str
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Both operands, when they are FP16 and equally many along the last axis, else raise.

    Raises
    ------
    ValueError
        They are not.
    """
    x, w = (require_fp16(operand, what) for operand in (activations, weights))
    if x.shape[-1] != w.shape[-1]:
        raise ValueError(f"activations and weights must be equally many, not {x.shape[-1]} and {w.shape[-1]}")
    return x, w


def special_sums(
    x: NDArray[np.float16], w: NDArray[np.float16], start: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether `start` and the products along the last axis hold an infinity above, and one below.

    Infinities of both signs cancel to NaN, and a NaN counts as both.

    Parameters
    ----------
    x, w : float16 array [..., n]
        The axes in front broadcast.
    start : float32 array [...]

    Returns
    -------
    up, down : bool array [...]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        products = x.astype(np.float32) * w.astype(np.float32)
    nan = np.isnan(products).any(-1)
    up = nan | (products == np.inf).any(-1) | ~(start < _INFINITY)
    down = nan | (products == -np.inf).any(-1) | ~(start > -_INFINITY)
    return up, down


def with_specials(
    finite: NDArray[np.float32], up: NDArray[np.bool_], down: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The sums of what is finite, or what `special_sums` makes of them.

    Parameters
    ----------
    finite : float32 array [...]
    up, down : bool array [...]

    Returns
    -------
    float32 array [...]
    """
    result = np.where(up, _INFINITY, np.where(down, -_INFINITY, finite))
    return np.asarray(np.where(up & down, _NAN, result), np.float32)


def dequantize(levels: NDArray[Any], scales: NDArray[np.float16]) -> tuple[NDArray[np.float16], bool]:
    """INT4 levels times FP16 scales as FP16 weights, to nearest even (contract, section 6).

    Parameters
    ----------
    levels : integer array [...]
        -8 to 7.
    scales : float16 array [...]
        Finite values; broadcasts.

    Returns
    -------
    float16 array [...]
        Zeros are +0. What is too large is the largest finite value.
    overflow : bool
        Whether anything was too large.

    Raises
    ------
    ValueError
        When levels are no integers of four bits, or scales are not finite float16.
    """
    if levels.dtype.kind not in "iu" or (levels.size and not -8 <= levels.min() <= levels.max() <= 7):
        raise ValueError(f"levels must be integers from -8 to 7, not {levels}")
    require_fp16(np.atleast_1d(scales), "a dequantizer")
    if not np.isfinite(scales).all():
        raise ValueError(f"scales must be finite, not {scales}")
    # 4 + 11 bits: float32 holds the product, so that the cast is the only rounding.
    exact = levels.astype(np.float32) * scales.astype(np.float32)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float16)
    overflow = np.isinf(rounded)
    clipped = np.where(overflow, np.copysign(_LARGEST, rounded), rounded)
    return np.where(exact == 0, np.float16(0), clipped).astype(np.float16), bool(overflow.any())
