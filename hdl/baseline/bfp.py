"""A bit-parallel element for block floating point of any width (comparison; contract, sections 5 and 6).

With as many lanes as a group has elements it takes a group a cycle: as dense as an element for integer
weights can be, because nothing is done twice and nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from amaranth.hdl import Module
from amaranth.lib import data

from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.heap import AdderCells

from .block import BlockParameters
from .element import BlockElement

__all__ = ["Bfp", "BfpParameters", "groups_layout"]


@dataclass(frozen=True, kw_only=True)
class BfpParameters:
    """Everything that shapes an element.

    Parameters
    ----------
    block : BlockParameters
        The integer part.
    """

    block: BlockParameters

    @property
    def slots(self) -> int:
        """Rows of groups under way: an accumulator takes a sum of one row every second cycle.

        Where a group takes a single cycle, the groups of two rows come in turn.
        """
        return 2 if self.block.beats == 1 else 1

    @property
    def accumulator(self) -> AccumulatorParameters:
        """Of the sums across groups."""
        b = self.block
        return AccumulatorParameters(
            sum_bits=max(b.sum_bits, 6), max_planes=b.bits, slots=self.slots, adder_cells=b.adder_cells
        )

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane. With a group a cycle the end of a row costs two cycles more, which are not counted."""
        return self.block.macs_per_cycle

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a row to its result."""
        return 1 + self.accumulator.latency

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return self.block.name

    def with_cells(self, adder_cells: AdderCells) -> BfpParameters:
        """The same for another library."""
        return replace(self, block=replace(self.block, adder_cells=adder_cells))


def groups_layout(slot_bits: int) -> data.StructLayout:
    """What belongs to a whole group: its exponent, the FP16 bits of the weights' scale, where a row of groups
    begins and ends, and which of the rows under way it is.
    """
    slot = {"slot": slot_bits} if slot_bits else {}
    return data.StructLayout({"exponent": 5, "scale": 16, **slot, "first": 1, "last": 1})


class Bfp(BlockElement):
    """A block element on groups that have FP16's exponents, with the accumulator of this project.

    Parameters
    ----------
    parameters : BfpParameters
    """

    def __init__(self, parameters: BfpParameters):
        self.parameters = p = parameters
        slot_bits = p.accumulator.slot_bits
        super().__init__(p.block, groups_layout(slot_bits), slot_bits=slot_bits)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_bfp_{self.parameters.name}"

    def accumulator(self, m: Module) -> Accumulator:
        """That of the array, whose number of planes never changes here."""
        accumulator = Accumulator(self.parameters.accumulator)
        m.d.comb += accumulator.planes.eq(self.block.bits)
        return accumulator
