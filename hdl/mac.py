"""A bit-parallel multiply-accumulate unit for any format with integer levels: the bit-serial element's peer.

This is the unit of table 10 in the Student Float paper (arXiv 2405.03103): both operands in the same format,
decoded to integers, multiplied, and added without loss over 256 terms.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from golden.formats import Format
from golden.interval import Interval

from .decoder import LevelDecoder, require_decodable, verilog_name
from .heap import AdderCells, Bit, BitHeap
from .modules import NamedComponent
from .ranges import Ranged, assign

__all__ = ["MacParameters", "Multiplier", "MultiplyAccumulate"]


@dataclass(frozen=True, kw_only=True)
class MacParameters:
    """Everything that shapes a multiply-accumulate unit.

    Parameters
    ----------
    format : Format
        Of both operands: integer levels, no zero points, codes of at most 8 bits.
    terms : int
        Products in the longest sum, which the accumulator holds without loss.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        The format cannot be decoded, or there is no term.
    """

    format: Format
    terms: int = 256
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        if self.format.scaling == "zero-point":
            raise ValueError(f"the operands of a unit have no zero points, but {self.format.name} has")
        require_decodable(self.format)
        self.format.accumulator_bits(self.terms)

    @property
    def level_range(self) -> Interval:
        """Every level of an operand."""
        interval = self.format.level_range
        assert interval is not None
        return interval

    @property
    def levels(self) -> tuple[int, ...]:
        """Level of each code; reserved codes count as 0."""
        return tuple(level or 0 for level in self.format.integer_levels or ())

    @property
    def has_sign_bit(self) -> bool:
        """Whether the top bit of a code negates the level of the rest; its code of negative zero is free."""
        half = 1 << (self.format.code_bits - 1)
        pairs = zip(self.levels[1:half], self.levels[half + 1 :], strict=False)
        return len(self.levels) == 2 * half and all(a == -b for a, b in pairs)

    @property
    def largest_magnitude(self) -> int:
        """Of all levels."""
        return max(self.level_range.max, -self.level_range.min)

    @property
    def product_range(self) -> Interval:
        """Every product of two levels."""
        return self.level_range * self.level_range

    @property
    def sum_range(self) -> Interval:
        """Every sum of up to `terms` products."""
        return self.product_range.times(self.terms).hull(Interval(-1, 0))

    @property
    def latency(self) -> int:
        """Cycles from a pair of operands to the sum that holds it."""
        return 1


class Multiplier(NamedComponent):
    """The exact product of two codes' levels, combinational.

    Where the top bit of a code is its sign, magnitudes are multiplied and the sign stays apart; other codes
    are multiplied as two's-complement levels.

    Members
    -------
    a, b : In(format.code_bits)
    product : Out(signed(product_range.bits))
        Two's-complement levels only.
    magnitude, negative : Out(largest magnitude's bits), Out(1)
        Codes with a sign only; `negative` may be set for a product of 0.
    """

    clocked = False
    a: Signal
    b: Signal
    product: Signal
    magnitude: Signal
    negative: Signal

    def __init__(self, parameters: MacParameters):
        self.parameters = p = parameters
        bits = p.format.code_bits
        ports = {"a": In(bits), "b": In(bits)}
        if p.has_sign_bit:
            ports |= {"magnitude": Out((p.largest_magnitude**2).bit_length()), "negative": Out(1)}
        else:
            ports["product"] = Out(signed(p.product_range.hull(Interval(-1, 0)).bits))
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """For instance `anda_multiply_e2m1`."""
        inverting = "_inv" if self.parameters.adder_cells is AdderCells.INVERTING else ""
        return f"anda_multiply_{verilog_name(self.parameters.format)}{inverting}"

    def build(self) -> Module:
        """Two tables and a product of magnitudes, or two decoders and a heap of partial products."""
        return self._of_magnitudes() if self.parameters.has_sign_bit else self._of_levels()

    def _of_magnitudes(self) -> Module:
        m = Module()
        largest = self.parameters.largest_magnitude
        magnitudes, signs = [], []
        for name, port in (("a", self.a), ("b", self.b)):
            magnitude = Ranged.signal(Interval(0, largest), f"magnitude_{name}")
            sign = Signal(name=f"sign_{name}")
            with m.Switch(port):
                for code, level in enumerate(self.parameters.levels):
                    with m.Case(code):
                        m.d.comb += [assign(magnitude, Ranged.constant(abs(level))), sign.eq(level < 0)]
            magnitudes.append(magnitude)
            signs.append(sign)
        product = magnitudes[0] * magnitudes[1]
        m.d.comb += [self.magnitude.eq(product.value), self.negative.eq(signs[0] ^ signs[1])]
        return m

    def _of_levels(self) -> Module:
        m = Module()
        levels = []
        for name, port in (("a", self.a), ("b", self.b)):
            m.submodules[f"decode_{name}"] = decoder = LevelDecoder(self.parameters.format)
            m.d.comb += decoder.code.eq(port)
            levels.append(decoder.level)
        heap = BitHeap(len(self.product), self.parameters.adder_cells)
        for i, x in enumerate(levels[0]):
            for j, y in enumerate(levels[1]):
                # Exactly one sign bit makes a partial product negative.
                negative = (i == len(levels[0]) - 1) != (j == len(levels[1]) - 1)
                heap.add(i + j, Bit(~(x & y), inverted=True), subtract=negative)
        m.d.comb += self.product.eq(heap.sum(m).as_signed())
        return m


class MultiplyAccumulate(NamedComponent):
    """`sum <- (0 if first else sum) + level(a) * level(b)`, a term a cycle, exact for `terms` terms.

    Members
    -------
    enable : In(1)
        Take the operands.
    first : In(1)
        Start a new sum.
    a, b : In(format.code_bits)
    sum : Out(signed(sum_range.bits))
        With the terms so far, `parameters.latency` cycles after the last of them.
    """

    enable: Signal
    first: Signal
    a: Signal
    b: Signal
    sum: Signal
    resettable = False

    def __init__(self, parameters: MacParameters):
        self.parameters = p = parameters
        bits = p.format.code_bits
        ports = {"enable": In(1), "first": In(1), "a": In(bits), "b": In(bits)}
        super().__init__(ports | {"sum": Out(signed(p.sum_range.bits))})

    @property
    def module_name(self) -> str:
        """For instance `anda_mac_e2m1_256`."""
        p = self.parameters
        inverting = "_inv" if p.adder_cells is AdderCells.INVERTING else ""
        return f"anda_mac_{verilog_name(p.format)}_{p.terms}{inverting}"

    def build(self) -> Module:
        """The multiplier, and a heap that adds its product to the sum."""
        m = Module()
        p = self.parameters
        m.submodules.multiplier = multiplier = Multiplier(p)
        held = Signal(signed(p.sum_range.bits), reset_less=True)
        m.d.comb += [multiplier.a.eq(self.a), multiplier.b.eq(self.b), self.sum.eq(held)]
        heap = BitHeap(p.sum_range.bits, p.adder_cells)
        if p.has_sign_bit:
            # -x = ~x + 1, in as many bits as the magnitude has.
            for column, bit in enumerate(multiplier.magnitude):
                heap.add(column, Bit(bit ^ multiplier.negative))
            heap.add(0, Bit(multiplier.negative))
            heap.add(len(multiplier.magnitude), Bit(multiplier.negative), subtract=True)
        else:
            heap.add_number(multiplier.product)
        heap.add_number(Mux(self.first, 0, held))
        # Outside the condition, which would otherwise gate the inputs of every adder.
        total = heap.sum(m)
        with m.If(self.enable):
            m.d.sync += held.eq(total)
        return m
