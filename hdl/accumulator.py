"""The FP32 accumulator across groups (contract, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .accumulator_pipeline import PIPELINED_LATENCY, pipelined, slot_words, sticky
from .float32 import EXPONENT_BITS, WORD_BITS, fp16_bits, fp32_bits
from .fused_add import AlignedSum, RoundedWord
from .heap import AdderCells
from .modules import NamedComponent
from .scaled_sum import ScaledSum
from .slots import slot_field
from .window import Window

__all__ = ["Accumulator", "AccumulatorParameters", "ResultFormat", "result_layout", "sum_layout"]

ResultFormat = Literal["fp32", "fp16"]


@dataclass(frozen=True, kw_only=True)
class AccumulatorParameters:
    """Everything that shapes an accumulator.

    The encoding of the groups is no parameter: counted in words that a group occupies, the unit in the last
    place is `2^(E - 13 - planes)` in both (contract, sections 2a and 2b).

    Parameters
    ----------
    sum_bits : int
        Width of the signed group sums `T`, 6 to 40.
    max_planes : int
        The largest number of words a group may occupy, 2 to 17.
    slots : int
        Independent accumulators, one for each processing element served, 1 to 64.
    output : str
        "fp32" or "fp16".
    adder_cells : AdderCells
        The polarity of the library's adder cells.
    always_taken : bool
        Whether the consumer takes every result in the cycle it is there. Then results hold no sum back.
    pipelined : bool
        Build twice the registers, for a faster clock; only with `always_taken`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    sum_bits: int
    max_planes: int = 17
    slots: int = 1
    output: ResultFormat = "fp32"
    adder_cells: AdderCells = AdderCells.PLAIN
    always_taken: bool = False
    pipelined: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (("sum_bits", 6, 40), ("max_planes", 2, 17), ("slots", 1, 64)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")
        if self.output not in get_args(ResultFormat):
            raise ValueError(f"output must be fp32 or fp16, not {self.output!r}")
        if self.pipelined and not self.always_taken:
            raise ValueError("a pipelined accumulator has no place where a result waits: it is always_taken")

    @property
    def window(self) -> Window:
        """Widths inside."""
        return Window(self.sum_bits, self.max_planes)

    @property
    def slot_bits(self) -> int:
        """Width of a slot number."""
        return (self.slots - 1).bit_length()

    @property
    def value_bits(self) -> int:
        """Width of a result."""
        return 32 if self.output == "fp32" else 16

    @property
    def sum_range(self) -> Interval:
        """Every group sum `T`."""
        return Interval.of_bits(self.sum_bits, signed=True)

    @property
    def product_range(self) -> Interval:
        """Every `T * scale`, in units of its last bit."""
        return self.window.product

    @property
    def total_range(self) -> Interval:
        """Every aligned sum, in units of the last bit of the adder."""
        return self.window.total

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a sum with `last` to its result."""
        return PIPELINED_LATENCY if self.pipelined else 3

    @property
    def slot_cycles(self) -> int:
        """Cycles from one sum of a slot to the next one, at the least."""
        return 3 if self.pipelined else 2

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        parts = [f"anda_accumulator_{self.sum_bits}", f"p{self.max_planes}", f"s{self.slots}", self.output]
        taken = "_taken" * self.always_taken + "_pipelined" * self.pipelined
        return "_".join(parts) + taken + ("_inv" if self.adder_cells is AdderCells.INVERTING else "")


def sum_layout(sum_bits: int, slot_bits: int) -> data.StructLayout:
    """One group's sum `T` with its shared exponent, the FP16 bits of its scale, whose it is, and where a row
    of groups begins and ends.
    """
    return data.StructLayout(
        {"sum": signed(sum_bits), "exponent": 5, "scale": 16, **slot_field(slot_bits), "first": 1, "last": 1}
    )


def result_layout(value_bits: int, slot_bits: int) -> data.StructLayout:
    """One result: the bits of an FP32 or FP16 value, and whose it is."""
    return data.StructLayout({"value": value_bits, **slot_field(slot_bits)})


class Accumulator(NamedComponent):
    """`A <- round_fp32(A + T * scale * 2^k)`, one rounding a group, to nearest even (contract, section 6).

    `2^k` is the group's unit in the last place, `k = E - 13 - planes`. Sums of different slots are taken one
    a cycle; two sums of one slot are at least `parameters.slot_cycles` apart. A sum with `last` holds the
    input back for two cycles more, and then until its result is taken: the result waits in the accumulator
    itself. With `always_taken` it leaves through a register of its own and holds nothing back.

    Parameters
    ----------
    parameters : AccumulatorParameters

    Members
    -------
    sums : In(stream.Signature(sum_layout(sum_bits, slot_bits)))
        `first` starts the slot at +0; `last` asks for its result and leaves the slot to be started again.
        Slots may be interleaved in any way.
    planes : In(bits of max_planes)
        Words that a group occupies, 2 to `max_planes`; stable while sums are on their way.
    results : Out(stream.Signature(result_layout(value_bits, slot_bits)))
        In the order of the sums with `last`.
    nonfinite : Out(1)
        Sticky: a scale was infinite or NaN, and replaced by the largest finite value of its sign or by zero.
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    overflow : Out(1)
        FP16 results only. Sticky: a result was too large and left as the largest finite value of its sign.
    clear_overflow : In(1)
        FP16 results only. Clears it likewise.
    """

    sums: stream.Interface
    planes: Signal
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: AccumulatorParameters):
        self.parameters = p = parameters
        ports = {
            "sums": In(stream.Signature(sum_layout(p.sum_bits, p.slot_bits))),
            "planes": In(p.window.planes.bits),
            "results": Out(
                stream.Signature(result_layout(p.value_bits, p.slot_bits), always_ready=p.always_taken)
            ),
            "nonfinite": Out(1),
            "clear_nonfinite": In(1),
        }
        if p.output == "fp16":
            ports |= {"overflow": Out(1), "clear_overflow": In(1)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """The three parts with a register after each; the last register is the accumulator."""
        p = self.parameters
        if p.pipelined:
            return pipelined(self)
        m = Module()
        window = p.window
        m.submodules.scaled = scaled = ScaledSum(window, p.adder_cells)
        m.submodules.aligned = aligned = AlignedSum(window)
        m.submodules.rounded = rounded = RoundedWord(window)
        sums = self.sums.payload

        # First register: a product on its way to the adder, or the slot whose result leaves.
        adding = Signal()
        leaving = Signal()
        adding_first = Signal(reset_less=True)
        adding_last = Signal(reset_less=True)
        adding_slot = Signal(p.slot_bits, reset_less=True)
        product = Signal(signed(window.product.bits), reset_less=True)
        product_field = Signal(EXPONENT_BITS, reset_less=True)
        # Second register: a sum on its way to be rounded.
        rounding = Signal()
        rounding_last = Signal(reset_less=True)
        rounding_slot = Signal(p.slot_bits, reset_less=True)
        total = Signal(signed(window.total.bits), reset_less=True)
        total_field = Signal(EXPONENT_BITS, reset_less=True)
        inexact = Signal(reset_less=True)

        accept, same_slot, ending, finishing, held = (
            Signal(name=name) for name in ("accept", "same_slot", "ending", "finishing", "held")
        )
        slot = sums.slot if p.slot_bits else rounding_slot
        m.d.comb += [
            same_slot.eq(adding & (adding_slot == slot) if p.slot_bits else adding),
            finishing.eq(rounding & rounding_last),
        ]
        if not p.always_taken:
            m.d.comb += [
                ending.eq((adding & adding_last) | finishing),
                held.eq(leaving & ~self.results.ready),
            ]
        m.d.comb += [
            self.sums.ready.eq(~same_slot if p.always_taken else ~(same_slot | ending | held)),
            accept.eq(self.sums.valid & self.sums.ready),
            scaled.sum.eq(sums.sum),
            scaled.exponent.eq(sums.exponent),
            scaled.scale.eq(sums.scale),
            scaled.planes.eq(self.planes),
        ]
        m.d.sync += [
            adding.eq(accept),
            adding_first.eq(sums.first),
            adding_last.eq(sums.last),
            product.eq(scaled.product),
            product_field.eq(scaled.field),
            rounding.eq(adding),
            rounding_last.eq(adding_last),
            rounding_slot.eq(adding_slot),
            total.eq(aligned.total),
            total_field.eq(aligned.field),
            inexact.eq(aligned.inexact),
            leaving.eq(finishing | held),
        ]
        if p.slot_bits and p.always_taken:
            m.d.sync += adding_slot.eq(sums.slot)
        elif p.slot_bits:
            # While a result leaves, no sum is being added: the accumulator is read for one or for the other.
            m.d.sync += adding_slot.eq(Mux(finishing, rounding_slot, Mux(held, adding_slot, sums.slot)))

        word = slot_words(m, p.slots, rounding, rounding_slot, rounded.word, adding_slot)
        result, result_slot = word, adding_slot
        if p.always_taken:
            result = Signal(WORD_BITS, name="result_word", reset_less=True)
            result_slot = Signal(p.slot_bits, name="result_slot", reset_less=True)
            m.d.sync += [result.eq(rounded.word), result_slot.eq(rounding_slot)]
        m.d.comb += [
            aligned.word.eq(word),
            aligned.first.eq(adding_first),
            aligned.product.eq(product),
            aligned.product_field.eq(product_field),
            rounded.total.eq(total),
            rounded.field.eq(total_field),
            rounded.inexact.eq(inexact),
            self.results.valid.eq(leaving),
        ]
        if p.slot_bits:
            m.d.comb += self.results.payload.slot.eq(result_slot)
        sticky(m, self.nonfinite, accept & scaled.nonfinite, self.clear_nonfinite)
        if p.output == "fp32":
            m.d.comb += self.results.payload.value.eq(fp32_bits(result))
        else:
            value, overflow = fp16_bits(m, result)
            m.d.comb += self.results.payload.value.eq(value)
            sticky(m, self.overflow, leaving & self.results.ready & overflow, self.clear_overflow)
        return m
