"""A term-serial element like BitMoD's (HPCA 2025), as `golden.baseline.bitmod` defines it.

What the description gives: FP16 activations, weights bit-serial over terms, four lanes, an encoder of weights
apart from the elements. What is assumed: a term is 0 or plus or minus a power of two, two of them for weights
of 4 bits; products aligned to the largest exponent so far, with five guard bits, truncated; sum and exponent
in registers; at the end of a group the scale and the FP32 accumulator of this project. How the paper's
element applies the scale of a group is not part of the description.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.baseline.bitmod import GUARD_BITS, LARGEST_SHIFT, terms_of
from golden.fp16 import EXPONENT_BIAS
from golden.interval import Interval
from hdl.accumulator import result_layout
from hdl.fp16 import Fp16Fields
from hdl.heap import AdderCells, Bit, BitHeap
from hdl.modules import NamedComponent
from hdl.ranges import Ranged, assign, wrap

from .aligner import effective, shifted_right
from .block_accumulator import BlockAccumulator, BlockAccumulatorParameters

__all__ = ["BitMod", "BitModParameters", "TermEncoder", "term_layout", "terms_layout"]

_SIGNIFICAND_BITS = 11
_EXPONENT_BITS = 6
_SHIFT_BITS = LARGEST_SHIFT.bit_length()


@dataclass(frozen=True, kw_only=True)
class BitModParameters:
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Activations in one cycle; divides the group.
    terms : int
        Of a weight, 1 to 4.
    guard : int
        Bits kept below the significand of the largest product, 0 to 12.
    group : int
        Elements under one scale.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lanes: int = 4
    terms: int = 2
    guard: int = GUARD_BITS
    group: int = 64
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        for name, low, high in (("terms", 1, 4), ("guard", 0, 12), ("group", 8, 256)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")
        if not 1 <= self.lanes < self.group or self.group % self.lanes:
            raise ValueError(f"lanes must divide the group of {self.group}, which {self.lanes} does not")

    @property
    def beats(self) -> int:
        """Cycles that a group takes."""
        return self.group // self.lanes * self.terms

    @property
    def macs_per_cycle(self) -> Fraction:
        """A lane takes as many cycles for one as a weight has terms."""
        return Fraction(self.lanes, self.terms)

    @property
    def product_range(self) -> Interval:
        """Every aligned product."""
        largest = ((1 << _SIGNIFICAND_BITS) - 1) << self.guard
        return Interval(-largest, largest)

    @property
    def sum_bits(self) -> int:
        """Width of the sum of a group; alignment makes none of them larger."""
        return self.product_range.times(self.group * self.terms).bits

    @property
    def accumulator(self) -> BlockAccumulatorParameters:
        """Of the sums across groups."""
        return BlockAccumulatorParameters(
            sum_bits=self.sum_bits,
            exponent_bits=_EXPONENT_BITS,
            unit=-EXPONENT_BIAS - self.guard,
            adder_cells=self.adder_cells,
        )

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a row to its result."""
        return 1 + self.accumulator.latency

    @property
    def name(self) -> str:
        """The parameters in a word."""
        inverting = "_inv" if self.adder_cells is AdderCells.INVERTING else ""
        return f"{self.group}_{self.lanes}_t{self.terms}_g{self.guard}{inverting}"

    def with_cells(self, adder_cells: AdderCells) -> BitModParameters:
        """The same for another library."""
        return replace(self, adder_cells=adder_cells)


def term_layout() -> data.StructLayout:
    """One term: plus or minus `2^shift`, or nothing."""
    return data.StructLayout({"shift": _SHIFT_BITS, "negative": 1, "zero": 1})


def terms_layout(lanes: int) -> data.ArrayLayout:
    """A term for each lane, lane 0 in the least significant bits."""
    return data.ArrayLayout(term_layout(), lanes)


class BitMod(NamedComponent):
    """FP32 sums over groups of FP16 activations times weights, a term of each of `lanes` weights a cycle.

    Parameters
    ----------
    parameters : BitModParameters

    Members
    -------
    activations : In(stream)
        `values`, FP16, the same for as many cycles as a weight has terms; `first` and `last` beat of a group.
    terms : In(terms_layout(lanes))
        Those of the beat, which change with it: from an encoder that the rows of a column share.
    groups : In(stream)
        `scale`, and `first` and `last` group of a row: one item a group, taken with its sum, the cycle after
        its last beat or later.
    results : Out(stream.Signature(result_layout(32, 0)))
        FP32, one a row.
    nonfinite : Out(1)
        Sticky: an activation or a scale was infinite or NaN, and replaced (contract, section 1).
    clear_nonfinite : In(1)
    """

    activations: stream.Interface
    terms: data.View[data.ArrayLayout]
    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, parameters: BitModParameters):
        self.parameters = p = parameters
        beats = data.StructLayout({"values": 16 * p.lanes, "first": 1, "last": 1})
        groups = data.StructLayout({"scale": 16, "first": 1, "last": 1})
        super().__init__(
            {
                "activations": In(stream.Signature(beats)),
                "terms": In(terms_layout(p.lanes)),
                "groups": In(stream.Signature(groups)),
                "results": Out(stream.Signature(result_layout(32, 0))),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_bitmod_{self.parameters.name}"

    def build(self) -> Module:
        """Align, add, hand over."""
        m = Module()
        p = self.parameters
        m.submodules.accumulator = accumulator = BlockAccumulator(p.accumulator)
        beats, groups, sums = self.activations.payload, self.groups.payload, accumulator.sums
        full, beat, replaced = Signal(), Signal(), Signal()
        held = Signal(signed(p.sum_bits), reset_less=True)
        exponent = Signal(_EXPONENT_BITS, reset_less=True)
        m.d.comb += [
            sums.valid.eq(full & self.groups.valid),
            self.groups.ready.eq(sums.ready & full),
            self.activations.ready.eq(~full | (sums.ready & self.groups.valid)),
            beat.eq(self.activations.valid & self.activations.ready),
            sums.payload.sum.eq(held),
            sums.payload.exponent.eq(exponent),
            *(sums.payload[name].eq(groups[name]) for name in ("scale", "first", "last")),
            self.results.payload.eq(accumulator.results.payload),
            self.results.valid.eq(accumulator.results.valid),
            accumulator.results.ready.eq(self.results.ready),
            self.nonfinite.eq(accumulator.nonfinite | replaced),
            accumulator.clear_nonfinite.eq(self.clear_nonfinite),
        ]
        with m.If(beat | (sums.ready & self.groups.valid)):
            m.d.sync += full.eq(beat & beats.last)
        elements = [Fp16Fields() for _ in range(p.lanes)]
        for i, fields in enumerate(elements):
            m.submodules[f"fields_{i}"] = fields
            m.d.comb += fields.value.eq(beats.values.word_select(i, 16))
        total, now = self._step(m, elements, held, exponent)
        with m.If(beat):
            m.d.sync += [held.eq(total), exponent.eq(now)]
        happens = beat & Cat(fields.nonfinite for fields in elements).any()
        m.d.sync += replaced.eq(happens | (replaced & ~self.clear_nonfinite))
        return m

    def _step(
        self, m: Module, elements: list[Fp16Fields], held: Signal, exponent: Signal
    ) -> tuple[Value, Value]:
        """The sum and the exponent after one beat."""
        p = self.parameters
        first = self.activations.payload.first
        own = []
        for i, fields in enumerate(elements):
            own.append(Signal(_EXPONENT_BITS, name=f"exponent_{i}"))
            sum_of_both = Ranged.of(effective(fields.field) + self.terms[i].shift)
            m.d.comb += assign(Ranged.of(own[-1]), sum_of_both)
        old = Signal(_EXPONENT_BITS)
        m.d.comb += old.eq(exponent & ~first.replicate(_EXPONENT_BITS))
        now = _largest(m, [*own, old])
        heap = BitHeap(p.sum_bits, p.adder_cells)
        for i, fields in enumerate(elements):
            term = self.terms[i]
            wide = Cat(Const(0, p.guard), fields.significand & ~term.zero.replicate(_SIGNIFICAND_BITS))
            moved = shifted_right(m, wide, _difference(m, now, own[i], f"distance_{i}"), False, f"lane_{i}")
            negative = Signal(name=f"negative_{i}")
            m.d.comb += negative.eq(fields.sign ^ term.negative)
            # -x = ~x + 1, and a sign that reaches up to the top.
            for column, bit in enumerate(moved):
                heap.add(column, Bit(bit ^ negative))
            heap.add(0, Bit(negative))
            heap.add(len(moved), Bit(negative), subtract=True)
        kept = Signal(p.sum_bits)
        m.d.comb += kept.eq(held.as_unsigned() & ~first.replicate(p.sum_bits))
        heap.add_number(shifted_right(m, kept, _difference(m, now, old, "distance"), True, "sum"))
        return heap.sum(m), now


def _largest(m: Module, numbers: list[Signal]) -> Signal:
    """The largest of unsigned numbers, by a tree of comparisons."""
    step = 0
    while len(numbers) > 1:
        pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
        rest = numbers[2 * len(pairs) :]
        numbers = []
        for i, (a, b) in enumerate(pairs):
            larger = Signal(len(a), name=f"larger_{step}_{i}")
            m.d.comb += larger.eq(Mux(a > b, a, b))
            numbers.append(larger)
        numbers, step = numbers + rest, step + 1
    return numbers[0]


def _difference(m: Module, large: Value, small: Value, name: str) -> Signal:
    """`large - small`, which is not negative."""
    result = Signal(len(large), name=name)
    m.d.comb += result.eq(wrap(Ranged.of(large - small), len(large), is_signed=False).value)
    return result


class TermEncoder(NamedComponent):
    """A term of the weight of each lane, combinational; one for a column of elements.

    Members
    -------
    levels : In(4 * lanes)
        INT4.
    place : In
        Which of the two terms, the smaller one first.
    terms : Out(terms_layout(lanes))
    """

    clocked = False
    levels: Signal
    place: Signal
    terms: data.View[data.ArrayLayout]

    def __init__(self, lanes: int = 4):
        self.lanes = lanes
        super().__init__({"levels": In(4 * lanes), "place": In(1), "terms": Out(terms_layout(lanes))})

    @property
    def module_name(self) -> str:
        """The lanes."""
        return f"baseline_term_encoder_{self.lanes}"

    def build(self) -> Module:
        """Each bit of a term is set for some of the codes."""
        m = Module()
        for i in range(self.lanes):
            code = Cat(self.levels.word_select(i, 4), self.place)
            for b, bit in enumerate(self.terms[i].as_value()):
                with_bit = [n for n in range(32) if _encoded(n).value >> b & 1]
                m.d.comb += bit.eq(Cat(*(code == n for n in with_bit)).any())
        return m


def _encoded(code: int) -> Const:
    """The term that belongs to a level of 4 bits and, above it, a place."""
    level = (code & 7) - (code & 8)
    value = int(terms_of(np.array(level))[code >> 4])
    fields = {"shift": max(abs(value).bit_length() - 1, 0), "negative": value < 0, "zero": value == 0}
    return Const.cast(term_layout().const({name: int(field) for name, field in fields.items()}))
