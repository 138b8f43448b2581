# amaranth: UnusedElaboratable=no
"""Converters of the comparison: what is refused, clean Verilog."""

from __future__ import annotations

from pathlib import Path

import pytest

from hdl.baseline.aligner import Aligner, AlignerParameters
from hdl.baseline.converter import GroupConverter
from hdl.baseline.to_mxint8 import MxInt8Converter, MxInt8ConverterParameters
from tests.hdl.baseline.clean import assert_clean

CONVERTERS = {
    "figna": lambda: Aligner(AlignerParameters(bits=14)),
    "wide": lambda: Aligner(AlignerParameters(bits=42, group=8, lanes=8, wires="sign-magnitude")),
    "nearest": lambda: Aligner(
        AlignerParameters(bits=7, group=8, encoding="twos-complement", rounding="nearest")
    ),
    "mxint8": lambda: MxInt8Converter(MxInt8ConverterParameters()),
}


@pytest.mark.parametrize("name", CONVERTERS)
def test_verilog_is_clean(name: str, tmp_path: Path) -> None:
    converter = CONVERTERS[name]()
    assert isinstance(converter, GroupConverter)
    assert_clean(converter, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 43}, "bits must be from 2 to 42, not 43"),
        ({"lanes": 3}, "lanes must divide the group of 64, which 3 does not"),
        ({"rounding": "up"}, "rounding must be .*, not 'up'"),
        ({"encoding": "offset"}, "encoding must be .*, not 'offset'"),
        (
            {"encoding": "twos-complement", "wires": "sign-magnitude"},
            "two's complement cannot leave as sign and magnitude",
        ),
    ],
)
def test_impossible_aligners_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignerParameters(**{"bits": 14, **change})


def test_lanes_divide_a_block() -> None:
    assert MxInt8ConverterParameters(lanes=8).beats == 4
    with pytest.raises(ValueError, match="lanes must divide the block of 32, which 5 does not"):
        MxInt8ConverterParameters(lanes=5)
