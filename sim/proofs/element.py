"""Proofs about the processing element as it is built, all lanes at once: small configurations only.

`ElementSum`: for any weights and any planes, the accumulator equals the sum in plain integers after every
beat, and never overflows. `ElementStream`: the element keeps the rules of streams, and gives one result a
group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import get_args

from amaranth.hdl import Assert, Assume, Const, Cover, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from hdl.pairs import PairAdders, PairDecoder
from hdl.pe import PeParameters, ProcessingElement, Reduction

from .streams import Impatient, StreamContract
from .theorem import Theorem

__all__ = ["ElementStream", "ElementSum", "NarrowParameters", "element_theorems"]


class NarrowParameters(PeParameters):
    """A twin with a fault: its accumulator lacks one bit."""

    @property
    def sum_bits(self) -> int:
        """One bit less than the sum needs."""
        return self.sum_range.bits - 1


class ElementSum(Elaboratable):
    """The element next to the sum in plain integers.

    Weights are arbitrary, or those given, and stay as they are (a group cannot tell); planes, stalls and the
    number of planes of each group are arbitrary up to the largest.
    """

    def __init__(self, parameters: PeParameters, levels: Sequence[int] | None = None):
        if parameters.weights != "outside" or parameters.encoding != "twos-complement":
            raise ValueError(f"this proof is for two's complement and weights outside, not for {parameters}")
        if parameters.max_planes % parameters.planes_per_cycle:
            raise ValueError(f"this proof is for groups of whole beats, not for {parameters}")
        if parameters.certified is not None and levels is None:
            raise ValueError("an element of a certified range is exact for the certified weights only")
        self.parameters = parameters
        self.levels = levels
        self.element = ProcessingElement(parameters)
        self.decoder: PairDecoder | None = None
        self.planes = self.element.planes
        if parameters.products == "pairs":
            self.decoder = PairDecoder(bits=parameters.lanes * parameters.planes_per_cycle)
            self.planes = self.decoder.planes

    def ports(self) -> list[Value]:
        """The inputs, and the result."""
        beat, result = self.planes, self.element.result
        return [Value.cast(beat.payload), beat.valid, result.ready, result.payload]

    def elaborate(self, platform: object) -> Module:
        """The element, the reference, and what joins them."""
        m = Module()
        p = self.parameters
        m.submodules.element = element = self.element
        beat = self.planes
        weights = Signal(p.lanes * p.level_bits)
        m.d.comb += weights.eq(self._weights())
        if self.decoder is None:
            m.d.comb += element.levels.as_value().eq(weights)
        else:
            self._pairs(m, self.decoder, weights)

        most = p.beats(p.max_planes)
        beats = Signal(range(most + 1))
        open_ = Signal()
        taken = beat.valid & beat.ready
        m.d.comb += Assume(beat.payload.first == ~open_, "a group begins where one has ended")
        m.d.comb += Assume(beat.payload.last | (beats < most - 1), "a group ends at the latest here")
        with m.If(taken):
            m.d.sync += [
                open_.eq(~beat.payload.last),
                beats.eq(Mux(beat.payload.last, 0, beats + 1)),
            ]
        exact = Signal(signed(p.type_range.bits + p.planes_per_cycle + 2))
        with m.If(taken):
            m.d.sync += exact.eq(self._next(exact, weights, open_))
        with m.If(open_ | element.result.valid):
            in_range = (exact >= p.sum_range.min) & (exact <= p.sum_range.max)
            m.d.comb += [
                Assert(element.result.payload == exact, "the accumulator is the exact sum"),
                Assert(in_range, "every prefix is in the range of the sum"),
            ]
        m.d.comb += [
            Assert(open_ == (beats != 0), "a group is open from its first beat on"),
            Assert(~(open_ & element.result.valid), "no group is open while a result waits"),
            Assert(beats < most, "no more beats than the most"),
            Cover(element.result.valid & (element.result.payload == p.sum_range.max), "the largest sum"),
        ]
        self._bounds(m, exact, beats, weights)
        return m

    def _weights(self) -> Value:
        p = self.parameters
        bits = p.lanes * p.level_bits
        if self.levels is None:
            return AnyConst(bits)
        mask = (1 << p.level_bits) - 1
        return Const(sum((level & mask) << (i * p.level_bits) for i, level in enumerate(self.levels)), bits)

    def _pairs(self, m: Module, decoder: PairDecoder, weights: Value) -> None:
        """What stands between lanes and an element that takes pairs."""
        p, element = self.parameters, self.element
        m.submodules.decoder = decoder
        m.submodules.adders = adders = PairAdders(
            lanes=p.lanes, level_bits=p.level_bits, adder_cells=p.adder_cells
        )
        m.d.comb += [
            adders.levels.payload.as_value().eq(weights),
            element.levels.eq(adders.pairs.payload),
            element.planes.payload.eq(decoder.lines.payload),
            element.planes.valid.eq(decoder.lines.valid),
            decoder.lines.ready.eq(element.planes.ready),
        ]

    def _next(self, exact: Value, weights: Value, is_open: Value) -> Value:
        p = self.parameters
        total: Value = Mux(is_open, exact, 0) << p.planes_per_cycle
        for k in range(p.planes_per_cycle):
            word = self.planes.payload.words.word_select(k, p.lanes)
            levels = [weights.word_select(i, p.level_bits).as_signed() for i in range(p.lanes)]
            plane = reduce(add, (Mux(word[i], level, 0) for i, level in enumerate(levels)))
            plane = plane << (p.planes_per_cycle - 1 - k)
            total = total + (Mux(is_open, plane, -plane) if k == 0 and p.first_is_subtracted else plane)
        return total

    def _bounds(self, m: Module, exact: Signal, beats: Signal, weights: Signal) -> None:
        """Where the sum lies after so many beats: what carries the induction (see `sim.proofs.lanes`)."""
        p = self.parameters
        down, up = self._plane_bounds(m, weights)
        with m.Switch(beats):
            for n in range(1, p.beats(p.max_planes)):
                with m.Case(n):
                    first = (1 << (n * p.planes_per_cycle - 1)) if p.first_is_subtracted else 0
                    others = (1 << (n * p.planes_per_cycle)) - 1 - first
                    within = (exact >= -(up * first) - down * others) & (exact <= down * first + up * others)
                    m.d.comb += Assert(within, f"bounds after {n} beats")

    def _plane_bounds(self, m: Module, weights: Signal) -> tuple[Value, Value]:
        """How far down and up a plane sum goes, with these weights or by the signs of any."""
        p = self.parameters
        if self.levels is not None:
            return Const(-sum(min(q, 0) for q in self.levels)), Const(sum(max(q, 0) for q in self.levels))
        signs = [weights.word_select(i, p.level_bits)[-1] for i in range(p.lanes)]
        positive = Signal(range(p.lanes + 1))
        m.d.comb += positive.eq(reduce(add, (~sign for sign in signs)))
        low = 1 << (p.level_bits - 1)
        return low * (p.lanes - positive), (low - 1) * positive


class ElementStream(StreamContract):
    """The rules of streams, and: groups taken less results given is what waits, one at the most."""

    def elaborate(self, platform: object) -> Module:
        """The element, its streams, and two counters."""
        m = super().elaborate(platform)
        beat, result = (self.streams()[name][0] for name in ("planes", "result"))
        taken, given = Signal(4), Signal(4)
        with m.If(beat.valid & beat.ready & beat.payload.last):
            m.d.sync += taken.eq(taken + 1)
        with m.If(result.valid & result.ready):
            m.d.sync += given.eq(given + 1)
        waiting = Signal(4)
        m.d.comb += [
            waiting.eq(taken - given),
            Assert(waiting == result.valid, "one result for each group"),
            Cover(given == 2, "two results"),
        ]
        return m


def element_theorems() -> list[Theorem]:
    """Sum and streams of small elements; twins that are one bit too narrow, or take no notice of stalls."""
    small = PeParameters(lanes=8, level_bits=3, max_planes=4)

    def total(parameters: PeParameters) -> tuple[Elaboratable, list[Value]]:
        design = ElementSum(parameters)
        return design, design.ports()

    def streams(parameters: PeParameters, impatient: bool = False) -> tuple[Elaboratable, list[Value]]:
        element = ProcessingElement(parameters)
        design = ElementStream(Impatient(element) if impatient else element)
        return design, design.ports()

    theorems = []
    refuted = "An element with one bit less than its sum needs overflows."
    kinds = {kind: replace(small, reduction=kind) for kind in get_args(Reduction)}
    kinds["pairs"] = replace(small, products="pairs")
    for kind, parameters in kinds.items():
        for rate in (1, 2):
            exact = replace(parameters, planes_per_cycle=rate, level_bits=4 - rate)
            statement = (
                f"{exact.lanes} lanes, {kind}, {rate} a cycle: the accumulator is always the exact sum."
            )
            name = f"element {kind} {rate}"
            theorem = Theorem(name, statement, partial(total, exact), 1, reach=exact.beats(4) + 2)
            fields = {field: getattr(exact, field) for field in PeParameters.__dataclass_fields__}
            narrow = NarrowParameters(**fields)
            theorems += [theorem, theorem.twin("narrow", refuted, partial(total, narrow))]
    statement = "Results stay until taken, one for each group, none lost and none twice."
    refuted = "With no notice taken of stalls a result is lost."
    for place in ("outside", "inside"):
        parameters = PeParameters(lanes=8, level_bits=1, max_planes=3, weights=place)
        theorem = Theorem(f"element streams {place}", statement, partial(streams, parameters), 2, reach=10)
        theorems += [theorem, theorem.twin("impatient", refuted, partial(streams, parameters, True))]
    return theorems
