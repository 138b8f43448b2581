"""Integer sums of groups turned into FP32, times the scales of their weights, added up in FP32."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.float32 import EXPONENT_BITS, WORD_BITS
from hdl.fused_add import RoundedWord
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.window import Window

from .group_scale import GroupScale, scales_layout

__all__ = ["GroupEnd", "totals_layout"]


def totals_layout(window: Window) -> data.StructLayout:
    """A sum and the exponent field of its bit `window.bits - 2`, the top one but for a carry."""
    return data.StructLayout({"total": signed(window.total.bits), "field": EXPONENT_BITS})


class GroupEnd(NamedComponent):
    """`G = round_fp32(sum)`, `A <- round_fp32(A + G * scale)`, to nearest even.

    A group is taken every third cycle; the last one of a row holds the next ones back until its result is
    taken.

    Parameters
    ----------
    window : Window
        Of `RoundedWord`.
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    sums : In(stream.Signature(totals_layout(window)))
        Taken when the group's item is there; `field` may depend on it.
    groups : In(stream.Signature(scales_layout()))
        One item a sum.
    results : Out(stream.Signature(32))
        FP32 bits, one a row, four cycles after its last sum.
    nonfinite : Out(1)
        Sticky: a scale was infinite or NaN, and replaced (contract, section 1).
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    """

    sums: stream.Interface
    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, window: Window, cells: AdderCells = AdderCells.PLAIN):
        self.window = window
        self.cells = cells
        super().__init__(
            {
                "sums": In(stream.Signature(totals_layout(window))),
                "groups": In(stream.Signature(scales_layout())),
                "results": Out(stream.Signature(32)),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `baseline_group_end_49`."""
        return f"baseline_group_end_{self.window.bits}{self.cells.suffix}"

    def build(self) -> Module:
        """A register between rounding and scaling."""
        m = Module()
        m.submodules.rounded = rounded = RoundedWord(self.window)
        m.submodules.tail = tail = GroupScale(self.cells)
        word = Signal(WORD_BITS, reset_less=True)
        waiting, taken, moved = (Signal(name=name) for name in ("waiting", "taken", "moved"))
        sums, groups = self.sums.payload, self.groups.payload
        m.d.comb += [
            rounded.total.eq(sums.total),
            rounded.field.eq(sums.field),
            rounded.inexact.eq(0),
            self.sums.ready.eq(self.groups.valid & ~waiting),
            taken.eq(self.sums.valid & self.sums.ready),
            tail.sums.valid.eq(waiting),
            tail.sums.payload.word.eq(word),
            tail.sums.payload.scale.eq(groups.scale),
            tail.sums.payload.first.eq(groups.first),
            tail.sums.payload.last.eq(groups.last),
            moved.eq(waiting & tail.sums.ready),
            self.groups.ready.eq(moved),
        ]
        connect(m, tail.results, flipped(self.results))
        m.d.sync += [
            waiting.eq(taken | (waiting & ~moved)),
            self.nonfinite.eq((moved & tail.nonfinite) | (self.nonfinite & ~self.clear_nonfinite)),
        ]
        with m.If(taken):
            m.d.sync += word.eq(rounded.word)
        return m
