"""The grid that weights are rounded to: integer levels of a catalogue format and frozen scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.formats import Clip, Format

__all__ = ["Rounding", "WeightGrid", "check_rounding", "format_levels"]

Rounding = Literal["nearest", "zero", "floor", "ceil"]
"""Where a value between two levels goes: nearest (ties to even integers), toward 0, down, or up."""

_WIDEST = 24
"""Bits of a level: worst cases of up to 2^22 terms of 16-bit activations stay exact in 64 bits."""


def check_rounding(rounding: str) -> None:
    """Raise unless this is one of the modes of `Rounding`."""
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding should be one of {', '.join(get_args(Rounding))}, not {rounding!r}")


def format_levels(form: Format) -> NDArray[np.int64]:
    """Different integer levels of a format, ascending; with zero points all that any of them allows.

    Raises
    ------
    ValueError
        When the format has no integer levels, none of them is 0, or they are wider than 24 bits.
    """
    if form.integer_levels is None or form.level_range is None or form.level_bits is None:
        raise ValueError(
            f"format {form.name} has no integer levels, so no accumulator of its products is exact; "
            "take a hardened format such as sf4-int5"
        )
    if form.level_bits > _WIDEST:
        raise ValueError(
            f"levels should have at most {_WIDEST} bits, but those of {form.name} have {form.level_bits}"
        )
    if form.scaling == "zero-point":
        return np.arange(form.level_range.min, form.level_range.max + 1)
    levels = np.unique(np.array([level for level in form.integer_levels if level is not None]))
    if 0 not in levels:
        raise ValueError(f"0 should be a level, as it always fits a budget, but format {form.name} has none")
    return levels.astype(np.int64)


@dataclass(frozen=True)
class WeightGrid:
    """Levels and frozen scales of one layer: `weight = level * scale`.

    Everything here is transposed, inputs first, so that all channels of one input are contiguous.

    Attributes
    ----------
    levels : int64 array
        Different levels, ascending, 0 among them.
    scales : float64 array [groups, C]
        What a level is worth: the format's unit is contained. Signs are allowed; 0 makes a group zero.
    low, high : int64 arrays [groups, C]
        Ends of the levels that a group may use: narrower than `levels` with zero points only.
    group : int
        Inputs that share a scale; the last group may be short.
    """

    levels: NDArray[np.int64]
    scales: NDArray[np.float64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    group: int

    @classmethod
    def of(
        cls,
        weights: NDArray[np.float64],
        form: Format,
        scales: NDArray[Any] | float | None = None,
        zeros: NDArray[Any] | None = None,
    ) -> WeightGrid:
        """The grid of a layer; scales and zero points that are given are used as they are.

        Parameters
        ----------
        weights : float array [C, K]
        form : Format
        scales : float, or array [C], [C, 1] or [C, groups], optional
            What an integer level is worth. By default the format's own, one per channel, with the clip ratio
            of least squared error.
        zeros : int array [C, groups], optional
            Zero points, for formats that have them, when scales are given.

        Raises
        ------
        ValueError
            When the format has no usable levels, or a shape does not fit.
        """
        levels = format_levels(form)
        channels, inputs = weights.shape
        if scales is None:
            clip: Clip = None if form.scaling == "none" else "block"
            own = form.quantize(weights.astype(np.float32), block="channel", clip=clip)
            scales, zeros = own.level_scales, own.zeros
        table = np.asarray(scales, dtype=np.float64)
        table = np.broadcast_to(table, (channels,))[:, np.newaxis] if table.ndim == 0 else table
        table = table[:, np.newaxis] if table.ndim == 1 else table
        groups = table.shape[-1]
        size = -(-inputs // max(groups, 1))
        if table.ndim != 2 or len(table) != channels or not groups or -(-inputs // size) != groups:
            raise ValueError(
                f"weight scales should have the shape [{channels}], [{channels}, 1] or [{channels}, groups] "
                f"with groups of equal size along {inputs} inputs, not {list(np.shape(scales))}"
            )
        if not np.isfinite(table).all():
            raise ValueError("weight scales should be finite, but one of them is not")
        low = np.full(table.T.shape, levels[0])
        high = np.full(table.T.shape, levels[-1])
        if form.scaling == "zero-point":
            if zeros is None or np.shape(zeros) != table.shape:
                raise ValueError(
                    f"format {form.name} has zero points: with scales given they should be given, too, "
                    f"in the shape {list(table.shape)}"
                )
            low = -np.asarray(zeros).astype(np.int64).T
            high = low + (len(form.values) - 1)
        return cls(levels, np.ascontiguousarray(table.T), low, high, size)

    @property
    def contiguous(self) -> bool:
        """Whether the levels are all integers between their ends."""
        return len(self.levels) == int(self.levels[-1] - self.levels[0]) + 1

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """`1 / scales`, and 0 where a scale is 0 or too small for that."""
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1 / self.scales
        inverse[~np.isfinite(inverse)] = 0
        return inverse

    def scale_of(self, index: NDArray[np.intp] | int) -> NDArray[np.float64]:
        """Scales of one input, [C], or of several, [inputs, C]."""
        return np.asarray(self.scales[np.asarray(index) // self.group])

    def round(
        self,
        x: NDArray[np.float64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        rounding: Rounding = "nearest",
    ) -> NDArray[np.int64]:
        """Levels of numbers in units of the scale, inside an interval that contains 0.

        The interval is applied to the integer, after rounding, so that no rounding mode can leave it.

        Parameters
        ----------
        x : float64 array [C]
        low, high : int64 arrays [C]
            `low <= 0 <= high`.
        rounding : str

        Returns
        -------
        int64 array [C]
        """
        if self.contiguous:
            step = _INTEGERS[rounding](x)
            clipped = np.clip(step, np.maximum(low, self.levels[0]), np.minimum(high, self.levels[-1]))
            return clipped.astype(np.int64)
        index = self._index(x, rounding)
        first = self.levels.searchsorted(low, side="left")
        last = self.levels.searchsorted(high, side="right") - 1
        return self.levels[np.clip(index, first, last)]

    def _index(self, x: NDArray[np.float64], rounding: Rounding) -> NDArray[np.intp]:
        if rounding == "nearest":
            return self._middles.searchsorted(x, side="left")
        below = self.levels.searchsorted(x, side="right") - 1
        above = self.levels.searchsorted(x, side="left")
        if rounding == "floor":
            return below
        return above if rounding == "ceil" else np.where(x > 0, below, above)

    @cached_property
    def _middles(self) -> NDArray[np.float64]:
        return (self.levels[1:] + self.levels[:-1]) / 2

    @cached_property
    def inward(self) -> NDArray[np.int64]:
        """By `level - levels[0]`: the next level toward 0; 0 for 0."""
        places = np.arange(len(self.levels))
        toward = self.levels[places - np.sign(self.levels)]
        table = np.zeros(int(self.levels[-1] - self.levels[0]) + 1, dtype=np.int64)
        table[self.levels - self.levels[0]] = toward
        return table


_INTEGERS = {"nearest": np.rint, "zero": np.trunc, "floor": np.floor, "ceil": np.ceil}
