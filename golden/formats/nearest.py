"""Nearest level of a codebook, exactly and without a loop over levels or blocks."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "NearestLevel", "Ties"]

Ties = Literal["down", "even"]
"""Where a value half way between two levels goes: to the smaller one, or to the one of even code."""

Codes = NDArray[np.uint8] | NDArray[np.uint16]

_SHIFTS = (16, 12)
"""Low bits of a float32 that its cell ignores: 7 or 11 fraction bits remain."""

_SIGN = np.uint32(0x8000_0000)


class _Cells(NamedTuple):
    """Ranges of float32 values that share their leading bits, at most one threshold in each."""

    shift: int
    below: NDArray[np.uint16]
    """Thresholds below the cell."""
    threshold: NDArray[np.float32]
    """The threshold inside the cell, or infinity."""


class NearestLevel:
    """Maps float32 values to the codes of the nearest level; below the least level, to the least.

    Between two neighbouring levels lies one threshold, the largest float32 value that still goes down: their
    exact midpoint rounded down, or one step less where a tie goes up. Distances are thus compared exactly, in
    one comparison. The leading bits of a value find the one threshold that is near it in a table.

    Parameters
    ----------
    values : float32 array [codes]
        Level of each code; NaN where a code is reserved. Equal levels belong to the lowest of their codes.
    ties : str
        "down" (toward minus infinity) or "even" (to the even code).
    """

    def __init__(self, values: NDArray[np.float32], ties: Ties) -> None:
        wide = np.uint8 if len(values) <= 256 else np.uint16
        used = np.flatnonzero(~np.isnan(values))
        # Stable: the lowest code of equal levels comes first, and `unique` keeps it.
        order = used[np.argsort(values[used], kind="stable")]
        levels, first = np.unique(values[order], return_index=True)
        codes = order[first]
        self._codes: NDArray[Any] = codes.astype(wide)
        self._thresholds = _thresholds(levels, up=(codes[1:] % 2 == 0) & (ties == "even"))
        self._cells = next(filter(None, (_cells(self._thresholds, shift) for shift in _SHIFTS)), None)

    def __call__(self, x: NDArray[np.float32]) -> Codes:
        """Codes of the nearest levels of finite values of any shape."""
        if self._cells is None:
            return self._codes.take(np.searchsorted(self._thresholds, x, side="left"))
        cell = x.view(np.uint32) >> self._cells.shift
        index = self._cells.below.take(cell)
        index += x > self._cells.threshold.take(cell)
        return self._codes.take(index)


def _thresholds(levels: NDArray[np.float32], up: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Largest float32 value of each level but the last; `up` says which midpoints belong to the next one."""
    exact = levels.astype(np.float64)
    # The sum of two neighbours is exact in float64 wherever the midpoint is a float32 number, and only
    # there is its last bit of any consequence.
    middle = (exact[:-1] + exact[1:]) / 2
    rounded = middle.astype(np.float32)
    too_large = (rounded > middle) | (up & (rounded == middle))
    return np.where(too_large, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _cells(thresholds: NDArray[np.float32], shift: int) -> _Cells | None:
    """The table, or None when two thresholds share a cell."""
    small = np.arange(1 << (32 - shift), dtype=np.uint32) << np.uint32(shift)
    large = small | np.uint32((1 << shift) - 1)
    # A negative value's bits grow as it falls.
    negative = small >= _SIGN
    lowest = np.where(negative, large, small).view(np.float32)
    highest = np.where(negative, small, large).view(np.float32)
    below = np.searchsorted(thresholds, lowest, side="left")
    reached = np.searchsorted(thresholds, highest, side="left")
    # Cells of infinities and NaN are never looked up.
    inside = np.isfinite(lowest) & np.isfinite(highest) & (reached > below)
    if (reached - below)[inside].max(initial=0) > 1:
        return None
    padded = np.append(thresholds, np.float32(np.inf))
    return _Cells(shift, below.astype(np.uint16), np.where(inside, padded[below], np.float32(np.inf)))
