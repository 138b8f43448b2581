# amaranth: UnusedElaboratable=no
"""Block elements of the comparison: exact widths, what is refused, clean Verilog."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from golden.interval import Interval
from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.block import BlockParameters
from hdl.baseline.figna import figna
from hdl.heap import AdderCells
from tests.hdl.baseline.clean import assert_clean

SMALL = BlockParameters(bits=5, block=8, lanes=4)
ELEMENTS = {
    "figna": figna(),
    "figna inside": figna(8, weights="inside", adder_cells=AdderCells.INVERTING),
    "one beat": BfpParameters(block=replace(SMALL, lanes=8)),
    "magnitudes": BfpParameters(
        block=replace(SMALL, encoding="sign-magnitude", wires="sign-magnitude", products="bits")
    ),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_verilog_is_clean(name: str, tmp_path: Path) -> None:
    assert_clean(Bfp(ELEMENTS[name]), tmp_path)


def test_sums_have_their_exact_width() -> None:
    assert figna().block.sum_range == Interval(-8 * 8191 * 64, 8 * 8191 * 64)
    assert figna().block.sum_bits == 23
    full = replace(figna().block, encoding="twos-complement")
    assert full.sum_range.max == 8 * 8192 * 64
    assert full.sum_bits == 24


def test_figna_takes_sixteen_cycles_for_a_group() -> None:
    assert figna().block.beats == 16
    assert figna().macs_per_cycle == Fraction(4)
    assert [figna(m).block.bits for m in (13, 11, 8)] == [14, 12, 9]


def test_a_group_a_cycle_needs_two_rows_under_way() -> None:
    assert ELEMENTS["one beat"].slots == 2
    assert ELEMENTS["figna"].slots == 1
    assert ELEMENTS["one beat"].macs_per_cycle == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 1}, "bits must be from 2 to 17, not 1"),
        ({"bits": 18}, "bits must be from 2 to 17, not 18"),
        ({"level_bits": 9}, "level_bits must be from 2 to 8, not 9"),
        ({"lanes": 3}, "lanes must divide the block of 8, which 3 does not"),
        ({"encoding": "offset"}, "encoding must be .*, not 'offset'"),
        ({"weights": "elsewhere"}, "weights must be outside or inside"),
        ({"products": "tables"}, "products must be bits or digits"),
        ({"wires": "sign-magnitude"}, "cannot come as sign and magnitude"),
        (
            {"encoding": "sign-magnitude", "wires": "sign-magnitude"},
            "digits need activations in two's complement",
        ),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_other_cells_are_other_modules() -> None:
    inverting = ELEMENTS["figna"].with_cells(AdderCells.INVERTING)
    assert inverting.block.adder_cells is AdderCells.INVERTING
    assert Bfp(inverting).module_name != Bfp(ELEMENTS["figna"]).module_name
