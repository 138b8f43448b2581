"""The Anda processing element: bit planes of activations times integer weights (contract, section 5)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .heap import Bit, BitHeap
from .modules import NamedComponent
from .pairs import add_pairs, pair_layout, pair_levels_layout
from .pe_parameters import Activations, PeParameters, Products, Reduction, WeightPlace, beat_layout
from .ranges import Ranged, assign, wrap
from .weights import WeightBuffer, levels_layout

__all__ = [
    "Activations",
    "PeParameters",
    "ProcessingElement",
    "Products",
    "Reduction",
    "WeightPlace",
    "beat_layout",
]


class ProcessingElement(NamedComponent):
    """The dot product of one group of activations with one group of weight levels, plane after plane.

    `T = sum_i q_i * level_i` (contract, section 5), by `acc <- 2 * acc + sum_i bit_i * level_i`, most
    significant plane first. The first plane of two's-complement groups is subtracted, unless activations are
    unsigned; the sign plane of sign-magnitude groups is kept and applied lane by lane.

    A group takes `parameters.beats(planes)` cycles, groups follow each other without a gap, and the number of
    planes may change from group to group up to `max_planes`. The accumulator is the output register: while a
    result waits, the next group waits too.

    Parameters
    ----------
    parameters : PeParameters

    Members
    -------
    planes : In(stream.Signature(beat_layout(word_bits, planes_per_cycle)))
        Two's complement: the planes in order, padded at the front up to a multiple of `planes_per_cycle` by
        copies of the first one, or by zero planes when unsigned. Sign-magnitude: a beat with the sign plane
        in its first word, then the magnitude planes, padded at the front by zero planes. Products of
        pairs: as `PairDecoder.lines` gives each word.
    levels : In(levels_layout(lanes, level_bits))
        Weights outside: the levels, stable from the first beat of a group to its last. Products of pairs:
        `pair_levels_layout(lanes, level_bits)`, with the sums.
    load : In(stream.Signature(levels_layout(lanes, level_bits)))
        Weights inside: one set of levels a group, in order.
    result : Out(stream.Signature(signed(sum_bits)))
        `T`, one a group, `parameters.latency` cycles after its last beat.
    """

    planes: stream.Interface
    result: stream.Interface
    levels: data.View[data.ArrayLayout]
    load: stream.Interface

    def __init__(self, parameters: PeParameters):
        self.parameters = p = parameters
        layout_of = levels_layout if p.products == "lanes" else pair_levels_layout
        layout = layout_of(p.lanes, p.level_bits)
        inside = p.weights == "inside"
        super().__init__(
            {
                "planes": In(stream.Signature(beat_layout(p.word_bits, p.planes_per_cycle))),
                "load" if inside else "levels": In(stream.Signature(layout)) if inside else In(layout),
                "result": Out(stream.Signature(signed(p.sum_bits))),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """Control, weights, and the reduction of the chosen kind."""
        m = Module()
        p = self.parameters
        full = Signal()
        beat = Signal()
        weights_ready: Value = Const(1, 1)
        if p.weights == "inside":
            m.submodules.weights = weights = WeightBuffer(lanes=p.lanes, level_bits=p.level_bits)
            m.d.comb += [
                weights.load.payload.eq(self.load.payload),
                weights.load.valid.eq(self.load.valid),
                self.load.ready.eq(weights.load.ready),
                weights.retire.eq(beat & self.planes.payload.last),
            ]
            weights_ready, levels = weights.valid, weights.levels.as_value()
        else:
            levels = self.levels.as_value()
        m.d.comb += [
            self.planes.ready.eq((~full | self.result.ready) & weights_ready),
            beat.eq(self.planes.valid & self.planes.ready),
            self.result.valid.eq(full),
        ]
        with m.If(beat | self.result.ready):
            m.d.sync += full.eq(beat & self.planes.payload.last)

        words = [self.planes.payload.words.word_select(k, p.word_bits) for k in range(p.planes_per_cycle)]
        start, update, signs = self._group_start(m, beat)
        pairs = p.products == "pairs"
        count, bits = (p.lanes // 2, pair_layout(p.level_bits).size) if pairs else (p.lanes, p.level_bits)
        lanes = [levels.word_select(i, bits).as_signed() for i in range(count)]
        accumulator = Signal(signed(p.sum_bits), reset_less=True)
        reduce = self._heap if p.reduction == "heap" else self._tree
        total = reduce(m, words, lanes, signs, start, accumulator)
        with m.If(update):
            m.d.sync += accumulator.eq(total)
        m.d.comb += self.result.payload.eq(accumulator)
        return m

    def _group_start(self, m: Module, beat: Value) -> tuple[Value, Value, Value | None]:
        """Whether a beat opens the sum, whether it adds to it, and the signs of the lanes if kept apart."""
        p = self.parameters
        first = self.planes.payload.first
        if p.encoding == "twos-complement":
            return first, beat, None
        signs = Signal(p.lanes, reset_less=True)
        start = Signal(reset_less=True)
        with m.If(beat):
            m.d.sync += start.eq(first)
        with m.If(beat & first):
            m.d.sync += signs.eq(self.planes.payload.words[: p.lanes])
        # A group of a sign plane alone would have no magnitude: M is at least 1.
        return start, beat & ~first, signs

    def _heap(
        self,
        m: Module,
        words: list[Value],
        lanes: list[Value],
        signs: Value | None,
        start: Value,
        accumulator: Value,
    ) -> Value:
        """Products, corrections and the shifted accumulator in one heap, modulo `2**sum_bits`.

        The result is exact: `sum_bits` holds every prefix of every sum, because a prefix of a
        two's-complement number is its floor (contract, section 5). That is so for certified sums too: the
        floor is one of the activations that the certificate speaks of.
        """
        p = self.parameters
        heap = BitHeap(p.sum_bits, p.adder_cells)
        opening = 0
        for k, word in enumerate(words):
            shift = p.planes_per_cycle - 1 - k
            if k == 0 and p.first_is_subtracted:
                opening = self._add_conditionally_negated(m, heap, word, lanes, start, shift)
            else:
                self._add_products(heap, word, lanes, signs, shift)
        # The accumulator comes in shifted, or on the first beat not at all: then its place is free for the
        # constant that the subtraction of the first plane leaves behind.
        for column in range(p.sum_bits):
            source = column - p.planes_per_cycle
            old = accumulator[source] if source >= 0 else Const(0, 1)
            constant = opening >> column & 1
            if source >= 0 or constant:
                heap.add(column, Bit(~Mux(start, Const(constant, 1), old), inverted=True))
        total = heap.sum(m)
        self.full_adders = heap.full_adders
        return total

    def _add_products(
        self, heap: BitHeap, word: Value, lanes: list[Value], signs: Value | None, shift: int
    ) -> None:
        """Add `bit * level * 2**shift` of every lane, negated where the lane's sign is set."""
        if self.parameters.products == "pairs":
            return add_pairs(heap, word, lanes, level_bits=self.parameters.level_bits, shift=shift)
        top = self.parameters.level_bits - 1
        for i, level in enumerate(lanes):
            for j in range(top + 1):
                bit = level[j] if signs is None else level[j] ^ signs[i]
                heap.add(shift + j, Bit(~(word[i] & bit), inverted=True), subtract=j == top)
            if signs is not None:
                heap.add(shift, Bit(~(word[i] & signs[i]), inverted=True))

    def _add_conditionally_negated(
        self, m: Module, heap: BitHeap, word: Value, lanes: list[Value], negate: Value, shift: int
    ) -> int:
        """Add the plane sum of the first word, or subtract it where `negate` is set.

        The plane sum is reduced to at most two bits a column first, so that only few bits are complemented.

        Returns
        -------
        int
            What is still to be added where `negate` is set. A plane sum `s = sum b * 2**c + constant` has
            `-s = sum (1 - b) * 2**c - sum 2**c - constant`.
        """
        p = self.parameters
        plane = (Interval(0, 1) * p.level_range).times(p.lanes)
        # Subtracted products count from 0 to -plane.min once their constant is taken out: no carry is lost.
        # What lies above the accumulator is not needed of it.
        width = min((plane.max - plane.min).bit_length(), max(p.sum_bits - shift, 1))
        inner = BitHeap(width, p.adder_cells, prefix="plane_")
        self._add_products(inner, word, lanes, None, 0)
        complement = 0
        for column, bits in enumerate(inner.reduce(m, height=2, fold_constant=False)):
            for bit in bits:
                heap.add(shift + column, Bit(bit.value ^ negate, bit.inverted, bit.level))
                complement -= 1 << column
        heap.constant += inner.constant << shift
        return (complement - 2 * inner.constant) << shift

    def _tree(
        self,
        m: Module,
        words: list[Value],
        lanes: list[Value],
        signs: Value | None,
        start: Value,
        accumulator: Value,
    ) -> Value:
        """Each lane selects zero or its signed level; a tree of adders; then the shifted accumulator."""
        p = self.parameters
        total = Ranged.constant(0)
        for k, word in enumerate(words):
            terms = []
            for i, level in enumerate(lanes):
                weight = Ranged(level, p.level_range)
                if signs is not None:
                    weight = self._negated_if(m, weight, signs[i], f"weight_{i}")
                chosen = Ranged.signal(weight.interval.hull(Interval(0, 0)), f"term_{k}_{i}")
                with m.If(word[i]):
                    m.d.comb += assign(chosen, weight)
                terms.append(chosen)
            plane = self._add_tree(m, terms, f"plane_{k}")
            if k == 0 and p.first_is_subtracted:
                plane = self._negated_if(m, plane, start, "signed_plane")
            total = (total << 1) + plane
        old = Signal(signed(p.sum_bits), name="old")
        m.d.comb += old.eq(Mux(start, Const(0, signed(p.sum_bits)), accumulator))
        # Modulo the width of the accumulator, which holds every prefix of every sum (contract, section 5).
        shifted = Ranged.of(Cat(Const(0, p.planes_per_cycle), old).as_signed())
        return wrap(wrap(shifted, p.sum_bits, is_signed=True) + total, p.sum_bits, is_signed=True).value

    def _negated_if(self, m: Module, number: Ranged, negate: Value, name: str) -> Ranged:
        result = Ranged.signal(number.interval.hull(-number.interval), name)
        with m.If(negate):
            m.d.comb += assign(result, -number)
        with m.Else():
            m.d.comb += assign(result, number)
        return result

    @staticmethod
    def _add_tree(m: Module, terms: list[Ranged], name: str) -> Ranged:
        level = 0
        while len(terms) > 1:
            sums = []
            for i, (a, b) in enumerate(zip(terms[::2], terms[1::2], strict=True)):
                sums.append(Ranged.signal(a.interval + b.interval, f"{name}_level_{level}_{i}"))
                m.d.comb += assign(sums[-1], a + b)
            terms, level = sums, level + 1
        return terms[0]
