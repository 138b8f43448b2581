"""AxCore-like: FP16 times FP4 (E2M1) by adding exponents and mantissas (MICRO 2025).

`golden.baseline.axcore` says what its description gives and what is assumed. Here in addition: four lanes
share one adder that does not normalise, in an element with a sum of its own; in the paper the partial sums of
a column of such elements move from row to row, and the constant is added once for a row of elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.baseline.axcore import COMPENSATION, FRACTION_BITS
from golden.interval import Interval
from hdl.float32 import BIAS
from hdl.fp16 import Fp16Fields
from hdl.heap import BitHeap
from hdl.modules import NamedComponent
from hdl.normalise import align_right
from hdl.ranges import Ranged, extend, wrap

from .fused_loop import ProductWindow
from .group_end import GroupEnd
from .group_scale import scales_layout
from .lanes import LaneParameters, ScaledElement

__all__ = ["ApproximateProduct", "AxCore", "AxCoreParameters"]

_CODE_BITS = 4
_GROUP = 64
_EXPONENT_BITS = 6
#: Ten bits of mantissa, the hidden one and a sign.
_SIGNIFICAND_BITS = 12
_TERMS = Interval(-2047, 2047) << (FRACTION_BITS - 10)
_SUMS = _TERMS.times(_GROUP)
#: Of the sum, with zeros below it: nothing is ever rounded.
_WINDOW = ProductWindow(largest=1, lack=0)
_ZEROS = _WINDOW.total.bits - _SUMS.bits


class ApproximateProduct(NamedComponent):
    """A product by one addition of exponents and mantissas, combinational.

    An activation that is not finite is replaced as contract 1 says; a subnormal one counts as zero.

    Members
    -------
    value : In(16)
    code : In(4)
        E2M1.
    significand : Out(signed(12))
        Ten bits behind the point; 0 or at least 1 in magnitude.
    exponent : Out(6)
        Exponent field, FP16's with a bit more; 0 for zero.
    nonfinite : Out(1)
        The activation was replaced.
    """

    clocked = False
    value: Signal
    code: Signal
    significand: Signal
    exponent: Signal
    nonfinite: Signal

    def __init__(self) -> None:
        ports = {"value": In(16), "code": In(_CODE_BITS), "significand": Out(signed(_SIGNIFICAND_BITS))}
        super().__init__({**ports, "exponent": Out(_EXPONENT_BITS), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """There is only one."""
        return "baseline_approximate_product"

    def build(self) -> Module:
        """The weight made normal, one addition, and the guard of zeros."""
        m = Module()
        m.submodules.fields = fields = Fp16Fields()
        magnitude = self.code[:3]
        half, nonzero, negative = (Signal(name=name) for name in ("half", "nonzero", "negative"))
        # Exponent and mantissa, E2M1's bias of 1 taken off: for 0.5, the subnormal one, -1 and 0.
        exponent = Ranged.of(magnitude[1:]) - Ranged.constant(1)
        addend = Cat(magnitude[0] & ~half, exponent.value).as_signed()
        word = Cat(fields.significand[:10], fields.field)
        total = Ranged.of(word) + Ranged.constant(COMPENSATION) + (Ranged.of(addend) << 9)
        held = wrap(total, 10 + _EXPONENT_BITS, is_signed=False)
        result = Signal(10 + _EXPONENT_BITS)
        unsigned = Cat(result[:10], nonzero)
        m.d.comb += [
            fields.value.eq(self.value),
            self.nonfinite.eq(fields.nonfinite),
            half.eq(magnitude == 1),
            nonzero.eq(magnitude.any() & fields.field.any()),
            negative.eq(fields.sign ^ self.code[3]),
            result.eq(held.value & nonzero.replicate(len(result))),
            self.exponent.eq(result[10:]),
            self.significand.eq(Mux(negative, -unsigned, extend(unsigned, 12))[:_SIGNIFICAND_BITS]),
        ]
        return m


@dataclass(frozen=True, kw_only=True)
class AxCoreParameters(LaneParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Products in one cycle: 1, 2, 4 or 8.
    weights, adder_cells
        As for `LaneParameters`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a row to its result."""
        return 6


class AxCore(ScaledElement):
    """Approximate products added without normalising, `A <- round_fp32(A + G * scale)` once a group.

    Parameters
    ----------
    parameters : AxCoreParameters

    Members
    -------
    activations : In(stream.Signature(values, first, last))
        An FP16 value a lane; `first` and `last` mark a group of up to 64.
    levels, load
        E2M1 codes, as `LaneElement` has them.
    groups, results, nonfinite, clear_nonfinite
        As `ScaledElement` has them, with `scales_layout`; flagged are activations and scales.
    """

    def __init__(self, parameters: AxCoreParameters):
        self.parameters = p = parameters
        beat = data.StructLayout({"values": 16 * p.lanes, "first": 1, "last": 1})
        super().__init__(beat, scales_layout(), lanes=p.lanes, level_bits=_CODE_BITS, place=p.weights)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_axcore_like_{self.parameters.name}"

    def build(self) -> Module:
        """Products, the shared adder, and the end of a group."""
        m = Module()
        p = self.parameters
        full, free, beat, added = (Signal(name=name) for name in ("full", "free", "beat", "added"))
        begins, ends = Signal(reset_less=True), Signal(reset_less=True)
        weights_ready, codes = self.weights(m, beat)
        given = self.activations.payload
        m.d.comb += [
            self.activations.ready.eq(weights_ready & free),
            beat.eq(self.activations.valid & self.activations.ready),
        ]
        replaced = Signal(p.lanes)
        terms: list[tuple[Signal, Signal]] = []
        for lane in range(p.lanes):
            m.submodules[f"product_{lane}"] = product = ApproximateProduct()
            term = Signal(signed(_SIGNIFICAND_BITS), name=f"term_{lane}", reset_less=True)
            exponent = Signal(_EXPONENT_BITS, name=f"exponent_{lane}", reset_less=True)
            m.d.comb += [
                product.value.eq(given.values.word_select(lane, 16)),
                product.code.eq(codes.word_select(lane, _CODE_BITS)),
                replaced[lane].eq(product.nonfinite),
            ]
            with m.If(beat):
                m.d.sync += [term.eq(product.significand), exponent.eq(product.exponent)]
            terms.append((term, exponent))
        with m.If(beat):
            m.d.sync += [begins.eq(given.first), ends.eq(given.last)]
        held, field = self._add(m, terms, begins, free & added)
        m.submodules.end = end = GroupEnd(_WINDOW, p.adder_cells)
        with m.If(free):
            m.d.sync += [added.eq(beat), full.eq(added & ends)]
        seen = Signal()
        m.d.sync += seen.eq((beat & replaced.any()) | (seen & ~self.clear_nonfinite))
        # The unit of the sum is 2^(exponent - 15 - 12), and the top of the window bit `window.bits - 2`.
        offset = BIAS - 15 - FRACTION_BITS - _ZEROS + _WINDOW.bits - 2
        m.d.comb += [
            free.eq(~full | end.sums.ready),
            end.sums.valid.eq(full),
            end.sums.payload.total.eq(Cat(Const(0, _ZEROS), held)),
            end.sums.payload.field.eq((Ranged.of(field) + Ranged.constant(offset)).value),
        ]
        connect(m, flipped(self.groups), end.groups)
        connect(m, end.results, flipped(self.results))
        m.d.comb += [
            end.clear_nonfinite.eq(self.clear_nonfinite),
            self.nonfinite.eq(end.nonfinite | seen),
        ]
        return m

    def _add(
        self, m: Module, terms: list[tuple[Signal, Signal]], begins: Value, go: Value
    ) -> tuple[Signal, Signal]:
        """The sum of a group and its exponent: all shifted to the largest exponent, cut off, and added."""
        held = Signal(signed(_SUMS.bits), reset_less=True)
        exponent = Signal(_EXPONENT_BITS, reset_less=True)
        before, before_exponent = Signal.like(held), Signal.like(exponent)
        m.d.comb += [before.eq(Mux(begins, 0, held)), before_exponent.eq(Mux(begins, 0, exponent))]
        largest = Signal(_EXPONENT_BITS)

        def larger(a: Value, b: Value) -> Value:
            return Mux(a > b, a, b)

        exponents: list[Value] = [before_exponent, *(e for _, e in terms)]
        m.d.comb += largest.eq(reduce(larger, exponents))
        heap = BitHeap(_SUMS.bits, self.parameters.adder_cells)
        wide = [(Cat(Const(0, FRACTION_BITS - 10), term).as_signed(), e) for term, e in terms]
        for i, (value, own) in enumerate([*wide, (before, before_exponent)]):
            distance = wrap(Ranged.of(largest) - Ranged.of(own), _EXPONENT_BITS, is_signed=False)
            aligned, _ = align_right(m, value, distance.value, f"aligned_{i}")
            heap.add_number(aligned)
        total = heap.sum(m)
        with m.If(go):
            m.d.sync += [held.eq(total), exponent.eq(largest)]
        return held, exponent
