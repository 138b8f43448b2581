"""FP16 times FP16, added up in FP32: independent fused multiply-adds (the FP-FP element of the Anda paper).

What the description gives: FP16 operands, FP32 accumulation, four multiply-adds a cycle. What is assumed: a
lane is a fused multiply-add with one rounding, IEEE 754 in every bit of its results; four lanes in lockstep
for four outputs, or for four parts of one; two accumulators a lane, taken in turn, because an addition takes
two cycles. It adds into its own accumulator only, so the addend of a general multiply-add, any FP32 value, is
not built: no subnormal is ever there (`golden.baseline.fp_fp`). Infinities and NaN are kept beside the sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import get_args

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.float32 import BIAS, EXPONENT_BITS, fp32_bits
from hdl.fp16_arithmetic import effective_exponent
from hdl.heap import AdderCells, BitHeap
from hdl.modules import NamedComponent
from hdl.multiplier import signed_product
from hdl.normalise import normalise
from hdl.pe_parameters import WeightPlace
from hdl.ranges import Ranged, assign
from hdl.weights import WeightBuffer, levels_layout

from .fused_loop import FusedLoop, ProductWindow, selected

__all__ = [
    "PRODUCTS",
    "SIGNIFICAND_STEPS",
    "Fp16Product",
    "FpFp",
    "FpFpParameters",
    "normalised_significand",
    "operands_layout",
    "sums_layout",
]

#: Distances by which the significand of a subnormal is shifted: its leading bit ends in the top two places.
SIGNIFICAND_STEPS = (8, 4, 2)
_SIGNIFICANDS = Interval(0, 2047)
#: Two significands from 2^9 to 2047: the product's leading bit is bit 18 at least and bit 21 at most.
PRODUCTS = ProductWindow(largest=2047 * 2047, lack=3)

_NAN, _INFINITY = 0x7FC00000, 0x7F800000


def normalised_significand(
    m: Module, significand: Value, field: Value, name: str
) -> tuple[Value, Value, Value]:
    """Significand of an FP16 value with its leading bit in the top two places, effective exponent, distance.

    Returns
    -------
    significand, exponent, distance : Value
        11, 5 and 4 bits.
    """
    shifted, taken = normalise(m, significand, list(SIGNIFICAND_STEPS), name)
    return shifted, effective_exponent(field), Cat(Const(0, 1), *reversed(taken))


class Fp16Product(NamedComponent):
    """The exact product of two finite FP16 values as `FusedLoop` takes it, combinational.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    a, b : In(16)
    product : Out(signed)
    field : Out(8)
        `a * b` is `product * 2^(field - 127 - 21)`.
    infinite, negative, nan : Out(1)
        The product is an infinity of this sign, or NaN; then `product` means nothing.
    """

    clocked = False
    a: Signal
    b: Signal
    product: Signal
    field: Signal
    infinite: Signal
    negative: Signal
    nan: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        self.cells = cells
        ports = {"a": In(16), "b": In(16), "product": Out(signed(PRODUCTS.product.bits))}
        flags = {name: Out(1) for name in ("infinite", "negative", "nan")}
        super().__init__({**ports, "field": Out(EXPONENT_BITS), **flags})

    @property
    def module_name(self) -> str:
        """`baseline_fp16_product`, or with `_inv`."""
        return f"baseline_fp16_product{'_inv' if self.cells is AdderCells.INVERTING else ''}"

    def build(self) -> Module:
        """Normalise both factors, multiply, add exponents."""
        m = Module()
        heap = BitHeap(EXPONENT_BITS, self.cells, prefix="field_")
        factors = []
        for name, value in (("a", self.a), ("b", self.b)):
            field = value[10:15]
            significand, exponent, distance = normalised_significand(
                m, Cat(value[:10], field.any()), field, name
            )
            factors.append(significand)
            heap.add_number(exponent)
            heap.add_number(distance, subtract=True)
        # (a significand's unit is 2^(exponent - 25)) twice; the top bit of the product is bit 21.
        heap.constant += BIAS - 50 + PRODUCTS.product.bits - 2
        sign = self.a[15] ^ self.b[15]
        signed_factor = Ranged(Cat(factors[0], Const(0, 1)).as_signed(), _SIGNIFICANDS.hull(-_SIGNIFICANDS))
        product = signed_product(m, signed_factor, Ranged(factors[1], _SIGNIFICANDS), sign, self.cells)
        m.d.comb += [
            assign(Ranged(self.product, PRODUCTS.product), product),
            self.field.eq(heap.sum(m)),
            self.negative.eq(sign),
        ]
        nans, infinities, zeros = [], [], []
        for value in (self.a, self.b):
            special, fraction = value[10:15].all(), value[:10].any()
            nans.append(special & fraction)
            infinities.append(special & ~fraction)
            zeros.append(~value[:15].any())
        m.d.comb += [
            self.nan.eq(nans[0] | nans[1] | (infinities[0] & zeros[1]) | (zeros[0] & infinities[1])),
            self.infinite.eq((infinities[0] | infinities[1]) & ~self.nan),
        ]
        return m


@dataclass(frozen=True, kw_only=True)
class FpFpParameters:
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Fused multiply-adds, 1 to 16.
    slots : int
        Accumulators of each, 1 to 16. From two on an element takes operands every cycle.
    weights : str
        "outside": at a port, held by registers that the rows of a column share; "inside": two banks of
        registers in the element, of one weight a lane.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lanes: int = 4
    slots: int = 2
    weights: WeightPlace = "outside"
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        for name in ("lanes", "slots"):
            if not 1 <= getattr(self, name) <= 16:
                raise ValueError(f"{name} must be from 1 to 16, not {getattr(self, name)}")
        if self.weights not in get_args(WeightPlace):
            raise ValueError(f"weights must be outside or inside, not {self.weights!r}")

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane; with a single slot every second cycle. The end of a sum costs two cycles more."""
        return Fraction(self.lanes, 1 if self.slots > 1 else 2)

    @property
    def slot_bits(self) -> int:
        """Width of a slot number."""
        return (self.slots - 1).bit_length()

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a sum to the sum."""
        return 3

    @property
    def name(self) -> str:
        """The parameters in a word."""
        inverting = "_inv" if self.adder_cells is AdderCells.INVERTING else ""
        return f"{self.lanes}x{self.slots}_w{self.weights}{inverting}"

    def with_cells(self, adder_cells: AdderCells) -> FpFpParameters:
        """The same for another library."""
        return replace(self, adder_cells=adder_cells)


def operands_layout(lanes: int, slot_bits: int) -> data.StructLayout:
    """An FP16 activation for each lane, lane 0 lowest, whose accumulators they go to, and where sums begin
    and end.
    """
    slot = {"slot": slot_bits} if slot_bits else {}
    return data.StructLayout({"values": 16 * lanes, **slot, "first": 1, "last": 1})


def sums_layout(lanes: int, slot_bits: int) -> data.StructLayout:
    """FP32 bits of each lane's sum, lane 0 lowest, and whose they are."""
    slot = {"slot": slot_bits} if slot_bits else {}
    return data.StructLayout({"values": 32 * lanes, **slot})


class FpFp(NamedComponent):
    """`A <- round_fp32(A + x * w)` in every lane, IEEE 754 with one rounding, to nearest even.

    Parameters
    ----------
    parameters : FpFpParameters

    Members
    -------
    activations : In(stream.Signature(operands_layout(lanes, slot_bits)))
        `first` starts the slot at +0; `last` asks for its sums. Operands of one slot are taken two cycles
        apart, of different slots one a cycle.
    levels : In(levels_layout(lanes, 16))
        Weights outside: the FP16 bits of each lane's weight, which change with the activations.
    load : In(stream.Signature(levels_layout(lanes, 16)))
        Weights inside: one set for each item of `activations`.
    results : Out(stream.Signature(sums_layout(lanes, slot_bits)))
    """

    activations: stream.Interface
    levels: data.View[data.ArrayLayout]
    load: stream.Interface
    results: stream.Interface

    def __init__(self, parameters: FpFpParameters):
        self.parameters = p = parameters
        layout = levels_layout(p.lanes, 16)
        inside = p.weights == "inside"
        super().__init__(
            {
                "activations": In(stream.Signature(operands_layout(p.lanes, p.slot_bits))),
                "load" if inside else "levels": In(stream.Signature(layout)) if inside else In(layout),
                "results": Out(stream.Signature(sums_layout(p.lanes, p.slot_bits))),
            }
        )

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
        weights_ready: Value = Const(1, 1)
        if p.weights == "inside":
            m.submodules.weights = buffer = WeightBuffer(lanes=p.lanes, level_bits=16)
            m.d.comb += [
                buffer.load.payload.eq(self.load.payload),
                buffer.load.valid.eq(self.load.valid),
                self.load.ready.eq(buffer.load.ready),
                buffer.retire.eq(beat),
            ]
            weights_ready, weights = buffer.valid, buffer.levels.as_value()
        else:
            weights = self.levels.as_value()
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
            up, down = self._specials(m, lane, multiplier, beat)
            word = fp32_bits(loop.sums.payload.words[lane])
            # An infinity of each sign, or a NaN, which counts as both: NaN, whose sign is clear.
            special = Mux(up & down, _NAN, Cat(Const(_INFINITY, 31), down))
            result = self.results.payload.values.word_select(lane, 32)
            m.d.comb += result.eq(Mux(up | down, special, word))
        return m

    def _specials(self, m: Module, lane: int, multiplier: Fp16Product, beat: Value) -> tuple[Value, Value]:
        """Whether the sum that leaves holds an infinity above, and one below; a NaN counts as both.

        They are known once the last operands were taken, before the sum leaves; nothing is taken in between.
        """
        p = self.parameters
        given, leaving = self.activations.payload, self.results.payload
        found = []
        for name, sign in (("up", ~multiplier.negative), ("down", multiplier.negative)):
            seen = [Signal(name=f"{name}_{lane}_{i}", reset_less=True) for i in range(p.slots)]
            now = multiplier.nan | (multiplier.infinite & sign)
            for i, flag in enumerate(seen):
                with m.If(beat & (given.slot == i) if p.slot_bits else beat):
                    m.d.sync += flag.eq(now | (flag & ~given.first))
            found.append(selected(seen, leaving.slot) if p.slot_bits else seen[0])
        return found[0], found[1]
