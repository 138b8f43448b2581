"""Weight registers: two banks, so that the next group's levels load while the current group computes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .modules import NamedComponent

__all__ = ["WeightBuffer", "levels_layout"]


def levels_layout(lanes: int, level_bits: int) -> data.ArrayLayout:
    """Layout of one signed level for each lane, lane 0 in the least significant bits."""
    return data.ArrayLayout(signed(level_bits), lanes)


class WeightBuffer(NamedComponent):
    """Double-buffered weight levels: one set serves one group.

    The first bank fills from the stream `load`; it moves to the second bank, whose levels are visible, as
    soon as that one is empty or being released. Loading a set and using the previous one overlap fully.

    Parameters
    ----------
    lanes : int
        Levels in a set.
    level_bits : int
        Bits of a signed level.

    Members
    -------
    load : In(stream.Signature(levels_layout(lanes, level_bits)))
        Sets of levels in the order of the groups they belong to.
    levels : Out(levels_layout(lanes, level_bits))
        The current set, meaningful while `valid`.
    valid : Out(1)
        A set is there.
    retire : In(1)
        The current set has served its group; only while `valid`.
    """

    load: stream.Interface
    levels: data.View[data.ArrayLayout]
    valid: Signal
    retire: Signal

    def __init__(self, *, lanes: int, level_bits: int):
        self.lanes = lanes
        self.level_bits = level_bits
        layout = levels_layout(lanes, level_bits)
        super().__init__(
            {
                "load": In(stream.Signature(layout)),
                "levels": Out(layout),
                "valid": Out(1),
                "retire": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_weights_64x4`."""
        return f"anda_weights_{self.lanes}x{self.level_bits}"

    def build(self) -> Module:
        """Two banks of registers and a full flag for each."""
        m = Module()
        bits = self.lanes * self.level_bits
        waiting = Signal(bits, reset_less=True)
        current = Signal(bits, reset_less=True)
        waiting_full = Signal()
        move, take = Signal(), Signal()
        m.d.comb += [
            self.levels.as_value().eq(current),
            move.eq(waiting_full & (~self.valid | self.retire)),
            self.load.ready.eq(~waiting_full | move),
            take.eq(self.load.valid & self.load.ready),
        ]
        m.d.sync += [
            self.valid.eq(move | (self.valid & ~self.retire)),
            waiting_full.eq(take | (waiting_full & ~move)),
        ]
        with m.If(move):
            m.d.sync += current.eq(waiting)
        with m.If(take):
            m.d.sync += waiting.eq(self.load.payload.as_value())
        return m
