"""Sums of groups, in FP32, times the FP16 scales of their weights, added up in FP32.

The tail of the peers that have a floating-point sum before they know the scale. `A <- round_fp32(A + G *
scale)`: the product of 24 and 11 significant bits is exact, the sum is rounded once (as contract 6 has it for
integers).
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hdl.float32 import WORD_BITS, fp32_bits
from hdl.heap import AdderCells
from hdl.modules import NamedComponent

from .fused_loop import FusedLoop
from .products import SCALED, ScaledWord

__all__ = ["GroupScale", "group_words_layout", "scales_layout"]


def scales_layout() -> data.StructLayout:
    """What belongs to a whole group: the FP16 bits of its scale, and where a row begins and ends."""
    return data.StructLayout({"scale": 16, "first": 1, "last": 1})


def group_words_layout() -> data.StructLayout:
    """The sum of a group, or of a part of it, as an ordered word, the FP16 bits of the weights' scale, and
    where a row of groups begins and ends.
    """
    return data.StructLayout({"word": WORD_BITS, "scale": 16, "first": 1, "last": 1})


class GroupScale(NamedComponent):
    """`A <- round_fp32(A + G * scale)`, one rounding a sum, to nearest even.

    A sum is taken every second cycle. The last one of a row holds the next one back until the result is
    taken: three cycles at least.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    sums : In(stream.Signature(group_words_layout()))
    results : Out(stream.Signature(32))
        FP32 bits, one a row, three cycles after its last sum.
    nonfinite : Out(1)
        The scale at the input, valid or not, is infinite or NaN, and will be replaced (contract, section 1).
    """

    sums: stream.Interface
    results: stream.Interface
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        self.cells = cells
        super().__init__(
            {
                "sums": In(stream.Signature(group_words_layout())),
                "results": Out(stream.Signature(32)),
                "nonfinite": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """`baseline_group_scale`, or with `_inv`."""
        return f"baseline_group_scale{self.cells.suffix}"

    def build(self) -> Module:
        """The product and the loop."""
        m = Module()
        m.submodules.scaled = scaled = ScaledWord(self.cells)
        m.submodules.loop = loop = FusedLoop(SCALED, 1, 1)
        given, to = self.sums.payload, loop.products.payload
        m.d.comb += [
            scaled.word.eq(given.word),
            scaled.scale.eq(given.scale),
            to.products[0].eq(scaled.product),
            to.fields[0].eq(scaled.field),
            to.first.eq(given.first),
            to.last.eq(given.last),
            loop.products.valid.eq(self.sums.valid),
            self.sums.ready.eq(loop.products.ready),
            self.results.payload.eq(fp32_bits(loop.sums.payload.words[0])),
            self.results.valid.eq(loop.sums.valid),
            loop.sums.ready.eq(self.results.ready),
            self.nonfinite.eq(scaled.nonfinite),
        ]
        return m
