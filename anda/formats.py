"""The catalogue of number formats, one row each, with ranges taken from the golden model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import get_args

from golden.anda import AndaCodec, Rounding
from golden.bitplanes import ENCODINGS, GROUPS, PLANES, Encoding

__all__ = ["FormatRow", "catalogue"]


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
        FormatRow("int", "weights", "level * FP16 scale", "1..8, + 16/block", "bits 1..8, block 128", "4"),
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
