"""FP16 times FP16, four products added at once into FP32: the dot product unit of tensor cores.

`golden.baseline.fp_fp_dot` says what every bit must be. Four multiply-adds share one adder, one normaliser
and one rounding, where `hdl.baseline.fp_fp` has four of each. A register is behind the products, which keeps
their distances from the largest exponent too; then come those of the FP32 loop of the peers (`FusedLoop`),
the first one behind the aligned sum. An addition takes two cycles there, so two sums are under way in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream
from amaranth.lib.wiring import Out

from golden.baseline.fp_fp_dot import GUARD_BITS, window_bits
from golden.interval import Interval
from hdl.float32 import BIAS, FRACTION_BITS, fp32_bits
from hdl.fp16_arithmetic import effective_exponent
from hdl.heap import AdderCells, BitHeap
from hdl.multiplier import signed_product
from hdl.normalise import align_right
from hdl.ranges import Ranged, assign, wrap

from .fp_fp import operands_layout, remembered, special_or, sums_layout
from .fused_loop import CutWindow, FusedLoop
from .lanes import LaneElement, SlotParameters
from .products import FloatProduct, special_flags

__all__ = ["FpFpDot", "FpFpDotParameters", "PlainProduct"]

_SIGNIFICANDS = Interval(0, 2047)
_PRODUCTS = Interval(-2047 * 2047, 2047 * 2047)
_EXPONENT_BITS = 6
#: A product is a multiple of 2^(exponent - 50), its places below that of the exponent.
_PRODUCT_FRACTION = 20
#: No aligned product has more places than 31 below its sign.
_DISTANCE_BITS = 5


class PlainProduct(FloatProduct):
    """The exact product of two finite FP16 values, significands as they are, combinational.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    a, b : In(16)
    product : Out(signed)
    exponent : Out(6)
        The sum of the effective exponents: `a * b` is `product * 2^(exponent - 50)`.
    infinite, negative, nan : Out(1)
        The product is an infinity of this sign, or NaN; then `product` means nothing.
    """

    kind = "plain_product"
    a: Signal
    b: Signal
    product: Signal
    exponent: Signal
    infinite: Signal
    negative: Signal
    nan: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        product = {"product": signed(_PRODUCTS.bits), "exponent": _EXPONENT_BITS}
        super().__init__({"a": 16, "b": 16}, product, ("infinite", "negative", "nan"), cells)

    def build(self) -> Module:
        """Multiply, add exponents."""
        m = Module()
        factors = [Cat(value[:10], value[10:15].any()) for value in (self.a, self.b)]
        exponents = [Ranged(effective_exponent(value[10:15]), Interval(1, 31)) for value in (self.a, self.b)]
        sign = self.a[15] ^ self.b[15]
        signed_factor = Ranged(Cat(factors[0], Const(0, 1)).as_signed(), _SIGNIFICANDS.hull(-_SIGNIFICANDS))
        product = signed_product(m, signed_factor, Ranged(factors[1], _SIGNIFICANDS), sign, self.cells)
        m.d.comb += [
            assign(Ranged(self.product, _PRODUCTS), product),
            assign(Ranged.of(self.exponent), exponents[0] + exponents[1]),
            self.negative.eq(sign),
        ]
        nan, infinite = special_flags(self.a, self.b)
        m.d.comb += [self.nan.eq(nan), self.infinite.eq(infinite & ~self.nan)]
        return m


@dataclass(frozen=True, kw_only=True)
class FpFpDotParameters(SlotParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Products added at once: 1, 2, 4 or 8.
    guard : int
        Places kept below the last one of an FP32 number of the largest exponent, 0 to 4.
    slots, weights, adder_cells
        As for `SlotParameters`: accumulators.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    guard: int = GUARD_BITS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.guard <= 4:
            raise ValueError(f"guard must be from 0 to 4, not {self.guard}")

    @property
    def window(self) -> CutWindow:
        """In which the sum of a step and the accumulator are added."""
        return CutWindow(window_bits(self.lanes, self.guard))

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a sum to the sum."""
        return 4

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return f"{self.lanes}x{self.slots}_g{self.guard}_{self.ending}"


class FpFpDot(LaneElement):
    """`A <- round_fp32(A + sum of x * w)` over the lanes, with what alignment cuts off.

    Parameters
    ----------
    parameters : FpFpDotParameters

    Members
    -------
    activations : In(stream.Signature(operands_layout(lanes, slot_bits)))
        `first` starts the slot at +0; `last` asks for its sum. Operands of one slot are taken two cycles
        apart, of different slots one a cycle.
    levels, load
        The FP16 bits of each lane's weight, as `LaneElement` has them.
    results : Out(stream.Signature(sums_layout(1, slot_bits)))
    """

    results: stream.Interface

    def __init__(self, parameters: FpFpDotParameters):
        self.parameters = p = parameters
        results = Out(stream.Signature(sums_layout(1, p.slot_bits)))
        beat = operands_layout(p.lanes, p.slot_bits)
        super().__init__(beat, {"results": results}, lanes=p.lanes, level_bits=16, place=p.weights)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_fp_fp_dot_{self.parameters.name}"

    def build(self) -> Module:
        """Products behind a register, their sum, and the loop."""
        m = Module()
        p = self.parameters
        m.submodules.loop = loop = FusedLoop(p.window, 1, p.slots)
        given, to = self.activations.payload, loop.products.payload
        beat, waiting, moves = (Signal(name=name) for name in ("beat", "waiting", "moves"))
        first, last = Signal(reset_less=True), Signal(reset_less=True)
        slot = Signal(p.slot_bits, reset_less=True)
        weights_ready, weights = self.weights(m, beat)
        m.d.comb += [
            self.activations.ready.eq(weights_ready & (~waiting | loop.products.ready)),
            beat.eq(self.activations.valid & self.activations.ready),
            moves.eq(waiting & loop.products.ready),
            loop.products.valid.eq(waiting),
            to.first.eq(first),
            to.last.eq(last),
            self.results.valid.eq(loop.sums.valid),
            loop.sums.ready.eq(self.results.ready),
        ]
        m.d.sync += waiting.eq(beat | (waiting & ~moves))
        with m.If(beat):
            m.d.sync += [first.eq(given.first), last.eq(given.last)]
        leaving: Value = Const(0, 0)
        if p.slot_bits:
            with m.If(beat):
                m.d.sync += slot.eq(given.slot)
            leaving = loop.sums.payload.slot
            m.d.comb += [to.slot.eq(slot), self.results.payload.slot.eq(leaving)]
        products = self._products(m, weights)
        self._align(m, products, beat, to.products[0], to.fields[0])
        found = []
        for name, signs in (
            ("up", [~each.negative for each in products]),
            ("down", [each.negative for each in products]),
        ):
            happens = [each.nan | (each.infinite & sign) for each, sign in zip(products, signs, strict=True)]
            now = Signal(name=f"{name}_now", reset_less=True)
            with m.If(beat):
                m.d.sync += now.eq(Cat(*happens).any())
            # It joins its sum when the loop takes that: no sum that still waits there is disturbed.
            found.append(remembered(m, name, p.slots, now, first, slot, moves, leaving))
        word = fp32_bits(loop.sums.payload.words[0])
        m.d.comb += self.results.payload.values.eq(special_or(word, *found))
        return m

    def _products(self, m: Module, weights: Value) -> list[PlainProduct]:
        """One for each lane."""
        products = []
        for lane in range(self.parameters.lanes):
            m.submodules[f"multiplier_{lane}"] = multiplier = PlainProduct(self.parameters.adder_cells)
            m.d.comb += [
                multiplier.a.eq(self.activations.payload.values.word_select(lane, 16)),
                multiplier.b.eq(weights.word_select(lane, 16)),
            ]
            products.append(multiplier)
        return products

    def _align(
        self, m: Module, products: Sequence[PlainProduct], beat: Value, total: Value, field: Value
    ) -> None:
        """Products and their distances in registers; then all shifted to the largest exponent, and added."""
        p = self.parameters
        largest = Signal(_EXPONENT_BITS)
        m.d.comb += largest.eq(_largest([each.exponent for each in products]))
        held_largest = Signal(_EXPONENT_BITS, reset_less=True)
        with m.If(beat):
            m.d.sync += held_largest.eq(largest)
        zeros = FRACTION_BITS + p.guard - _PRODUCT_FRACTION
        heap = BitHeap(p.window.product.bits, p.adder_cells)
        for lane, each in enumerate(products):
            distance = wrap(Ranged.of(largest) - Ranged.of(each.exponent), _EXPONENT_BITS, is_signed=False)
            far = distance.value[_DISTANCE_BITS:].any()
            held = Signal(signed(_PRODUCTS.bits), name=f"product_{lane}", reset_less=True)
            held_distance = Signal(_DISTANCE_BITS, name=f"distance_{lane}", reset_less=True)
            with m.If(beat):
                m.d.sync += [
                    held.eq(each.product),
                    held_distance.eq(distance.value[:_DISTANCE_BITS] | far.replicate(_DISTANCE_BITS)),
                ]
            wide = Cat(Const(0, zeros), held).as_signed()
            aligned, _ = align_right(m, wide, held_distance, f"aligned_{lane}")
            heap.add_number(aligned)
        # The top place of the window is worth 2^(E - 29) * lanes.
        offset = BIAS - 29 + (p.lanes - 1).bit_length()
        m.d.comb += [
            total.eq(heap.sum(m)),
            assign(Ranged.of(field), Ranged.of(held_largest) + Ranged.constant(offset)),
        ]


def _largest(values: Sequence[Value]) -> Value:
    """The largest of some unsigned numbers, compared in pairs."""
    level = list(values)
    while len(level) > 1:
        level = [Mux(a > b, a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]
