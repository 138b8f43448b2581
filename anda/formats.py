"""The catalogue of number formats, one row each, with ranges taken from the golden model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import get_args

from golden import formats
from golden.anda import AndaCodec, Rounding
from golden.bitplanes import ENCODINGS, GROUPS, PLANES, Encoding

__all__ = ["FormatRow", "WeightFormatRow", "catalogue"]

#: Codes whose values are listed: those of a 16-bit format are a page of numbers that a formula says better.
_LISTED = 256


@dataclass(frozen=True)
class FormatRow:
    """One number format.

    Attributes
    ----------
    name : str
        As used in documentation.
    role : str
        What is stored in it: activations, weights or sums.
    value : str
        What an element is worth.
    bits : str
        Memory that one element takes, smallest to largest choice of parameters.
    parameters : str
        What may be chosen, with its range.
    contract : str
        Section of docs/contract.md.
    """

    name: str
    role: str
    value: str
    bits: str
    parameters: str
    contract: str


@dataclass(frozen=True)
class WeightFormatRow(FormatRow):
    """One weight format, with everything its object knows.

    Attributes
    ----------
    bits_per_weight : float
        With the share of scale and zero point, at the format's own block and scale format.
    block : int
    scale_format : str
    values : list
        Value of each code; null where a code is reserved.
    integer_levels : list or None
        Signed integer of each code; None for a real codebook.
    level_bits : int or None
        Width of a level.
    accumulator_bits_256 : int or None
        Width that holds every sum of 256 products of two levels.
    source : str
    """

    bits_per_weight: float
    block: int
    scale_format: str
    values: list[float | None]
    integer_levels: list[int | None] | None
    level_bits: int | None
    accumulator_bits_256: int | None
    source: str


_SECTIONS: dict[tuple[Encoding, Rounding], str] = {
    ("sign-magnitude", "truncate"): "2a",
    ("twos-complement", "nearest"): "2b",
}


def catalogue() -> list[FormatRow]:
    """Every format that hardware and golden model agree on."""
    anda = [_anda_row(encoding, rounding) for encoding, rounding in product(ENCODINGS, get_args(Rounding))]
    return [
        FormatRow("fp16", "activations in", "sign * significand * 2^(e-25)", "16", "", "1"),
        *anda,
        *map(_weight_row, formats.catalogue()),
        FormatRow("fp32", "sums", "one rounding per group, to nearest even", "32", "", "6"),
        FormatRow("fixed", "sums", "exact integer sum of T << shift", "all", "", "6"),
        FormatRow("integer", "sums", "exact, or wrap or saturate by choice", "chosen", "stages, bits", "6"),
    ]


def _anda_row(encoding: Encoding, rounding: Rounding) -> FormatRow:
    widest = AndaCodec(PLANES.max, encoding, rounding, GROUPS[0])
    narrowest = AndaCodec(PLANES.min, encoding, rounding, GROUPS[-1])
    whole = {"nearest": "floor(x/ulp + 1/2)", "truncate": "floor(x/ulp)"}[rounding]
    if encoding == "sign-magnitude":
        whole = "sign * " + whole.replace("x", "|x|")
        planes = f"M {PLANES.min - 1}..{PLANES.max - 1}"
    else:
        planes = f"P {PLANES.min}..{PLANES.max}"
    return FormatRow(
        name=f"{encoding} {rounding}",
        role="activations stored",
        value=f"{whole} * ulp",
        bits=f"{narrowest.bits_per_element:.2f}..{widest.bits_per_element:.2f}",
        parameters=f"{planes}, group {GROUPS[0]}..{GROUPS[-1]}",
        contract=_SECTIONS.get((encoding, rounding), "2"),
    )


def _weight_row(name: str) -> WeightFormatRow:
    f = formats.get(name)
    levels = f.integer_levels
    bits = f.bits_per_weight()
    in_hardware = "real levels: software only" if levels is None else f"levels of {f.level_bits} bits"
    return WeightFormatRow(
        name=name,
        role="weights",
        value=f.summary,
        bits=f"{bits:.3f}",
        parameters=in_hardware,
        contract="4",
        bits_per_weight=bits,
        block=f.block,
        scale_format=f.scale_format,
        values=[None if math.isnan(value) else value for value in f.values[:_LISTED]],
        integer_levels=None if levels is None else list(levels[:_LISTED]),
        level_bits=f.level_bits,
        accumulator_bits_256=None if levels is None else f.accumulator_bits(256),
        source=f.source,
    )
