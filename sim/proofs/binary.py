"""Proofs about binary hardware: a sum of products in plain integers, whatever the planes, signs and stalls.

`BinarySum`: the element as it is built takes the planes of arbitrary codes in the order of
`golden.binary_order`, under arbitrary stalls; after every beat its register is what that order says, and the
result is the sum of the integer products, and reaches both ends of its range.
`CorrectedSum`: what zero points add. `PackedDigits`: the decoder of three weights. Each takes a fault, for
the twins that must fail (`sim.proofs.binary_theorems`).
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Literal

import numpy as np
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from golden.binary import BinaryFormat
from golden.binary_order import Step, steps
from golden.binary_packing import pack_five
from hdl.binary import BinaryElement, BinaryParameters, binary_flags
from hdl.binary_correction import CorrectionParameters, ZeroCorrection
from hdl.binary_weights import BaseFiveDecoder

from .binary_faults import Fault, faulty_order

__all__ = ["BinarySum", "CorrectedSum", "CorrectionFault", "PackedDigits", "binary_order"]

CorrectionFault = Literal["", "off by one", "unsigned"]


class BinarySum(Elaboratable):
    """The element next to integer multiplications, one group of lanes a sum.

    Parameters
    ----------
    parameters : BinaryParameters
        Of the codes: signed or unsigned on either side, with as many terms as lanes.
    fault : str
        For twins: what is wrong with the beats, see `sim.proofs.binary_faults`.
    element : BinaryElement or None
        For twins: an element for other codes, or with a fault of its own. None: the one for these.
    """

    def __init__(self, parameters: BinaryParameters, fault: Fault = "", element: BinaryElement | None = None):
        p = parameters
        if "either" in (p.activations, p.weights) or p.terms != p.lanes:
            raise ValueError(f"this proof is for one kind of sign and one group of lanes, not for {p}")
        self.codes = p
        self.element = element or BinaryElement(p)
        self.parameters = built = self.element.parameters
        self.steps = faulty_order(binary_order(built), fault)
        self.signs = p.activations == "signed", p.weights == "signed"
        self.fault = fault

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
            Cover(full & (held == self.codes.sum_range.min), "the lowest sum"),
            Cover(full & (held == self.codes.sum_range.max), "the highest sum"),
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
                        payload.first.eq(number == 0 and self.fault != "kept"),
                        payload.last.eq(number == len(self.steps) - 1),
                        *(payload[name].eq(flags[name]) for name in binary_flags(p)),
                    ]

    def _block(self, codes: list[Signal], block: int, rate: int, is_signed: bool) -> Value:
        """Planes of one block, the least significant lowest; beyond the top its copy, or zeros."""
        planes = list(range(block * rate, (block + 1) * rate))
        if self.fault == "places":
            planes.reverse()
        top = len(codes[0]) - 1
        copied = is_signed and self.fault != "padding"
        beyond = Const(0, 1)
        return Cat(
            code[plane] if plane <= top else code[top] if copied else beyond
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
    """The correction next to multiplications, for arbitrary operands that stay until they are taken.

    Parameters
    ----------
    parameters : CorrectionParameters
    fault : str
        For twins: "off by one", the sum that is claimed; "unsigned", zero points without a sign.
    """

    def __init__(self, parameters: CorrectionParameters, fault: CorrectionFault = ""):
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
        zeros = given.weight_zero, given.activation_zero
        if self.fault == "unsigned":
            zeros = tuple(zero.as_unsigned() for zero in zeros)
        exact = Signal(signed(p.results.bits + 4))
        m.d.comb += exact.eq(given.sum - zeros[0] * given.activation_sum + zeros[1] * given.weight_term)
        ends = p.results
        m.d.comb += Assume((exact >= ends.min) & (exact <= ends.max), "the operands belong to a sum")
        top = p.zero_bits - 1
        full, held = unit.result.valid, unit.result.payload
        m.d.comb += [
            Assert(~full | (held == exact + (self.fault == "off by one")), "the corrected sum"),
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


def binary_order(p: BinaryParameters) -> list[Step]:
    """The steps of codes with all planes that an element is built for."""
    x = BinaryFormat(p.activation_planes, p.activations == "signed")
    w = BinaryFormat(p.weight_planes, p.weights == "signed")
    return steps(x, w, p.rate)
