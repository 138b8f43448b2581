"""Rounding of exact fractions, for slow models."""

from __future__ import annotations

from fractions import Fraction


def nearest(value: Fraction, bits: int, lowest: int) -> Fraction:
    """`value` rounded to `bits` significant bits, to nearest even, in units of at least `2^lowest`."""
    if value == 0:
        return value
    magnitude = abs(value)
    lead = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    lead -= magnitude < Fraction(2) ** lead
    unit = Fraction(2) ** max(lead - bits + 1, lowest)
    return round(value / unit) * unit  # Python rounds fractions to nearest even


def single(value: Fraction) -> Fraction:
    """`value` rounded to FP32."""
    return nearest(value, 24, -149)
