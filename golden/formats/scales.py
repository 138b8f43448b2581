"""Formats of block scales: rounding, memory, and what happens at the ends of their range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.formats.minifloat import minifloat_values
from golden.formats.nearest import NearestLevel

__all__ = ["E8M0_RULES", "SCALE_FORMATS", "E8m0Rule", "ScaleFormat", "e8m0_scale", "scale_format"]

E8m0Rule = Literal["floor", "ceil", "even", "rceil", "nearest"]

E8M0_RULES: tuple[E8m0Rule, ...] = get_args(E8m0Rule)


@dataclass(frozen=True)
class ScaleFormat:
    """A format of block scales.

    Attributes
    ----------
    name : str
        As `quantize` takes it.
    bits : int
        Memory of one scale.
    signed : bool
        Whether a scale may be negative.
    rule : str or None
        E8M0 only: how its exponent follows from a block; None takes the rule of the number format.
    """

    name: str
    bits: int
    signed: bool = True
    rule: E8m0Rule | None = None

    @property
    def kind(self) -> str:
        """The name without the rule."""
        return self.name.partition("-")[0]

    def round(self, ideal: NDArray[np.float64]) -> NDArray[np.float32]:
        """Round to nearest even; E4M3 saturates, FP16, BF16 and FP32 overflow to infinity.

        Parameters
        ----------
        ideal : float64 array
            Finite. E8M0 scales are not made here, but by `e8m0_scale`.
        """
        with np.errstate(over="ignore", under="ignore"):
            if self.kind == "e4m3":
                return _e4m3_values()[_e4m3_encoder()(ideal.astype(np.float32))]
            if self.kind == "fp16":
                return ideal.astype(np.float16).astype(np.float32)
            if self.kind == "bf16":
                return _round_to_bf16(ideal)
            return ideal.astype(np.float32)

    def encode(self, scales: NDArray[np.float32]) -> NDArray[Any]:
        """Stored bits of scales that `round` or `e8m0_scale` made."""
        if self.kind == "e8m0":
            _, exponent = np.frexp(scales)
            return (exponent + 126).astype(np.uint8)
        if self.kind == "e4m3":
            return _e4m3_encoder()(scales)
        if self.kind == "fp16":
            return scales.astype(np.float16).view(np.uint16)
        bits = np.ascontiguousarray(scales).view(np.uint32)
        return (bits >> 16).astype(np.uint16) if self.kind == "bf16" else bits


SCALE_FORMATS: dict[str, ScaleFormat] = {
    form.name: form
    for form in (
        ScaleFormat("fp32", 32),
        ScaleFormat("fp16", 16),
        ScaleFormat("bf16", 16),
        ScaleFormat("e4m3", 8),
        ScaleFormat("e8m0", 8, signed=False),
        *(ScaleFormat(f"e8m0-{rule}", 8, signed=False, rule=rule) for rule in E8M0_RULES),
    )
}
"""Every scale format by its name; plain "e8m0" takes the rule of the number format."""


def scale_format(name: str) -> ScaleFormat:
    """The scale format of this name.

    Raises
    ------
    ValueError
        When there is none.
    """
    if name not in SCALE_FORMATS:
        raise ValueError(f"a scale format is one of {', '.join(SCALE_FORMATS)}, not {name!r}")
    return SCALE_FORMATS[name]


def e8m0_scale(
    span: NDArray[np.float64], top: float, rule: E8m0Rule, mantissa_bits: int | None
) -> NDArray[np.float32]:
    """Power-of-two scales of blocks, `2^-127` to `2^127`, saturated at both ends.

    With `emax = floor(log2(top))`, the exponent is

    | rule      | exponent of the scale                                                              |
    |-----------|------------------------------------------------------------------------------------|
    | `floor`   | `floor(log2(span)) - emax` (OCP MX 1.0, section 6.3)                                |
    | `ceil`    | `ceil(log2(span)) - emax`                                                           |
    | `even`    | `floor(log2(r)) - emax`, `r` the span rounded half up to the element's mantissa    |
    | `rceil`   | `ceil(log2(span / top))`: the least one that saturates nothing                      |
    | `nearest` | the power of two nearest to `span / top`, ties up, as ml_dtypes rounds              |

    All of them are exact: logarithms come from the bits of a number. An all-zero block has `2^-127`.

    Parameters
    ----------
    span : float64 array
        Largest magnitudes.
    top : float
        The level that the largest magnitude belongs to.
    rule : str
        One of the table.
    mantissa_bits : int or None
        Stored fraction bits of an element, for `even`.

    Raises
    ------
    ValueError
        For the rule `even` without mantissa bits.
    """
    fraction, exponent = np.frexp(span)
    top_fraction, top_exponent = np.frexp(top)
    exponent = exponent.astype(np.int64)
    if rule in ("rceil", "nearest"):
        difference = exponent - int(top_exponent)
        if rule == "rceil":
            power = difference + (fraction > top_fraction)
        else:
            power = _nearest_power(fraction, float(top_fraction), difference)
    else:
        power = exponent - int(top_exponent)
        if rule == "ceil":
            power += fraction > 0.5
        elif rule == "even":
            if mantissa_bits is None:
                raise ValueError("the E8M0 rule even needs elements with mantissa bits; take another rule")
            # `fraction` is half the significand: rounding carries into the exponent from here on.
            power += fraction >= 1 - 2.0 ** -(mantissa_bits + 2)
    power = np.where(span == 0, -127, np.clip(power, -127, 127))
    return np.asarray(np.ldexp(np.float32(1), power.astype(np.int32)), dtype=np.float32)


def _nearest_power(
    fraction: NDArray[np.float64], top: float, difference: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Exponent of the power of two nearest to `fraction / top * 2^difference`, in the linear sense."""
    lower = difference - (fraction < top)
    # Twice the significand against three halves of the divisor, both exact.
    twice = np.where(fraction < top, 2 * fraction, fraction) * 2
    middle = 3 * top
    return np.asarray(lower + (twice >= middle), dtype=np.int64)


def _round_to_bf16(ideal: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round once: through float32 to odd, whose last bit remembers what was cut off."""
    near = ideal.astype(np.float32)
    toward_zero = np.where(np.abs(near) > np.abs(ideal), np.nextafter(near, np.float32(0)), near)
    bits = toward_zero.view(np.uint32) | (toward_zero != ideal).astype(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) & np.uint32(0xFFFF_0000)
    return np.asarray(rounded.view(np.float32), dtype=np.float32)


@cache
def _e4m3_values() -> NDArray[np.float32]:
    return np.array(minifloat_values(4, 3, specials="nan"), dtype=np.float32)


@cache
def _e4m3_encoder() -> NearestLevel:
    return NearestLevel(_e4m3_values(), "even")
