"""What happens to the results of a product before they leave: scale, bias, activation, gate.

Each step takes FP16 values and gives FP16 values, rounded to nearest even once, subnormals kept; what is too
large becomes the largest finite value (contract, section 6). So `x * scale + bias` is what NumPy or any other
framework computes in FP16, up to the overflow.

**Exact in float64.** A product of two FP16 values has 22 bits, the lowest at least `2^-48`. A sum of two is a
multiple of `2^-24` below `2^17`: 41 bits. A value times a sigmoid of 16 bits has 27 bits, the lowest at least
`2^-85`. float64 has 53 bits and normal numbers from `2^-1022`: every step is exact before its one rounding.

**The sigmoid** is defined by integers, so that hardware gives the same bits. With `t = |a|`,

    sigmoid(-t) = 1 / (1 + e^t) = 2^-L,    L = log2(1 + e^t),    sigmoid(t) = 1 - sigmoid(-t).

`L` becomes a straight line for large `t`, and its table gets coarser with `t`: sixteen segments for `t` below
1 and sixteen for each binade from there to 32. `2^-L` is a shift by the integer part of `L` and a second
table for its fraction. In both tables a segment is its chord, moved half way towards the curve.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from .fp16 import FloatArray16, fields, require_finite, require_fp16

__all__ = [
    "ACTIVATIONS",
    "LOG_FRACTION",
    "PLACE_BITS",
    "SIGMOID_FRACTION",
    "Activation",
    "Segment",
    "elementwise",
    "exponential_segments",
    "logarithm_segments",
    "sigmoid",
    "silu",
]

Activation = Literal["none", "relu", "silu"]

ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

LOG_FRACTION = 14
"""Fraction bits of `L`."""
SIGMOID_FRACTION = 15
"""Fraction bits of a sigmoid."""
PLACE_BITS = 9
"""Bits of a place inside a segment, in both tables."""

_SEGMENTS = 16
"""Of `L`, for `t` below 1 and for each binade above."""
_BINADES = 5
_FIRST_BINADE = 15
"""Exponent of 1.0 (`golden.fp16.fields`)."""
_EXPONENTIAL_SEGMENTS = 1 << (LOG_FRACTION - PLACE_BITS)

_LARGEST = 65504.0
_OVERFLOW = 65520.0


class Segment(NamedTuple):
    """A piece of a curve: `base` plus or minus `floor(slope * place / 2^PLACE_BITS)`."""

    base: int
    slope: int


@cache
def logarithm_segments() -> tuple[Segment, ...]:
    """`log2(1 + e^t)` from `t = 0` to 32 in units of `2^-LOG_FRACTION`; rising.

    Segments 0 to 15 are a sixteenth wide and cover `[0, 1)`; segments `16 * b` to `16 * b + 15` divide
    `[2^(b-1), 2^b)`, for `b` from 1 to 5.
    """
    with localcontext() as context:
        context.prec = 40

        def curve(t: Decimal) -> Decimal:
            return (1 + t.exp()).ln() / Decimal(2).ln()

        segments = []
        for binade in range(_BINADES + 1):
            start, width = (Decimal(1 << (binade - 1)),) * 2 if binade else (Decimal(0), Decimal(1))
            width /= _SEGMENTS
            for k in range(_SEGMENTS):
                ends = [
                    curve(start + (k + part) * width) for part in (Decimal(0), Decimal("0.5"), Decimal(1))
                ]
                segments.append(_segment(ends, LOG_FRACTION))
        return tuple(segments)


@cache
def exponential_segments() -> tuple[Segment, ...]:
    """`2^-z` for `z` in `[0, 1)` in units of `2^-SIGMOID_FRACTION`, 32 equal segments; falling."""
    with localcontext() as context:
        context.prec = 40
        segments = []
        for k in range(_EXPONENTIAL_SEGMENTS):
            places = (k, k + Decimal("0.5"), k + 1)
            ends = [Decimal(2) ** -(Decimal(place) / _EXPONENTIAL_SEGMENTS) for place in places]
            segments.append(_segment(ends, SIGMOID_FRACTION))
        return tuple(segments)


def _segment(values: list[Decimal], fraction: int) -> Segment:
    """From a convex curve's values at the beginning, in the middle and at the end."""
    begin, middle, end = values
    above = (begin + end) / 2 - middle
    unit = 1 << fraction
    return Segment(round((begin - above / 2) * unit), round(abs(end - begin) * unit))


def sigmoid(a: FloatArray16) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`1 / (1 + e^-a)` as `mantissa * 2^(-SIGMOID_FRACTION - shift)`.

    Parameters
    ----------
    a : float16 array, any shape
        Finite values.

    Returns
    -------
    mantissa : int64 array
        0 to `2^SIGMOID_FRACTION`.
    shift : int64 array
        0 where the sign bit of `a` is clear, up to 46 elsewhere.
    """
    sign, exponent, significand = (part.astype(np.int64) for part in fields(a))
    # Below 1 a number of 13 fraction bits, rounded down: four say the segment, nine the place in it.
    small = exponent < _FIRST_BINADE
    fixed = (significand << 2) >> (_FIRST_BINADE - 1 - np.minimum(exponent, _FIRST_BINADE - 1))
    binade = np.minimum(exponent - _FIRST_BINADE + 1, _BINADES)
    segment = np.where(small, fixed >> PLACE_BITS, _SEGMENTS * binade + (significand >> 6 & 15))
    place = np.where(small, fixed & ((1 << PLACE_BITS) - 1), (significand & 63) << 3)
    # From 32 on the last segment, whose sigmoid is 0 next to every FP16 number.
    segment = np.where(exponent - _FIRST_BINADE + 1 > _BINADES, _SEGMENTS * (_BINADES + 1) - 1, segment)
    base, slope = np.array(logarithm_segments()).T
    logarithm = base[segment] + (slope[segment] * place >> PLACE_BITS)
    whole, part = logarithm >> LOG_FRACTION, logarithm & ((1 << LOG_FRACTION) - 1)
    base, slope = np.array(exponential_segments()).T
    segment, place = part >> PLACE_BITS, part & ((1 << PLACE_BITS) - 1)
    falling = base[segment] - (slope[segment] * place >> PLACE_BITS)
    rising = (1 << SIGMOID_FRACTION) - (falling >> whole)
    return np.where(sign == 1, falling, rising), np.where(sign == 1, whole, 0)


def silu(a: FloatArray16) -> FloatArray16:
    """`a * sigmoid(a)`, rounded once from the integer sigmoid.

    At most 0.802 units in the last place from the true value, for every finite `a`.

    Parameters
    ----------
    a : float16 array, any shape
        Finite values.
    """
    mantissa, shift = sigmoid(a)
    exact = a.astype(np.float64) * np.ldexp(mantissa.astype(np.float64), -SIGMOID_FRACTION - shift)
    return _rounded(exact)[0]


def elementwise(
    x: FloatArray16,
    scale: FloatArray16,
    bias: FloatArray16,
    *,
    activation: Activation = "none",
    gate: FloatArray16 | None = None,
) -> tuple[FloatArray16, bool]:
    """`activation(x * scale + bias) * gate`, every step rounded to FP16; a result that is 0 exactly is +0.

    Parameters
    ----------
    x : float16 array [..., C]
        Results of a product.
    scale, bias : float16 array [C]
        One for each channel.
    activation : str
        "none", "relu" or "silu".
    gate : float16 array [..., C], optional
        1 where there is none.

    Returns
    -------
    y : float16 array [..., C]
    overflow : bool
        Whether any step had to saturate.

    Raises
    ------
    ValueError
        An operand is not float16, not finite, or of another shape, or there is no such activation.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"an activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    channels = require_fp16(x, "an elementwise operation").shape[-1:]
    _check("scale", scale, channels)
    _check("bias", bias, channels)
    require_finite(x)
    product, overflows = _rounded(x.astype(np.float64) * scale)
    y, more = _rounded(product.astype(np.float64) + bias)
    overflow = bool(overflows.any() or more.any())
    if activation == "relu":
        y = np.where(y > 0, y, np.float16(0))
    elif activation == "silu":
        y = silu(y)
    factor = np.ones(x.shape, np.float16) if gate is None else gate
    _check("gate", factor, x.shape)
    y, more = _rounded(y.astype(np.float64) * factor)
    return y, overflow or bool(more.any())


def _check(name: str, operand: NDArray[Any], shape: tuple[int, ...]) -> None:
    require_fp16(operand, f"the {name} of an elementwise operation")
    if operand.shape != shape:
        raise ValueError(f"the {name} must have the shape {shape}, not {operand.shape}")
    require_finite(operand)


def _rounded(exact: NDArray[np.float64]) -> tuple[FloatArray16, NDArray[np.bool_]]:
    """To FP16, and where the largest finite value had to do; adding 0 turns an exact -0 into +0."""
    overflow = np.abs(exact) >= _OVERFLOW
    return np.clip(exact + 0.0, -_LARGEST, _LARGEST).astype(np.float16), overflow
