"""FP16 times FP16, added up in FP32: independent fused multiply-adds (the FP-FP element of the Anda paper).

What the description gives: FP16 operands, FP32 accumulation, four multiply-adds a cycle. What is assumed: a
lane is a fused multiply-add with one rounding, IEEE 754 in every bit of its results; four lanes in lockstep
for four outputs, or for four parts of one; two accumulators a lane, taken in turn, because an addition takes
two cycles. It adds into its own accumulator only, so the addend of a general multiply-add, any FP32 value, is
not built: no subnormal is ever there (`golden.baseline.fp_fp`). Infinities and NaN are kept beside the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Out

from hdl.float32 import fp32_bits
from hdl.slots import selected, slot_field

from .fused_loop import FusedLoop
from .lanes import LaneElement, SlotParameters
from .products import PRODUCTS, Fp16Product

__all__ = ["FpFp", "FpFpParameters", "operands_layout", "remembered", "special_or", "sums_layout"]

_NAN, _INFINITY = 0x7FC00000, 0x7F800000


@dataclass(frozen=True, kw_only=True)
class FpFpParameters(SlotParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Fused multiply-adds, 1 to 16.
    slots, weights, adder_cells
        As for `SlotParameters`: accumulators of each.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lane_counts: ClassVar[Sequence[int]] = range(1, 17)

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a sum to the sum."""
        return 3

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return f"{self.lanes}x{self.slots}_{self.ending}"


def operands_layout(lanes: int, slot_bits: int) -> data.StructLayout:
    """An FP16 activation for each lane, lane 0 lowest, whose accumulators they go to, and where sums begin
    and end.
    """
    return data.StructLayout({"values": 16 * lanes, **slot_field(slot_bits), "first": 1, "last": 1})


def sums_layout(lanes: int, slot_bits: int) -> data.StructLayout:
    """FP32 bits of each lane's sum, lane 0 lowest, and whose they are."""
    return data.StructLayout({"values": 32 * lanes, **slot_field(slot_bits)})


class FpFp(LaneElement):
    """`A <- round_fp32(A + x * w)` in every lane, IEEE 754 with one rounding, to nearest even.

    Parameters
    ----------
    parameters : FpFpParameters

    Members
    -------
    activations : In(stream.Signature(operands_layout(lanes, slot_bits)))
        `first` starts the slot at +0; `last` asks for its sums. Operands of one slot are taken two cycles
        apart, of different slots one a cycle.
    levels, load
        The FP16 bits of each lane's weight, as `LaneElement` has them.
    results : Out(stream.Signature(sums_layout(lanes, slot_bits)))
    """

    results: stream.Interface

    def __init__(self, parameters: FpFpParameters):
        self.parameters = p = parameters
        results = Out(stream.Signature(sums_layout(p.lanes, p.slot_bits)))
        beat = operands_layout(p.lanes, p.slot_bits)
        super().__init__(beat, {"results": results}, lanes=p.lanes, level_bits=16, place=p.weights)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_fp_fp_{self.parameters.name}"

    def build(self) -> Module:
        """A multiplier a lane, and the loop behind them."""
        m = Module()
        p = self.parameters
        m.submodules.loop = loop = FusedLoop(PRODUCTS, p.lanes, p.slots)
        given, to = self.activations.payload, loop.products.payload
        beat = Signal()
        weights_ready, weights = self.weights(m, beat)
        m.d.comb += [
            beat.eq(self.activations.valid & self.activations.ready),
            loop.products.valid.eq(self.activations.valid & weights_ready),
            self.activations.ready.eq(loop.products.ready & weights_ready),
            to.first.eq(given.first),
            to.last.eq(given.last),
            self.results.valid.eq(loop.sums.valid),
            loop.sums.ready.eq(self.results.ready),
        ]
        if p.slot_bits:
            m.d.comb += [
                to.slot.eq(given.slot),
                self.results.payload.slot.eq(loop.sums.payload.slot),
            ]
        for lane in range(p.lanes):
            m.submodules[f"multiplier_{lane}"] = multiplier = Fp16Product(p.adder_cells)
            m.d.comb += [
                multiplier.a.eq(given.values.word_select(lane, 16)),
                multiplier.b.eq(weights.word_select(lane, 16)),
                to.products[lane].eq(multiplier.product),
                to.fields[lane].eq(multiplier.field),
            ]
            found = self._specials(m, lane, multiplier, beat)
            word = fp32_bits(loop.sums.payload.words[lane])
            result = self.results.payload.values.word_select(lane, 32)
            m.d.comb += result.eq(special_or(word, *found))
        return m

    def _specials(self, m: Module, lane: int, multiplier: Fp16Product, beat: Value) -> tuple[Value, Value]:
        """Whether the sum that leaves holds an infinity above, and one below; a NaN counts as both.

        They are known once the last operands were taken, before the sum leaves; nothing is taken in between.
        """
        p = self.parameters
        given, leaving = self.activations.payload, self.results.payload
        slots = (given.slot, leaving.slot) if p.slot_bits else (Const(0, 0), Const(0, 0))
        found = []
        for name, sign in (("up", ~multiplier.negative), ("down", multiplier.negative)):
            now = multiplier.nan | (multiplier.infinite & sign)
            found.append(remembered(m, f"{name}_{lane}", p.slots, now, given.first, slots[0], beat, slots[1]))
        return found[0], found[1]


def remembered(
    m: Module, name: str, slots: int, now: Value, first: Value, slot: Value, write: Value, leaving: Value
) -> Value:
    """Whether something has happened in the sum of the slot that leaves.

    Parameters
    ----------
    m : Module
        Takes a register a slot.
    name : str
        Of the registers.
    slots : int
    now, first, slot : Value
        Of what is taken: whether it happens, whether a sum begins, whose it is.
    write : Value
        Something is taken.
    leaving : Value
        Whose sum leaves.
    """
    seen = [Signal(name=f"{name}_{i}", reset_less=True) for i in range(slots)]
    for i, flag in enumerate(seen):
        with m.If(write & (slot == i) if slots > 1 else write):
            m.d.sync += flag.eq(now | (flag & ~first))
    return selected(seen, leaving)


def special_or(word: Value, up: Value, down: Value) -> Value:
    """The sum of what is finite, or what infinities of either sign make of it.

    An infinity of each sign, or a NaN, which counts as both, is NaN, whose sign is clear.
    """
    special = Mux(up & down, _NAN, Cat(Const(_INFINITY, 31), down))
    return Mux(up | down, special, word)
