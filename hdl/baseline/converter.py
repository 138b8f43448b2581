"""FP16 groups on their way into block formats: what all converters of the comparison have in common.

A converter is counted apart from the elements: one serves a whole row of them, because they share
activations. Like the compressor of this project it takes a group at once and its producer holds the group
until the last beat has been taken; so it stores no group itself, and gives a beat in every cycle.
"""

from __future__ import annotations

from abc import abstractmethod

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hdl.fp16 import Fp16Fields
from hdl.modules import NamedComponent

__all__ = ["GroupConverter", "beats_layout", "largest_field"]


def beats_layout(lanes: int, bits: int, beats: int, exponent_bits: int) -> data.StructLayout:
    """One beat: an integer for each lane, lane 0 lowest; the group's exponent; where a group of several beats
    begins and ends.
    """
    flags = {"first": 1, "last": 1} if beats > 1 else {}
    return data.StructLayout({"values": lanes * bits, "exponent": exponent_bits, **flags})


def largest_field(m: Module, fields: list[Signal]) -> Value:
    """The largest of exponent fields of 5 bits, found from the top bit on by those still in the running."""
    running: Value = Const((1 << len(fields)) - 1, len(fields))
    bits: list[Value] = []
    for b in reversed(range(5)):
        ones, left = Cat(field[b] for field in fields), Signal(len(fields), name=f"running_{b}")
        any_one = Signal(name=f"any_{b}")
        m.d.comb += [
            any_one.eq((running & ones).any()),
            left.eq(running & (ones | ~any_one.replicate(len(fields)))),
        ]
        bits.insert(0, any_one)
        running = left
    return Cat(*bits)


class GroupConverter(NamedComponent):
    """Groups of FP16 values into beats of integers under one exponent.

    Parameters
    ----------
    group, lanes : int
        Values that share an exponent, and how many of them a beat has.
    bits, exponent_bits : int
        Widths of an integer and of the exponent.

    Members
    -------
    groups : In(stream.Signature(16 * group))
        FP16 values, lane 0 lowest; taken with its last beat.
    beats : Out(stream.Signature(beats_layout(...)))
        Registered: a beat stands there the cycle after it was converted.
    nonfinite : Out(1)
        Sticky: a value was infinite or NaN, and replaced by the largest finite value of its sign or by zero.
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    """

    groups: stream.Interface
    beats: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, *, group: int, lanes: int, bits: int, exponent_bits: int):
        self.group = group
        self.lanes = lanes
        self.bits = bits
        layout = beats_layout(lanes, bits, group // lanes, exponent_bits)
        super().__init__(
            {
                "groups": In(stream.Signature(16 * group)),
                "beats": Out(stream.Signature(layout)),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @abstractmethod
    def shared(self, m: Module, elements: list[Fp16Fields]) -> tuple[Value, Value]:
        """What a group's elements have in common: the exponent that leaves, and what every lane is told."""

    @abstractmethod
    def lane(self, m: Module, fields: Fp16Fields, told: Value, index: int) -> Value:
        """The integer of one element, `bits` wide."""

    def build(self) -> Module:
        """Fields of all values, what they share, and the lanes of one beat, registered."""
        m = Module()
        count = self.group // self.lanes
        full, step = Signal(), Signal()
        at_first, at_last = Signal(name="at_first"), Signal(name="at_last")
        out = self.beats.payload
        m.d.comb += [
            step.eq(self.groups.valid & (~full | self.beats.ready)),
            self.groups.ready.eq((~full | self.beats.ready) & at_last),
            self.beats.valid.eq(full),
        ]
        with m.If(step | self.beats.ready):
            m.d.sync += full.eq(step)

        elements = [Fp16Fields() for _ in range(self.group)]
        for i, fields in enumerate(elements):
            m.submodules[f"fields_{i}"] = fields
            m.d.comb += fields.value.eq(self.groups.payload.word_select(i, 16))
        exponent, told = self.shared(m, elements)
        chosen, number = self._chosen(m, step, count)
        m.d.comb += [at_first.eq(number == 0), at_last.eq(number == count - 1)]
        integers = []
        for i in range(self.lanes):
            m.submodules[f"chosen_{i}"] = fields = Fp16Fields()
            m.d.comb += fields.value.eq(chosen.word_select(i, 16))
            integers.append(self.lane(m, fields, told, i))
        values = Signal(self.lanes * self.bits, reset_less=True)
        held = Signal(len(exponent), name="held_exponent", reset_less=True)
        with m.If(step):
            m.d.sync += [values.eq(Cat(*integers)), held.eq(exponent)]
        m.d.comb += [out.values.eq(values), out.exponent.eq(held)]
        if count > 1:
            first, last = Signal(reset_less=True), Signal(reset_less=True)
            with m.If(step):
                m.d.sync += [first.eq(at_first), last.eq(at_last)]
            m.d.comb += [out.first.eq(first), out.last.eq(last)]
        happens = step & at_last & Cat(fields.nonfinite for fields in elements).any()
        m.d.sync += self.nonfinite.eq(happens | (self.nonfinite & ~self.clear_nonfinite))
        return m

    def _chosen(self, m: Module, step: Value, count: int) -> tuple[Value, Value]:
        """The values of the present beat, and its number."""
        if count == 1:
            return self.groups.payload, Const(0, 1)
        number = Signal(range(count))
        chosen = Signal(16 * self.lanes)
        width = 16 * self.lanes
        with m.Switch(number):
            for i in range(count):
                with m.Case(i):
                    m.d.comb += chosen.eq(self.groups.payload[i * width : (i + 1) * width])
        with m.If(step):
            with m.If(number == count - 1):
                m.d.sync += number.eq(0)
            with m.Else():
                m.d.sync += number.eq(number + 1)
        return chosen, number
