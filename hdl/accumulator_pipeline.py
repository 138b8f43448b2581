"""The accumulator with twice the registers, and what both have: words of slots, and flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Signal, Value, signed

from .float32 import EXPONENT_BITS, WORD_BITS, fp16_bits, fp32_bits
from .fused_add import AlignedSum, RoundedWord
from .held import registers
from .scaled_sum import ScaledSum
from .slots import selected, store

if TYPE_CHECKING:
    from .accumulator import Accumulator

__all__ = ["PIPELINED_LATENCY", "pipelined", "slot_words", "sticky"]

#: Cycles from the transfer of a sum with `last` to its result.
PIPELINED_LATENCY = 6


def pipelined(accumulator: Accumulator) -> Module:
    """The gates of an accumulator whose results are always taken, a register in the middle of every part.

    A sum is scaled, multiplied, added, normalised and rounded in five cycles. The third reads the word that
    the last one wrote, so sums of one slot are three cycles apart.
    """
    m = Module()
    p = accumulator.parameters
    window = p.window
    m.submodules.scaled = scaled = ScaledSum(window, p.adder_cells, registered=True)
    m.submodules.aligned = aligned = AlignedSum(window)
    m.submodules.rounded = rounded = RoundedWord(window, registered=True)
    sums, results = accumulator.sums.payload, accumulator.results.payload
    stages = ("scaling", "adding", "normalising", "rounding", "leaving", "converted")
    # What goes along with a sum: whether there is one, whose it is, and where its row begins and ends.
    there = {stage: Signal(name=stage) for stage in stages}
    slot = {stage: Signal(p.slot_bits, name=f"{stage}_slot", reset_less=True) for stage in stages}
    last = {stage: Signal(name=f"{stage}_last", reset_less=True) for stage in stages[:4]}
    first = {stage: Signal(name=f"{stage}_first", reset_less=True) for stage in stages[:2]}
    product = Signal(signed(window.product.bits), reset_less=True)
    product_field = Signal(EXPONENT_BITS, reset_less=True)
    total = Signal(signed(window.total.bits), reset_less=True)
    total_field = Signal(EXPONENT_BITS, reset_less=True)
    inexact = Signal(reset_less=True)
    result = Signal(WORD_BITS, name="result_word", reset_less=True)
    accept, same_slot = Signal(name="accept"), Signal(name="same_slot")

    given: Value = sums.slot if p.slot_bits else slot["leaving"]
    busy = [there[stage] & (slot[stage] == given) for stage in stages[:2]]
    m.d.comb += [
        same_slot.eq(busy[0] | busy[1]),
        accumulator.sums.ready.eq(~same_slot),
        accept.eq(accumulator.sums.valid & accumulator.sums.ready),
        scaled.sum.eq(sums.sum),
        scaled.exponent.eq(sums.exponent),
        scaled.scale.eq(sums.scale),
        scaled.planes.eq(accumulator.planes),
    ]
    before: dict[str, Value] = {"there": accept, "slot": given, "last": sums.last, "first": sums.first}
    for stage in stages:
        for name, chain in (("there", there), ("slot", slot), ("last", last), ("first", first)):
            if stage in chain:
                ends = name == "there" and stage == "leaving"
                m.d.sync += chain[stage].eq(before[name] & last["rounding"] if ends else before[name])
                before[name] = chain[stage]
    m.d.sync += [
        product.eq(scaled.product),
        product_field.eq(scaled.field),
        total.eq(aligned.total),
        total_field.eq(aligned.field),
        inexact.eq(aligned.inexact),
        result.eq(rounded.word),
    ]
    word = slot_words(m, p.slots, there["rounding"], slot["rounding"], rounded.word, slot["adding"])
    m.d.comb += [
        aligned.word.eq(word),
        aligned.first.eq(first["adding"]),
        aligned.product.eq(product),
        aligned.product_field.eq(product_field),
        rounded.total.eq(total),
        rounded.field.eq(total_field),
        rounded.inexact.eq(inexact),
        accumulator.results.valid.eq(there["converted"]),
    ]
    if p.slot_bits:
        m.d.comb += results.slot.eq(slot["converted"])
    held = registers(m)
    sticky(m, accumulator.nonfinite, accept & scaled.nonfinite, accumulator.clear_nonfinite)
    if p.output == "fp32":
        m.d.comb += results.value.eq(fp32_bits(held(result, "converted_word")))
    else:
        value, overflow = fp16_bits(m, result, held)
        m.d.comb += results.value.eq(value)
        sticky(m, accumulator.overflow, there["converted"] & overflow, accumulator.clear_overflow)
    return m


def slot_words(m: Module, slots: int, write: Value, to: Value, new: Value, read: Value) -> Value:
    """One ordered word a slot: write one, read one."""
    words = [Signal(WORD_BITS, name=f"word_{i}", reset_less=True) for i in range(slots)]
    store(m, words, new, write, to)
    current = Signal(WORD_BITS)
    m.d.comb += current.eq(selected(words, read))
    return current


def sticky(m: Module, flag: Signal, happens: Value, clear: Value) -> None:
    """Raise a flag; it stays until it is cleared, and if it is raised again then."""
    m.d.sync += flag.eq(happens | (flag & ~clear))
