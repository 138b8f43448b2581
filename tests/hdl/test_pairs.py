# amaranth: UnusedElaboratable=no
"""Lines, sums and products of pairs of lanes, in Amaranth's own simulator."""

from __future__ import annotations

import itertools

import pytest
from amaranth.sim import Simulator

from golden import formats
from hdl.column import PeColumn
from hdl.heap import AdderCells
from hdl.modules import flat_ports
from hdl.pairs import PairAdders, PairDecoder, PairWeights
from hdl.pe import PeParameters, ProcessingElement


def test_lines_say_which_lanes_of_a_pair_are_set() -> None:
    decoder = PairDecoder(bits=4)
    # By the bits of a pair, the first lane lowest: neither, the first alone, the second alone, both.
    lines = [0b000, 0b001, 0b010, 0b100]

    async def bench(ctx) -> None:
        for low, high in itertools.product(range(4), range(4)):
            flags = low % 2, high % 2
            ctx.set(decoder.planes.payload.words, low | high << 2)
            ctx.set(decoder.planes.payload.first, flags[0])
            ctx.set(decoder.planes.payload.last, flags[1])
            ctx.set(decoder.planes.valid, flags[1])
            ctx.set(decoder.lines.ready, flags[0])
            assert ctx.get(decoder.lines.payload.words) == lines[low] | lines[high] << 3
            passed = decoder.lines.payload.first, decoder.lines.payload.last, decoder.lines.valid
            assert tuple(map(ctx.get, passed)) == (flags[0], flags[1], flags[1])
            assert ctx.get(decoder.planes.ready) == flags[0]

    simulator = Simulator(decoder)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("cells", AdderCells)
@pytest.mark.parametrize("level_bits", [1, 2, 4])
def test_levels_of_pairs_are_added_without_loss(level_bits: int, cells: AdderCells) -> None:
    adders = PairAdders(lanes=4, level_bits=level_bits, adder_cells=cells)
    levels = range(-(1 << (level_bits - 1)), 1 << (level_bits - 1))

    async def bench(ctx) -> None:
        for first, second in itertools.product(levels, levels):
            for lane, level in enumerate((first, second, second, levels[0])):
                ctx.set(adders.levels.payload[lane], level)
            seen = [[ctx.get(pair[name]) for name in ("first", "second", "both")] for pair in pairs]
            assert seen == [[first, second, first + second], [second, levels[0], second + levels[0]]]

    pairs = [adders.pairs.payload[i] for i in range(2)]
    simulator = Simulator(adders)
    simulator.add_testbench(bench)
    simulator.run()


def test_elements_of_pairs_have_a_name_and_ports_of_their_own() -> None:
    lanes, pairs = PeParameters(), PeParameters(products="pairs")
    assert pairs.name == f"{lanes.name}_pairs"
    assert (lanes.word_bits, pairs.word_bits) == (64, 96)
    ports = {port.name: port.width for port in flat_ports(ProcessingElement(pairs))}
    # Three lines a pair; two levels of four bits and a sum of five.
    assert (ports["planes_words"], ports["levels"]) == (96, 32 * 13)
    inside, outside = PeColumn(pairs, rows=2), PeColumn(pairs, rows=2, lines=True)
    assert [len(column.planes.payload.words) for column in (inside, outside)] == [2 * 64, 2 * 96]
    assert outside.module_name == f"{inside.module_name}_lines"
    coded = PairWeights(
        lanes=8, level_bits=5, format=formats.get("e2m1-sp"), adder_cells=AdderCells.INVERTING
    )
    assert coded.module_name == "anda_pair_weights_8_e2m1_sp_to_5_inv"


def test_what_has_no_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="an even number of bits, 2 or more, not from 7"):
        PairDecoder(bits=7)
    with pytest.raises(ValueError, match="an even number of lanes, 2 or more, not of 0"):
        PairAdders(lanes=0, level_bits=4)
    with pytest.raises(ValueError, match="lines are for elements with products of pairs, not of lanes"):
        PeColumn(PeParameters(), rows=2, lines=True)
