"""What the block elements of the comparison have in common: an integer part, then an FP32 accumulator."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.accumulator import Accumulator, result_layout

from .block import BlockDot, BlockParameters, lanes_layout
from .block_accumulator import BlockAccumulator
from .lanes import LaneElement

__all__ = ["BlockElement"]


class BlockElement(LaneElement):
    """FP32 sums over blocks of activations times integer weights.

    Parameters
    ----------
    block : BlockParameters
        The integer part.
    groups : data.StructLayout
        What belongs to a whole block; the accumulator takes it beside the sum, field by field.
    slot_bits : int
        Of the number of the row.
    has_scales : bool
        Whether weights have FP16 scales, which may not be finite.

    Members
    -------
    activations : In(stream.Signature(lanes_layout(block)))
        `lanes` integers a cycle.
    levels, load
        Weights, as `LaneElement` has them.
    groups : In(stream.Signature(groups))
        One item a block, taken with its sum: the cycle after its last beat, or later. Registers for it are
        those of a row (its exponent) and a column (its scale), none of the element.
    results : Out(stream.Signature(result_layout(32, slot_bits)))
        FP32, one a row.
    nonfinite : Out(1)
    clear_nonfinite : In(1)
        As `Accumulator` has them, where weights have scales.
    """

    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(
        self,
        block: BlockParameters,
        groups: data.StructLayout,
        *,
        slot_bits: int = 0,
        has_scales: bool = True,
    ):
        self.block = block
        self.has_scales = has_scales
        flags = {"nonfinite": Out(1), "clear_nonfinite": In(1)} if has_scales else {}
        others = {
            "groups": In(stream.Signature(groups)),
            "results": Out(stream.Signature(result_layout(32, slot_bits))),
            **flags,
        }
        super().__init__(
            lanes_layout(block),
            others,
            lanes=block.lanes,
            level_bits=block.level_bits,
            place=block.weights,
        )

    @abstractmethod
    def accumulator(self, m: Module) -> Accumulator | BlockAccumulator:
        """A new accumulator, its constant ports driven in `m`."""

    def build(self) -> Module:
        """The integer part and the accumulator."""
        m = Module()
        m.submodules.dot = dot = BlockDot(self.block)
        m.submodules.accumulator = accumulator = self.accumulator(m)
        self.pass_weights(m, dot)
        connect(m, flipped(self.activations), dot.activations)
        sums: Any = accumulator.sums
        m.d.comb += [
            sums.valid.eq(dot.sum.valid & self.groups.valid),
            dot.sum.ready.eq(sums.ready & self.groups.valid),
            self.groups.ready.eq(sums.ready & dot.sum.valid),
            sums.payload.sum.eq(dot.sum.payload),
            *(sums.payload[name].eq(self.groups.payload[name]) for name, _ in self.groups.payload.shape()),
        ]
        connect(m, accumulator.results, flipped(self.results))
        if self.has_scales:
            m.d.comb += [
                self.nonfinite.eq(accumulator.nonfinite),
                accumulator.clear_nonfinite.eq(self.clear_nonfinite),
            ]
        return m
