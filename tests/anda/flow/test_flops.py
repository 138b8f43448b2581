from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from anda.flow.flops import enable_flops, oversized_flops
from anda.flow.library import Library

from .samples import BASIC, library


def flop(
    name: str, area: float, output: str, next_state: str, pins: Iterable[str] = "D", extra: str = ""
) -> str:
    inputs = " ".join(f"pin ({pin}) {{ direction : input; }}" for pin in pins)
    return (
        f"cell ({name}) {{ area : {area}; ff (IQ, IQN) {{\n"
        f'clocked_on : "CK"; next_state : "{next_state}"; {extra} }}\n'
        f"pin (CK) {{ direction : input; }} {inputs}\n"
        f'pin (Q) {{ direction : output; function : "{output}"; }} }}\n'
    )


def test_larger_drives_are_oversized(tmp_path: Path):
    found = library(tmp_path, BASIC, flop("flop_x2", 6, "IQ", "D"))
    assert oversized_flops(found) == ["flop_x2"]


def test_inverted_output_counts_with_its_inverter(tmp_path: Path):
    # The flop of BASIC has area 5, the inverter 0.5.
    assert oversized_flops(library(tmp_path, BASIC, flop("qn", 4.4, "IQN", "D"))) == ["flop"]
    assert oversized_flops(library(tmp_path, BASIC, flop("qn", 4.6, "IQN", "D"))) == ["qn"]
    # Stored complemented and read complemented is plain.
    assert oversized_flops(library(tmp_path, BASIC, flop("nn", 4.9, "IQN", "!D"))) == ["flop"]
    assert oversized_flops(library(tmp_path, BASIC, flop("n", 4.6, "IQ", "(!D)"))) == ["n"]


def test_flops_with_more_than_data_are_not_compared(tmp_path: Path):
    scan = flop("scan", 9, "IQ", "(D !SE) + (SD SE)", pins=("D", "SD", "SE"))
    clear = flop("clear", 9, "IQ", "D", pins=("D", "R"), extra='clear : "R";')
    assert oversized_flops(library(tmp_path, BASIC, scan, clear)) == []


def test_enables_are_found_by_function(tmp_path: Path):
    found = library(
        tmp_path,
        BASIC,
        flop("high", 8, "IQ", "(D E) + (IQ !E)", pins="DE"),
        flop("low", 8, "IQ", "(E IQ) + (!E D)", pins="DE"),
        flop("gated", 8, "IQ", "D E", pins="DE"),
        flop("toggle", 8, "IQ", "D ^ IQ", pins="D"),
    )
    assert enable_flops(found) == ["high", "low"]


def test_generic_library():
    assert enable_flops(Library.generic()) == ["ge_dffe"]
    assert oversized_flops(Library.generic()) == []
