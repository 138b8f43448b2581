# amaranth: UnusedElaboratable=no
"""The term-serial element: widths, what is refused, clean Verilog, and its encoder."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from amaranth.sim import Simulator

from hdl.baseline.bitmod import BitMod, BitModParameters, TermEncoder
from hdl.heap import AdderCells
from tests.hdl.baseline.clean import assert_clean


@pytest.mark.parametrize("cells", list(AdderCells))
def test_verilog_is_clean(cells: AdderCells, tmp_path: Path) -> None:
    assert_clean(BitMod(BitModParameters().with_cells(cells)), tmp_path)


def test_the_encoder_is_clean(tmp_path: Path) -> None:
    assert_clean(TermEncoder(), tmp_path)


def test_a_sum_has_the_bits_of_an_fp32_significand_and_a_sign() -> None:
    p = BitModParameters()
    assert p.product_range.max == 2047 * 32
    assert p.sum_bits == 24
    assert p.beats == 32
    assert p.macs_per_cycle == Fraction(2)


def test_terms_of_the_encoder_add_up_to_the_weights() -> None:
    encoder = TermEncoder(lanes=2)

    async def bench(ctx: Any) -> None:
        for level in range(-8, 8):
            total = [0, 0]
            ctx.set(encoder.levels, (level & 15) | (~level & 15) << 4)
            for place in range(2):
                ctx.set(encoder.place, place)
                for lane in range(2):
                    term = encoder.terms[lane]
                    value = (1 << ctx.get(term.shift)) * (-1 if ctx.get(term.negative) else 1)
                    if ctx.get(term.zero):
                        assert ctx.get(term.shift) == 0, "a zero has the smallest exponent"
                    else:
                        total[lane] += value
            assert total == [level, ~level]

    simulator = Simulator(encoder)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terms": 0}, "terms must be from 1 to 4, not 0"),
        ({"guard": 13}, "guard must be from 0 to 12, not 13"),
        ({"lanes": 64}, "lanes must divide the group of 64, which 64 does not"),
        ({"lanes": 3}, "lanes must divide the group of 64, which 3 does not"),
    ],
)
def test_impossible_parameters_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(BitModParameters(), **change)
