"""The FP32 accumulator of `hdl.accumulator` for blocks with wider exponents, or without an FP16 scale."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.accumulator import result_layout
from hdl.float32 import BIAS, EXPONENT_BITS, WORD_BITS, fp32_bits
from hdl.fused_add import AlignedSum, RoundedWord
from hdl.heap import AdderCells, BitHeap
from hdl.modules import NamedComponent
from hdl.normalise import normalise
from hdl.scaled_sum import ScaledSum
from hdl.window import Window

__all__ = ["BlockAccumulator", "BlockAccumulatorParameters", "UnscaledWindow", "scales_layout"]

#: `ScaledSum` takes `2^(E - 13 - planes)`; with no exponent and the fewest planes this is left.
_FEWEST_PLANES = 2
_SCALED_UNIT = -13 - _FEWEST_PLANES


class UnscaledWindow(Window):
    """Widths for sums that no significand multiplies.

    The argument of `hdl.window` holds with these too, except that the product may be `-2^(W-1)`, the lowest
    number of the window. No sum is -1 even so: `A` is odd only after a shift of at least `W - 24` places, far
    below the product then; and where the product is shifted by `d >= 1`, it is at most `2^(W-2)` in
    magnitude, `A` at least that and a multiple of `2^(W-25)`, so they differ by 0 or by more than 1.
    """

    @property
    def product(self) -> Interval:
        """The sum itself."""
        return Interval.of_bits(self.sum_bits, signed=True)

    @property
    def slack(self) -> int:
        """What the one factor may lack."""
        return self.sum_steps[-1] - 1


@dataclass(frozen=True, kw_only=True)
class BlockAccumulatorParameters:
    """Everything that shapes an accumulator.

    Parameters
    ----------
    sum_bits : int
        Width of the signed sums `T`, 6 to 40.
    exponent_bits : int
        Width of a block's exponent, unsigned, 1 to 8.
    unit : int
        A block is worth `T * 2^(exponent + unit)`, times what its weights bring.
    scaled : bool
        Weights bring an FP16 scale; otherwise an exponent of as many bits, and a block is worth
        `T * 2^(exponent + weight_exponent + unit)`.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    sum_bits: int
    exponent_bits: int
    unit: int
    scaled: bool = True
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        for name, low, high in (("sum_bits", 6, 40), ("exponent_bits", 1, EXPONENT_BITS)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")

    @property
    def window(self) -> Window:
        """Widths inside."""
        kind = Window if self.scaled else UnscaledWindow
        return kind(self.sum_bits, _FEWEST_PLANES)

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a sum with `last` to its result."""
        return 3

    @property
    def name(self) -> str:
        """The parameters in a word."""
        unit = f"{'m' if self.unit < 0 else ''}{abs(self.unit)}"
        kind = "scale" if self.scaled else "exponent"
        inverting = "_inv" if self.adder_cells is AdderCells.INVERTING else ""
        return f"{self.sum_bits}_e{self.exponent_bits}_u{unit}_{kind}{inverting}"


def scales_layout(parameters: BlockAccumulatorParameters) -> data.StructLayout:
    """What belongs to a whole block: its exponent, the FP16 bits of the weights' scale or their exponent,
    and where a row of blocks begins and ends.
    """
    p = parameters
    weight = {"scale": 16} if p.scaled else {"weight_exponent": p.exponent_bits}
    return data.StructLayout({"exponent": p.exponent_bits, **weight, "first": 1, "last": 1})


class BlockAccumulator(NamedComponent):
    """`A <- round_fp32(A + T * 2^(exponent + unit) * weight)`, one rounding a block, to nearest even.

    The parts and their registers are those of `hdl.accumulator` with one slot. Nonzero values have to stay
    between `2^-63` and FP32's largest, whatever the order: the caller knows the exponents that occur.

    Parameters
    ----------
    parameters : BlockAccumulatorParameters

    Members
    -------
    sums : In(stream.Signature)
        `sum` and the fields of `scales_layout`. One every second cycle; one with `last` holds the next back
        until its result is taken.
    results : Out(stream.Signature(result_layout(32, 0)))
    nonfinite : Out(1)
    clear_nonfinite : In(1)
        With scales only, as `Accumulator` has them.
    """

    sums: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, parameters: BlockAccumulatorParameters):
        self.parameters = p = parameters
        fields = {name: field.shape for name, field in scales_layout(p)}
        layout = data.StructLayout({"sum": signed(p.sum_bits), **fields})
        flags = {"nonfinite": Out(1), "clear_nonfinite": In(1)} if p.scaled else {}
        super().__init__(
            {
                "sums": In(stream.Signature(layout)),
                "results": Out(stream.Signature(result_layout(32, 0))),
                **flags,
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_accumulator_{self.parameters.name}"

    def build(self) -> Module:
        """Product, aligned sum, rounded word, a register after each."""
        m = Module()
        p = self.parameters
        window = p.window
        m.submodules.aligned = aligned = AlignedSum(window)
        m.submodules.rounded = rounded = RoundedWord(window)
        accept, finishing, held = (Signal(name=name) for name in ("accept", "finishing", "held"))
        adding, rounding, leaving = (Signal(name=name) for name in ("adding", "rounding", "leaving"))
        adding_first, adding_last, rounding_last, inexact = (
            Signal(name=name, reset_less=True)
            for name in ("adding_first", "adding_last", "rounding_last", "inexact")
        )
        product = Signal(signed(window.product.bits), reset_less=True)
        product_field, total_field = (
            Signal(EXPONENT_BITS, name=name, reset_less=True) for name in ("product_field", "total_field")
        )
        total = Signal(signed(window.total.bits), reset_less=True)
        word = Signal(WORD_BITS, reset_less=True)
        first_product, first_field = self._scaled(m, accept) if p.scaled else self._unscaled(m)
        m.d.comb += [
            finishing.eq(rounding & rounding_last),
            held.eq(leaving & ~self.results.ready),
            self.sums.ready.eq(~(adding | finishing | held)),
            accept.eq(self.sums.valid & self.sums.ready),
            aligned.word.eq(word),
            aligned.first.eq(adding_first),
            aligned.product.eq(product),
            aligned.product_field.eq(product_field),
            rounded.total.eq(total),
            rounded.field.eq(total_field),
            rounded.inexact.eq(inexact),
            self.results.valid.eq(leaving),
            self.results.payload.value.eq(fp32_bits(word)),
        ]
        m.d.sync += [
            adding.eq(accept),
            adding_first.eq(self.sums.payload.first),
            adding_last.eq(self.sums.payload.last),
            product.eq(first_product),
            product_field.eq(first_field),
            rounding.eq(adding),
            rounding_last.eq(adding_last),
            total.eq(aligned.total),
            total_field.eq(aligned.field),
            inexact.eq(aligned.inexact),
            leaving.eq(finishing | held),
        ]
        with m.If(rounding):
            m.d.sync += word.eq(rounded.word)
        return m

    def _scaled(self, m: Module, accept: Value) -> tuple[Value, Value]:
        """`T * scale` and the exponent field of its top bit."""
        p = self.parameters
        sums = self.sums.payload
        m.submodules.scaled = scaled = ScaledSum(p.window, p.adder_cells)
        m.d.comb += [
            scaled.sum.eq(sums.sum),
            scaled.exponent.eq(0),
            scaled.scale.eq(sums.scale),
            scaled.planes.eq(_FEWEST_PLANES),
        ]
        m.d.sync += self.nonfinite.eq((accept & scaled.nonfinite) | (self.nonfinite & ~self.clear_nonfinite))
        return scaled.product, self._field(m, p.unit - _SCALED_UNIT, scaled.field, sums.exponent)

    def _unscaled(self, m: Module) -> tuple[Value, Value]:
        """`T` with its leading bit near the top, and the exponent field of its top bit."""
        p = self.parameters
        sums = self.sums.payload
        product, taken = normalise(m, sums.sum, p.window.sum_steps, "sum")
        low = p.window.sum_steps[-1].bit_length() - 1
        distance = Cat(Const(0, low), *reversed(taken))
        offset = p.unit + BIAS + p.window.product.bits - 2
        return product, self._field(m, offset, sums.exponent, sums.weight_exponent, minus=distance)

    def _field(self, m: Module, offset: int, *parts: Value, minus: Value | None = None) -> Value:
        """The sum of exponents, modulo `2^8`, which holds every field that occurs."""
        heap = BitHeap(EXPONENT_BITS, self.parameters.adder_cells, prefix="field_")
        for part in parts:
            heap.add_number(part)
        if minus is not None:
            heap.add_number(minus, subtract=True)
        heap.constant += offset
        return heap.sum(m)
