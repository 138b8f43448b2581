"""Proofs about binary hardware: a sum of products in plain integers, whatever the planes, signs and stalls.

`BinarySum`: the element as it is built takes the planes of arbitrary codes in the order of
`golden.binary_order`, under arbitrary stalls; after every beat its register is what that order says, and the
result is the sum of the integer products, and reaches both ends of its range.
`CorrectedSum`: what zero points add. `PackedDigits`: the decoder of three weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce
from operator import add

import numpy as np
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from golden.binary import BinaryFormat
from golden.binary_order import Step, steps
from golden.binary_packing import pack_five
from hdl.binary import BinaryElement, BinaryParameters, binary_flags
from hdl.binary_correction import CorrectionParameters, ZeroCorrection
from hdl.binary_weights import BaseFiveDecoder

from .theorem import Theorem

__all__ = ["BinarySum", "CorrectedSum", "NarrowBinary", "PackedDigits", "binary_theorems"]

_Design = tuple[Elaboratable, list[Value]]


class NarrowBinary(BinaryParameters):
    """A twin with a fault: its accumulator lacks one bit."""

    @property
    def sum_bits(self) -> int:
        """One bit less than the sum needs."""
        return self.exact_bits - 1


class BinarySum(Elaboratable):
    """The element next to integer multiplications, one group of lanes a sum.

    Parameters
    ----------
    parameters : BinaryParameters
        Signed or unsigned on either side, with as many terms as lanes.
    fault : str
        "" or, for twins: "signs", the order takes no top plane for negative; "shift", no step shifts.
    """

    def __init__(self, parameters: BinaryParameters, fault: str = ""):
        p = parameters
        if "either" in (p.activations, p.weights) or p.terms != p.lanes:
            raise ValueError(f"this proof is for one kind of sign and one group of lanes, not for {p}")
        self.parameters = p
        self.element = BinaryElement(p)
        self.steps = [self._faulty(step, fault) for step in _order(p)]
        self.signs = p.activations == "signed", p.weights == "signed"

    @staticmethod
    def _faulty(step: Step, fault: str) -> Step:
        if fault == "signs":
            return replace(step, activations_negative=False, weights_negative=False)
        return replace(step, shifts=False) if fault == "shift" else step

    def ports(self) -> list[Value]:
        """What is free, and the result."""
        beats, result = self.element.beats, self.element.result
        return [beats.valid, result.ready, result.payload]

    def elaborate(self, platform: object) -> Module:
        """The element, the order of steps, and the products in plain integers."""
        m = Module()
        p = self.parameters
        m.submodules.element = element = self.element
        codes = [
            [Signal(bits, name=f"{side}_{lane}") for lane in range(p.lanes)]
            for side, bits in (("x", p.activation_planes), ("w", p.weight_planes))
        ]
        for side in codes:
            m.d.comb += [code.eq(AnyConst(len(code))) for code in side]
        place = Signal(range(len(self.steps)))
        beats = element.beats
        with m.If(beats.valid & beats.ready):
            m.d.sync += place.eq(Mux(place == len(self.steps) - 1, 0, place + 1))
        self._drive(m, codes, place)

        numbers = [
            [code.as_signed() if is_signed else code for code in side]
            for side, is_signed in zip(codes, self.signs, strict=True)
        ]
        total = Signal(signed(p.type_range.bits + 2))
        m.d.comb += total.eq(reduce(add, (x * w for x, w in zip(*numbers, strict=True))))
        full, held = element.result.valid, element.result.payload
        m.d.comb += [
            Assert(~full | (held == total), "the result is the sum of the products"),
            Assert(~full | (place == 0), "a result waits between sums only"),
            Cover(full & (held == p.sum_range.min), "the lowest sum"),
            Cover(full & (held == p.sum_range.max), "the highest sum"),
        ]
        self._invariant(m, codes, place)
        return m

    def _drive(self, m: Module, codes: list[list[Signal]], place: Signal) -> None:
        p, payload = self.parameters, self.element.beats.payload
        rates = p.activation_planes_per_cycle, p.weight_planes_per_cycle
        with m.Switch(place):
            for number, step in enumerate(self.steps):
                with m.Case(number):
                    words = [
                        self._block(side, block, rate, is_signed)
                        for side, block, rate, is_signed in zip(
                            codes, (step.activations, step.weights), rates, self.signs, strict=True
                        )
                    ]
                    flags = {
                        "shift": step.shifts,
                        "activations_negative": step.activations_negative,
                        "weights_negative": step.weights_negative,
                    }
                    m.d.comb += [
                        payload.activations.eq(words[0] if step.adds else 0),
                        payload.weights.eq(words[1]),
                        payload.first.eq(number == 0),
                        payload.last.eq(number == len(self.steps) - 1),
                        *(payload[name].eq(flags[name]) for name in binary_flags(p)),
                    ]

    @staticmethod
    def _block(codes: list[Signal], block: int, rate: int, is_signed: bool) -> Value:
        """Planes of one block, the least significant lowest; beyond the top its copy, or zeros."""
        planes = range(block * rate, (block + 1) * rate)
        top = len(codes[0]) - 1
        beyond = Const(0, 1)
        return Cat(
            code[plane] if plane <= top else code[top] if is_signed else beyond
            for plane in planes
            for code in codes
        )

    def _invariant(self, m: Module, codes: list[list[Signal]], place: Signal) -> None:
        """What the register holds after each step, in plain integers: it carries the induction."""
        p, result = self.parameters, self.element.result
        held: Value = Const(0, signed(2))
        with m.Switch(place):
            for number, step in enumerate(self.steps[:-1]):
                held = (held << p.rate.unit if step.shifts else held) + self._products(codes, step)
                expected = Signal(signed(p.type_range.bits + 3), name=f"after_{number}")
                m.d.comb += expected.eq(held)
                with m.Case(number + 1):
                    same = result.payload == expected[: p.sum_bits].as_signed()
                    m.d.comb += Assert(same, f"the register after step {number}")

    def _products(self, codes: list[list[Signal]], step: Step) -> Value:
        """The sum of the products of two blocks, read as numbers."""
        p = self.parameters
        if not step.adds:
            return Const(0, 1)
        sides = zip(
            codes,
            (step.activations, step.weights),
            (p.activation_planes_per_cycle, p.weight_planes_per_cycle),
            (step.activations_negative, step.weights_negative),
            self.signs,
            strict=True,
        )
        numbers = []
        for side, block, rate, negative, is_signed in sides:
            words = self._block(side, block, rate, is_signed)
            lanes = [Cat(words[k * p.lanes + lane] for k in range(rate)) for lane in range(p.lanes)]
            numbers.append([lane.as_signed() if negative else lane for lane in lanes])
        products: Value = reduce(add, (x * w for x, w in zip(*numbers, strict=True)))
        return products


class CorrectedSum(Elaboratable):
    """The correction next to multiplications, for arbitrary operands that stay until they are taken."""

    def __init__(self, parameters: CorrectionParameters, fault: bool = False):
        self.parameters = parameters
        self.unit = ZeroCorrection(parameters)
        self.fault = fault

    def ports(self) -> list[Value]:
        """What is free, and the result."""
        return [self.unit.sums.valid, self.unit.result.ready, self.unit.result.payload]

    def elaborate(self, platform: object) -> Module:
        """The unit, what it is given, and the equation."""
        m = Module()
        p = self.parameters
        m.submodules.unit = unit = self.unit
        given = unit.sums.payload
        m.d.comb += given.eq(AnyConst(len(given.as_value())))
        exact = Signal(signed(p.results.bits + 4))
        m.d.comb += exact.eq(
            given.sum - given.weight_zero * given.activation_sum + given.activation_zero * given.weight_term
        )
        ends = p.results
        m.d.comb += Assume((exact >= ends.min) & (exact <= ends.max), "the operands belong to a sum")
        top = p.zero_bits - 1
        full, held = unit.result.valid, unit.result.payload
        m.d.comb += [
            Assert(~full | (held == (exact + 1 if self.fault else exact)), "the corrected sum"),
            Assert(~full | (unit.left == top), "a result waits between sums only"),
            Assert(unit.left <= top, "no more bits than a zero point has"),
            Cover(full & (held == ends.max), "the highest result"),
        ]
        self._invariant(m)
        return m

    def _invariant(self, m: Module) -> None:
        """What the register holds after each bit, in plain integers: it carries the induction."""
        p, unit = self.parameters, self.unit
        given, top = unit.sums.payload, p.zero_bits - 1
        held: Value = Const(0, signed(2))
        with m.Switch(unit.left):
            for bit in range(top, 0, -1):
                added = Mux(given.activation_zero[bit], given.weight_term, 0)
                added = added - Mux(given.weight_zero[bit], given.activation_sum, 0)
                held = (held << 1) + (-added if bit == top else added)
                expected = Signal(signed(p.results.bits + 4), name=f"after_{bit}")
                m.d.comb += expected.eq(held)
                with m.Case(bit - 1):
                    same = unit.result.payload == expected[: p.results.bits].as_signed()
                    m.d.comb += Assert(same, f"the register after bit {bit}")


class PackedDigits(Elaboratable):
    """The decoder next to the table of the golden code."""

    def __init__(self, swapped: bool = False):
        self.decoder = BaseFiveDecoder()
        self.swapped = swapped

    def ports(self) -> list[Value]:
        """The word and its digits."""
        return [self.decoder.word, self.decoder.digits]

    def elaborate(self, platform: object) -> Module:
        """For any three digits: their word decodes to them."""
        m = Module()
        m.submodules.decoder = decoder = self.decoder
        triples = [(n % 5, n // 5 % 5, n // 25) for n in range(125)]
        words = pack_five(np.array(triples, dtype=np.uint8))[:, 0].tolist()
        with m.Switch(decoder.word):
            for (d0, d1, d2), word in zip(triples, words, strict=True):
                low, high = (d1, d0) if self.swapped else (d0, d1)
                with m.Case(word):
                    m.d.comb += Assert(decoder.digits == low | high << 3 | d2 << 6, f"word {word}")
        return m


def binary_theorems() -> list[Theorem]:
    """Small elements of every kind of rate and sign, the correction, the decoder; and their twins."""
    theorems: list[Theorem] = []
    serial = _small(3, 3, 1, 1)
    unsigned = replace(serial, activations="unsigned", weights="unsigned")
    for kind, parameters in (
        ("serial", serial),
        ("serial mixed signs", replace(serial, activations="unsigned")),
        ("serial unsigned", unsigned),
        ("weights parallel", _small(3, 3, 1, 3)),
        ("activations parallel", _small(3, 3, 3, 1)),
        ("parallel", _small(3, 3, 3, 3)),
        ("blocks", _small(4, 3, 2, 1)),
        ("gaps", _small(2, 4, 1, 3)),
        ("wide weights", _small(1, 4, 1, 1)),
    ):
        theorems.append(_sum_theorem(f"binary {kind}", parameters))
    name = "binary serial"
    signs = "With no top plane taken for negative the result is another one."
    theorems += [
        _twin(f"{name} signs", signs, partial(_sum, serial, "signs"), 14, name),
        _twin(f"{name} shift", "Without shifts it is another one.", partial(_sum, serial, "shift"), 14, name),
        _twin(f"{name} narrow", "With one bit less it overflows.", partial(_narrow, serial), 14, name),
    ]
    return theorems + _other_theorems()


def _other_theorems() -> list[Theorem]:
    element = replace(_small(1, 1, 1, 1), lanes=1, terms=1, activations="unsigned")
    small = CorrectionParameters(element=element, zero_bits=3)

    def corrected(fault: bool) -> _Design:
        design = CorrectedSum(small, fault)
        return design, design.ports()

    def digits(swapped: bool) -> _Design:
        design = PackedDigits(swapped)
        return design, design.ports()

    correction, decoder = "binary correction", "binary decoder"
    adds = "Bit by bit the correction adds what zero points add, as multiplications would."
    decodes = "Seven bits decode to the three digits that they were packed from."
    other, swapped = "Another result is not given.", "Digits in another order are not given."
    return [
        Theorem(correction, adds, partial(corrected, False), 1, reach=small.zero_bits + 3),
        _twin(f"{correction} off by one", other, partial(corrected, True), small.zero_bits + 3, correction),
        Theorem(decoder, decodes, partial(digits, False), 1),
        _twin(f"{decoder} swapped", swapped, partial(digits, True), 1, decoder),
    ]


def _small(x: int, w: int, x_rate: int, w_rate: int) -> BinaryParameters:
    return BinaryParameters(
        lanes=2,
        activation_planes=x,
        weight_planes=w,
        activation_planes_per_cycle=x_rate,
        weight_planes_per_cycle=w_rate,
        activations="signed",
        weights="signed",
        terms=2,
    )


def _order(p: BinaryParameters) -> list[Step]:
    x = BinaryFormat(p.activation_planes, p.activations == "signed")
    w = BinaryFormat(p.weight_planes, p.weights == "signed")
    return steps(x, w, p.rate)


def _sum(parameters: BinaryParameters, fault: str = "") -> _Design:
    design = BinarySum(parameters, fault)
    return design, design.ports()


def _narrow(parameters: BinaryParameters) -> _Design:
    fields = {name: getattr(parameters, name) for name in BinaryParameters.__dataclass_fields__}
    return _sum(NarrowBinary(**fields))


def _sum_theorem(name: str, p: BinaryParameters) -> Theorem:
    statement = (
        f"{p.lanes} lanes, {p.activation_planes} by {p.weight_planes} bits, "
        f"{p.activation_planes_per_cycle} by {p.weight_planes_per_cycle} planes a cycle: the result is the "
        "sum of the integer products, and both of its ends are reached."
    )
    reach = len(_order(p)) + 3
    return Theorem(name, statement, partial(_sum, p), 1, reach=reach)


def _twin(name: str, statement: str, design: Callable[[], _Design], depth: int, of: str) -> Theorem:
    return Theorem(name, statement, design, depth, mode="bmc", expected="failed", twin_of=of)
