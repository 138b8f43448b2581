# amaranth: UnusedElaboratable=no
"""MXINT8 elements: widths, what is refused, clean Verilog."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from golden.interval import Interval
from hdl.baseline.block_accumulator import BlockAccumulatorParameters, UnscaledWindow
from hdl.baseline.mxint8 import MxInt8, MxInt8Parameters
from hdl.heap import AdderCells
from tests.hdl.baseline.clean import assert_clean


@pytest.mark.parametrize(
    "p",
    [MxInt8Parameters(), MxInt8Parameters(kind="mxint8", lanes=2, adder_cells=AdderCells.INVERTING)],
    ids=lambda p: p.kind,
)
def test_verilog_is_clean(p: MxInt8Parameters, tmp_path: Path) -> None:
    assert_clean(MxInt8(p), tmp_path)


def test_sums_of_a_block_have_their_exact_width() -> None:
    assert MxInt8Parameters().block.sum_range == Interval(-8 * 127 * 32, 8 * 128 * 32)
    assert MxInt8Parameters(kind="mxint8").block.sum_bits == 21
    assert MxInt8Parameters().macs_per_cycle == Fraction(4)


def test_the_window_without_a_scale_has_room_for_its_argument() -> None:
    for bits in range(6, 41):
        window = UnscaledWindow(bits, 2)
        assert window.bits >= max(window.product.bits + 1, 27 + window.slack)
        reach = sum(window.sum_steps)
        assert bits - 2 - reach <= window.slack, "the shortest sum comes to the top"


@pytest.mark.parametrize("lanes", [0, 3, 32])
def test_lanes_that_do_not_fit_are_refused(lanes: int) -> None:
    with pytest.raises(ValueError, match="lanes must be 1, 2, 4, 8 or 16"):
        MxInt8Parameters(lanes=lanes)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="int4 or mxint8, not 'int8'"):
        MxInt8Parameters(kind="int8")


@pytest.mark.parametrize(("field", "value"), [("sum_bits", 5), ("exponent_bits", 9)])
def test_impossible_accumulators_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        BlockAccumulatorParameters(**{"sum_bits": 17, "exponent_bits": 8, "unit": 0, field: value})
