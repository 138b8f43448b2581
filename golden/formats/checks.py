"""What a quantizer refuses: numbers that float32 does not hold, and numbers that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_float32", "require_finite"]


def as_float32(x: NDArray[Any]) -> NDArray[np.float32]:
    """`x` as float32, exactly.

    Raises
    ------
    ValueError
        When float32 does not hold every number of its type: rounding is a choice of the caller.
    """
    array = np.asarray(x)
    if not np.can_cast(array.dtype, np.float32):
        raise ValueError(
            f"a format takes numbers that float32 holds, not {array.dtype}; "
            "convert them first, so that their rounding is yours"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def require_finite(x: NDArray[np.float32]) -> None:
    """Raise unless every element is finite.

    Raises
    ------
    ValueError
        Names the index, in C order the first, and the value of a non-finite element.
    """
    finite = np.isfinite(x)
    if not finite.all():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), x.shape))
        shown = index[0] if len(index) == 1 else index
        raise ValueError(f"every weight must be finite, but element {shown} is {float(x[index])}")
