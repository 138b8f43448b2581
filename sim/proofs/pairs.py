"""Proofs about products of pairs: what is selected for two lanes is the sum of their products."""

from __future__ import annotations

from functools import partial
from typing import Literal

from amaranth.hdl import Assert, Cat, Elaboratable, Module, Mux, Signal, Value, signed

from hdl.heap import AdderCells, BitHeap
from hdl.pairs import PairAdders, PairDecoder, add_pairs
from hdl.ranges import extend

from .theorem import Theorem

__all__ = ["Fault", "PairProduct", "pair_theorems"]

#: What is wrong with a twin: the sum of the levels lacks its top bit, or lines of one lane ignore the other.
Fault = Literal["narrow", "overlapping"]


class PairProduct(Elaboratable):
    """Decoder, adders and selection for one pair, next to the two products of lanes."""

    def __init__(self, level_bits: int, cells: AdderCells, fault: Fault | None = None):
        self.level_bits = level_bits
        self.cells = cells
        self.fault = fault
        self.word = Signal(2)
        self.first = Signal(signed(level_bits))
        self.second = Signal(signed(level_bits))

    def ports(self) -> list[Value]:
        """The inputs."""
        return [self.word, self.first, self.second]

    def elaborate(self, platform: object) -> Module:
        """The parts as elements have them, and the equation."""
        m = Module()
        m.submodules.decoder = decoder = PairDecoder(bits=2)
        m.submodules.adders = adders = PairAdders(lanes=2, level_bits=self.level_bits, adder_cells=self.cells)
        m.d.comb += [
            decoder.planes.payload.words.eq(self.word),
            adders.levels.payload[0].eq(self.first),
            adders.levels.payload[1].eq(self.second),
        ]
        lines: Value = decoder.lines.payload.words
        if self.fault == "overlapping":
            lines = Cat(self.word, lines[2])
        pair = adders.pairs.payload[0]
        both: Value = pair.both
        if self.fault == "narrow":
            both = extend(both[: self.level_bits].as_signed(), self.level_bits + 1)
        heap = BitHeap(self.level_bits + 1, self.cells, prefix="product_")
        add_pairs(heap, lines, [Cat(pair.first, pair.second, both)], level_bits=self.level_bits, shift=0)
        lanes = Mux(self.word[0], self.first, 0) + Mux(self.word[1], self.second, 0)
        m.d.comb += Assert(heap.sum(m).as_signed() == lanes, "a pair is the sum of its lanes")
        return m


def pair_theorems() -> list[Theorem]:
    """Levels of every width, in both polarities of the adder cells, and a twin for each fault."""

    def product(
        level_bits: int, cells: AdderCells, fault: Fault | None = None
    ) -> tuple[Elaboratable, list[Value]]:
        design = PairProduct(level_bits, cells, fault)
        return design, design.ports()

    theorems = []
    statement = "Whatever two lanes hold, what is selected for them is the sum of their products."
    refuted: dict[Fault, str] = {
        "narrow": "A sum of two levels that is no wider than they are is not their sum.",
        "overlapping": "Lines that say nothing of the other lane of the pair select too much.",
    }
    for level_bits in (1, 4, 8):
        for cells in AdderCells:
            design = partial(product, level_bits, cells)
            theorem = Theorem(f"pair of {level_bits} bits {cells}", statement, design, 1)
            theorems.append(theorem)
            for fault, said in refuted.items():
                theorems.append(theorem.twin(fault, said, partial(design, fault)))
    return theorems
