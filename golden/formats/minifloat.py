"""Value tables of small floating-point formats, code by code."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Specials", "minifloat_values", "sign_magnitude"]

Specials = Literal["none", "nan", "ieee", "fnuz"]
"""Codes without a finite value: none; all ones only; the whole top exponent; the place of negative zero."""


def minifloat_values(
    exponent_bits: int, mantissa_bits: int, *, bias: int | None = None, specials: Specials = "none"
) -> tuple[float, ...]:
    """Values of every code `sign, exponent, mantissa`; NaN where a code is not a finite number.

    An exponent field of zero is subnormal, as in IEEE 754.

    Parameters
    ----------
    exponent_bits, mantissa_bits : int
        Field widths; the code has one more bit, its sign.
    bias : int, optional
        Of the exponent; `2^(exponent_bits - 1) - 1` by default.
    specials : str
        "none": all codes are numbers (OCP E2M1, E2M3, E3M2). "nan": magnitude all ones is NaN (OCP E4M3).
        "ieee": the top exponent holds infinity and NaN. "fnuz": negative zero is the only NaN.

    Returns
    -------
    tuple of 2^(1 + exponent_bits + mantissa_bits) floats
        Both zeros are +0: the sign of zero carries no value.
    """
    if bias is None:
        bias = (1 << (exponent_bits - 1)) - 1
    count = 1 << (exponent_bits + mantissa_bits)
    magnitudes = []
    for code in range(count):
        field, fraction = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
        significand = fraction + ((field > 0) << mantissa_bits)
        magnitudes.append(math.ldexp(significand, max(field, 1) - bias - mantissa_bits))
    reserved = {"none": 0, "nan": 1, "ieee": 1 << mantissa_bits, "fnuz": 0}[specials]
    magnitudes[count - reserved :] = [math.nan] * reserved
    return sign_magnitude(magnitudes, negative_zero=math.nan if specials == "fnuz" else 0.0)


def sign_magnitude(magnitudes: list[float], negative_zero: float = 0.0) -> tuple[float, ...]:
    """Values of sign-magnitude codes: the magnitudes, then their negatives.

    Parameters
    ----------
    magnitudes : list of float
        By code, the first one zero.
    negative_zero : float
        What the redundant code of negative zero stands for: zero, a supernormal value, or NaN (reserved).
    """
    if magnitudes[0] != 0:
        raise ValueError(f"the first magnitude must be 0, whose negative is redundant, not {magnitudes[0]}")
    return (*magnitudes, negative_zero, *(-m for m in magnitudes[1:]))
