"""FP16 words as exact integers: the activations that enter (contract, section 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXPONENT_BIAS", "Fields", "FloatArray16", "fields", "require_finite", "require_fp16", "sanitize"]

FloatArray16 = NDArray[np.float16]

EXPONENT_BIAS = 25
"""`x = (-1)^sign * significand * 2^(exponent - 25)`: fifteen of FP16's own bias, ten fraction bits."""

_EXPONENT_MASK = np.uint16(0x7C00)
_SIGN_MASK = np.uint16(0x8000)
_LARGEST_FINITE = np.uint16(0x7BFF)


class Fields(NamedTuple):
    """Sign, effective exponent and significand of FP16 values, one integer array each.

    `x = (-1)^sign * significand * 2^(exponent - 25)`, exactly, subnormals and zeros included.
    """

    sign: NDArray[np.int32]
    """0 or 1."""
    exponent: NDArray[np.int32]
    """1 to 30: the exponent field, where a subnormal's field 0 counts as 1."""
    significand: NDArray[np.int32]
    """0 to 2047: the fraction with its hidden bit."""


def require_fp16(x: NDArray[Any], what: str = "the codec") -> FloatArray16:
    """Return `x` when it is a float16 array of at least one axis, else raise.

    Raises
    ------
    ValueError
        For any other type: rounding to FP16 is a choice that belongs to the caller.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float16:
        given = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise ValueError(
            f"{what} takes a float16 array, not {given}; convert it first, so that its rounding is yours"
        )
    if x.ndim == 0:
        raise ValueError(f"{what} takes an array with at least one axis, not a single number")
    return x


def require_finite(x: NDArray[Any]) -> None:
    """Raise unless every element is finite.

    Raises
    ------
    ValueError
        Names the index (in C order, the first) and the value of a non-finite element.
    """
    finite = np.isfinite(x)
    if finite.all():
        return
    index = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), x.shape))
    shown = index[0] if len(index) == 1 else index
    raise ValueError(f"every activation must be finite, but element {shown} is {float(x[index])}")


def fields(x: FloatArray16) -> Fields:
    """Split finite FP16 values into integers (contract, section 1).

    Parameters
    ----------
    x : float16 array, any shape
        Finite values; an infinity or NaN would come back as exponent 31 and means nothing.

    Returns
    -------
    Fields
        Three int32 arrays of the shape of `x`.
    """
    bits = x.view(np.uint16).astype(np.int32)
    exponent = (bits >> 10) & 31
    significand = (bits & 0x3FF) + ((exponent > 0).astype(np.int32) << 10)
    return Fields(bits >> 15, np.maximum(exponent, 1), significand)


def sanitize(x: FloatArray16) -> tuple[FloatArray16, bool]:
    """What the hardware does with non-finite input (contract, section 1).

    An infinity becomes the largest finite value of its sign, a NaN becomes zero.

    Returns
    -------
    x : float16 array
        A finite copy.
    nonfinite : bool
        Whether anything was replaced: the hardware's sticky flag.
    """
    bits = x.view(np.uint16)
    special = (bits & _EXPONENT_MASK) == _EXPONENT_MASK
    infinite = special & ((bits & ~_EXPONENT_MASK & ~_SIGN_MASK) == 0)
    clean = np.where(special, np.where(infinite, (bits & _SIGN_MASK) | _LARGEST_FINITE, np.uint16(0)), bits)
    return clean.astype(np.uint16).view(np.float16), bool(special.any())
