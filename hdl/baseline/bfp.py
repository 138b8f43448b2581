"""A bit-parallel element for block floating point of any width (comparison; contract, sections 5 and 6).

With as many lanes as a group has elements it takes a group a cycle: as dense as an element for integer
weights can be, because nothing is done twice and nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hdl.accumulator import Accumulator, AccumulatorParameters, result_layout
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.weights import levels_layout

from .block import BlockDot, BlockParameters, lanes_layout

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


class Bfp(NamedComponent):
    """FP32 sums over groups of aligned activations times integer weights.

    Parameters
    ----------
    parameters : BfpParameters

    Members
    -------
    activations : In(stream.Signature(lanes_layout(parameters.block)))
        `lanes` integers a cycle.
    levels, load
        Weights, as `BlockDot` has them.
    groups : In(stream.Signature(groups_layout(slot_bits)))
        One item a group, taken with its sum: the cycle after its last beat, or later. Registers for it are
        those of a row (exponent) and a column (scale), none of the element.
    results : Out(stream.Signature(result_layout(32, slot_bits)))
        FP32, one a row.
    nonfinite : Out(1)
    clear_nonfinite : In(1)
        As `Accumulator` has them, for scales.
    """

    activations: stream.Interface
    levels: data.View[data.ArrayLayout]
    load: stream.Interface
    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, parameters: BfpParameters):
        self.parameters = p = parameters
        layout = levels_layout(p.block.lanes, p.block.level_bits)
        inside = p.block.weights == "inside"
        slot_bits = p.accumulator.slot_bits
        super().__init__(
            {
                "activations": In(stream.Signature(lanes_layout(p.block))),
                "load" if inside else "levels": In(stream.Signature(layout)) if inside else In(layout),
                "groups": In(stream.Signature(groups_layout(slot_bits))),
                "results": Out(stream.Signature(result_layout(32, slot_bits))),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_bfp_{self.parameters.name}"

    def build(self) -> Module:
        """The integer part and the accumulator."""
        m = Module()
        p = self.parameters
        m.submodules.dot = dot = BlockDot(p.block)
        m.submodules.accumulator = accumulator = Accumulator(p.accumulator)
        if p.block.weights == "inside":
            m.d.comb += [
                dot.load.payload.eq(self.load.payload),
                dot.load.valid.eq(self.load.valid),
                self.load.ready.eq(dot.load.ready),
            ]
        else:
            m.d.comb += dot.levels.eq(self.levels)
        sums, groups = accumulator.sums, self.groups.payload
        m.d.comb += [
            dot.activations.payload.eq(self.activations.payload),
            dot.activations.valid.eq(self.activations.valid),
            self.activations.ready.eq(dot.activations.ready),
            sums.valid.eq(dot.sum.valid & self.groups.valid),
            dot.sum.ready.eq(sums.ready & self.groups.valid),
            self.groups.ready.eq(sums.ready & dot.sum.valid),
            sums.payload.sum.eq(dot.sum.payload),
            sums.payload.exponent.eq(groups.exponent),
            sums.payload.scale.eq(groups.scale),
            sums.payload.first.eq(groups.first),
            sums.payload.last.eq(groups.last),
            accumulator.planes.eq(p.block.bits),
            self.results.payload.eq(accumulator.results.payload),
            self.results.valid.eq(accumulator.results.valid),
            accumulator.results.ready.eq(self.results.ready),
            self.nonfinite.eq(accumulator.nonfinite),
            accumulator.clear_nonfinite.eq(self.clear_nonfinite),
        ]
        if p.accumulator.slot_bits:
            m.d.comb += sums.payload.slot.eq(groups.slot)
        return m
