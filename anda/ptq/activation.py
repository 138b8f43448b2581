"""Integer activations of 2 to 16 bits, signed or unsigned with a zero point (contract, sections 6 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.interval import Interval

__all__ = ["ActivationQuantizer", "activation_range"]


_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Ratios of clipping that `least_error` tries."""


def activation_range(bits: int, signed: bool) -> Interval:
    """Every code of an activation, mu to nu; zero is among them.

    Raises
    ------
    ValueError
        When the width is not 2 to 16 bits.
    """
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 2 <= bits <= 16:
        raise ValueError(f"activations should have 2 to 16 bits, not {bits!r}")
    return Interval.of_bits(int(bits), signed)


@dataclass(frozen=True)
class ActivationQuantizer:
    """`x = scale * (code - zero)`, one scale and zero point for the whole input of a layer.

    The accumulator sums products with the codes. What the zero point adds, `correction`, is known before any
    input comes, so it is subtracted outside and takes no part in the bound of the accumulator.

    Parameters
    ----------
    bits : int
        2 to 16.
    signed : bool
        Two's complement, full range; otherwise 0 to 2^bits - 1.
    scale : float or float array [rows, 1]
        What one step is worth; an array has one for each row (dynamic scales).
    zero : int
        Code of 0; not 0 with unsigned codes only.

    Raises
    ------
    ValueError
        When a scale is not positive and finite, or the zero point is no code.
    """

    bits: int
    signed: bool
    scale: float | NDArray[np.float64]
    zero: int = 0

    def __post_init__(self) -> None:
        codes = self.codes
        scale = np.asarray(self.scale, dtype=np.float64)
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(f"the scale of activations should be positive and finite, not {self.scale}")
        if self.signed and self.zero:
            raise ValueError(f"signed activations have the zero point 0, not {self.zero}")
        if not codes.min <= self.zero <= codes.max:
            raise ValueError(
                f"a zero point should be a code, {codes.min} to {codes.max}, but it is {self.zero}"
            )

    @classmethod
    def fit(
        cls,
        inputs: NDArray[Any],
        bits: int,
        signed: bool,
        scale: float | NDArray[Any] | None = None,
        zero: int | None = None,
        clip: float = 1.0,
    ) -> ActivationQuantizer:
        """Choose what is not given so that the codes span the inputs, 0 included.

        Parameters
        ----------
        inputs : float array [rows, K]
        bits, signed : int, bool
        scale : float or array [rows] or [rows, 1], optional
            Used as it is.
        zero : int, optional
            Used as it is.
        clip : float
            Ratio in (0, 1] of the span that the codes cover; beyond it they saturate.

        Raises
        ------
        ValueError
            When a parameter is out of its range.
        """
        codes = activation_range(bits, signed)
        if not 0 < clip <= 1:
            raise ValueError(f"a clip ratio should be above 0 and at most 1, not {clip}")
        low, high = clip * min(float(inputs.min()), 0.0), clip * max(float(inputs.max()), 0.0)
        if scale is None:
            span = max(high, -low) / codes.max if signed else (high - low) / codes.max
            scale = span if span > 0 else 1.0
        if np.ndim(scale) > 0:
            scale = np.asarray(scale, dtype=np.float64).reshape(-1, 1)
            if len(scale) != len(inputs):
                raise ValueError(f"scales by row should be {len(inputs)}, one for each row, not {len(scale)}")
        else:
            scale = float(scale)
        if zero is None:
            step = float(np.max(scale))
            zero = 0 if signed else min(max(round(-low / step), 0), codes.max)
        return cls(int(bits), signed, scale, int(zero))

    @classmethod
    def least_error(cls, inputs: NDArray[Any], bits: int, signed: bool) -> ActivationQuantizer:
        """Choose scale and zero point with the least squared error over some ratios of clipping.

        Parameters
        ----------
        inputs : float array [rows, K]
        bits, signed : int, bool

        Raises
        ------
        ValueError
            When the width is not 2 to 16 bits.
        """
        fits = [cls.fit(inputs, bits, signed, clip=clip) for clip in _CLIPS]
        return min(fits, key=lambda fit: float(np.sum((fit.dequantize(inputs) - inputs) ** 2)))

    @property
    def codes(self) -> Interval:
        """Every code: mu to nu."""
        return activation_range(self.bits, self.signed)

    def encode(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Codes of inputs [rows, K], to nearest even; beyond the ends they saturate."""
        steps = np.rint(np.asarray(x, dtype=np.float64) / self.scale) + self.zero
        codes: NDArray[np.int64] = np.clip(steps, self.codes.min, self.codes.max).astype(np.int64)
        return codes

    def dequantize(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Inputs as the layer sees them, [rows, K]: each to its code and back."""
        steps = (self.encode(x) - self.zero).astype(np.float64)
        return steps * np.asarray(self.scale, dtype=np.float64)

    def correction(self, levels: NDArray[Any]) -> NDArray[np.int64]:
        """What to subtract from each output channel's sum of products with codes: `zero * sum(levels)`.

        Parameters
        ----------
        levels : int array [C, K]

        Returns
        -------
        int64 array [C]
        """
        sums: NDArray[np.int64] = levels.sum(axis=-1, dtype=np.int64)
        return self.zero * sums
