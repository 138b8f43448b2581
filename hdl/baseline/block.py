"""The integer part that the block formats of the comparison share: lanes of products in one bit heap."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Out

from golden.baseline.align import aligned_range
from golden.bitplanes import Encoding
from golden.interval import Interval
from hdl.heap import AdderCells, Bit, BitHeap
from hdl.pe_parameters import WeightPlace

from .lanes import LaneElement

__all__ = ["BlockDot", "BlockParameters", "Products", "lanes_layout"]

Products = Literal["bits", "digits"]


@dataclass(frozen=True, kw_only=True)
class BlockParameters:
    """Everything that shapes the dot product of a block.

    Parameters
    ----------
    bits : int
        Of an activation, sign included: 2 to 17.
    encoding : str
        "twos-complement", or "sign-magnitude": then activations are never `-2^(bits-1)`.
    wires : str
        How activations come: in two's complement, or as a magnitude with the sign above it (only where the
        encoding is sign-magnitude).
    level_bits : int
        Of a signed weight, 2 to 8.
    block : int
        Elements under one exponent: 8 to 256.
    lanes : int
        Products in one cycle; divides the block.
    weights : str
        "outside": levels at a port, held by registers that the rows of a column share; "inside": two banks of
        registers in the element, of one level a lane.
    products : str
        "bits": an AND for every pair of bits; "digits": the weights recoded to digits from -2 to 2, half as
        many rows (only for activations in two's complement).
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two do not fit each other.
    """

    bits: int
    encoding: Encoding = "twos-complement"
    wires: Encoding = "twos-complement"
    level_bits: int = 4
    block: int = 64
    lanes: int = 64
    weights: WeightPlace = "outside"
    products: Products = "digits"
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        for name, low, high in (("bits", 2, 17), ("level_bits", 2, 8), ("block", 8, 256)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")
        if not 1 <= self.lanes <= self.block or self.block % self.lanes:
            raise ValueError(f"lanes must divide the block of {self.block}, which {self.lanes} does not")
        for name, choices in (
            ("encoding", get_args(Encoding)),
            ("wires", get_args(Encoding)),
            ("weights", get_args(WeightPlace)),
            ("products", get_args(Products)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be {' or '.join(choices)}, not {getattr(self, name)!r}")
        if self.wires == "sign-magnitude" and self.encoding != "sign-magnitude":
            raise ValueError("activations in two's complement cannot come as sign and magnitude")
        if self.wires == "sign-magnitude" and self.products == "digits":
            raise ValueError("products of digits need activations in two's complement, not sign-magnitude")

    @property
    def activation_range(self) -> Interval:
        """Every activation."""
        return aligned_range(self.bits, self.encoding)

    @property
    def level_range(self) -> Interval:
        """Every weight."""
        return Interval.of_bits(self.level_bits, signed=True)

    @property
    def sum_range(self) -> Interval:
        """Every sum of a block, and with it every sum on the way there."""
        return (self.activation_range * self.level_range).times(self.block)

    @property
    def sum_bits(self) -> int:
        """Width of the sum: exact."""
        return self.sum_range.bits

    @property
    def beats(self) -> int:
        """Cycles that a block takes."""
        return self.block // self.lanes

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane."""
        return Fraction(self.lanes)

    @property
    def name(self) -> str:
        """The parameters in a word."""
        short = {"twos-complement": "tc", "sign-magnitude": "sm"}
        wires = f"{short[self.encoding]}{short[self.wires]}"
        kind = f"{self.block}_{self.lanes}x{self.bits}x{self.level_bits}_{wires}"
        return f"{kind}_{self.products}_w{self.weights}{self.adder_cells.suffix}"


def lanes_layout(parameters: BlockParameters) -> data.StructLayout:
    """One beat: an activation for each lane, lane 0 lowest, and where a block of several beats begins and
    ends.
    """
    flags = {"first": 1, "last": 1} if parameters.beats > 1 else {}
    return data.StructLayout({"values": parameters.lanes * parameters.bits, **flags})


class BlockDot(LaneElement):
    """`T = sum_i q_i * level_i` over a block, `lanes` products a cycle, exact.

    All products of a cycle and the sum so far are in one bit heap, whose result is registered. While a sum
    waits, the next block waits too.

    Parameters
    ----------
    parameters : BlockParameters

    Members
    -------
    activations : In(stream.Signature(lanes_layout(parameters)))
    levels, load
        As `LaneElement` has them.
    sum : Out(stream.Signature(signed(sum_bits)))
        One a block, the cycle after its last beat.
    """

    sum: stream.Interface

    def __init__(self, parameters: BlockParameters):
        self.parameters = p = parameters
        total = {"sum": Out(stream.Signature(signed(p.sum_bits)))}
        super().__init__(lanes_layout(p), total, lanes=p.lanes, level_bits=p.level_bits, place=p.weights)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_block_{self.parameters.name}"

    def build(self) -> Module:
        """Handshake, weights, and one heap."""
        m = Module()
        p = self.parameters
        full, beat = Signal(), Signal()
        beats = self.activations.payload
        last: Value = Const(1, 1) if p.beats == 1 else beats.last
        weights_ready, levels = self.weights(m, beat)
        m.d.comb += [
            self.activations.ready.eq((~full | self.sum.ready) & weights_ready),
            beat.eq(self.activations.valid & self.activations.ready),
            self.sum.valid.eq(full),
        ]
        with m.If(beat | self.sum.ready):
            m.d.sync += full.eq(beat & last)

        heap = BitHeap(p.sum_bits, p.adder_cells)
        add = self._add_digits if p.products == "digits" else self._add_bits
        for i in range(p.lanes):
            add(m, heap, beats.values.word_select(i, p.bits), levels.word_select(i, p.level_bits), i)
        held = Signal(signed(p.sum_bits), reset_less=True)
        if p.beats > 1:
            heap.add_number(Mux(beats.first, Const(0, p.sum_bits), held.as_unsigned()))
        # Modulo 2**sum_bits, which holds every sum of a part of the block.
        total = heap.sum(m)
        with m.If(beat):
            m.d.sync += held.eq(total)
        m.d.comb += self.sum.payload.eq(held)
        return m

    def _add_bits(self, m: Module, heap: BitHeap, value: Value, level: Value, lane: int) -> None:
        """An AND for every pair of bits; a magnitude is multiplied by the weight under its sign."""
        p = self.parameters
        top, level_top = p.bits - 1, p.level_bits - 1
        if p.wires == "sign-magnitude":
            sign = Signal(name=f"sign_{lane}")
            m.d.comb += sign.eq(value[top])
            # -level = (level ^ sign) + sign.
            level = level ^ sign.replicate(p.level_bits)
            for j in range(top):
                heap.add(j, Bit(~(value[j] & sign), inverted=True))
        for j in range(p.bits if p.wires == "twos-complement" else top):
            for k in range(p.level_bits):
                # Exactly one sign bit makes a product negative.
                negative = (j == top) != (k == level_top)
                heap.add(j + k, Bit(~(value[j] & level[k]), inverted=True), subtract=negative)

    def _add_digits(self, m: Module, heap: BitHeap, value: Value, level: Value, lane: int) -> None:
        """A row for every two bits of the weight: the activation times a digit from -2 to 2.

        Modified Booth recoding (MacSorley, 1961), as in `hdl.multiplier`.
        """
        p = self.parameters
        digits = (p.level_bits + 1) // 2
        padded = Cat(Const(0, 1), level, level[-1])
        wide = Cat(value, value[-1])
        twice = Cat(Const(0, 1), value)
        for i in range(digits):
            low, middle, high = (padded[2 * i + n] for n in range(3))
            single, double = (Signal(name=f"{name}_{lane}_{i}") for name in ("single", "double"))
            m.d.comb += [single.eq(low ^ middle), double.eq((high ^ middle) & ~single)]
            for j in range(p.bits + 1):
                bit = Bit(((single & wide[j]) | (double & twice[j])) ^ high)
                heap.add(2 * i + j, bit, subtract=j == p.bits)
            heap.add(2 * i, Bit(high))  # -x = ~x + 1
