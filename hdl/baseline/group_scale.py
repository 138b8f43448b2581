"""Sums of groups, in FP32, times the FP16 scales of their weights, added up in FP32.

The tail of the peers that have a floating-point sum before they know the scale. `A <- round_fp32(A + G *
scale)`: the product of 24 and 11 significant bits is exact, the sum is rounded once (as contract 6 has it for
integers).
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.float32 import EXPONENT_BITS, WORD_BITS, OrderedWord, fp32_bits
from hdl.fp16 import Fp16Fields
from hdl.heap import AdderCells, BitHeap
from hdl.modules import NamedComponent
from hdl.multiplier import signed_product
from hdl.ranges import Ranged, assign

from .fp_fp import normalised_significand
from .fused_loop import FusedLoop, ProductWindow

__all__ = ["SCALED", "GroupScale", "ScaledWord", "group_words_layout"]

#: A significand of 2^23 to 2^24 times one of 2^9 to 2047: the leading bit is bit 32 at least, 34 at most.
SCALED = ProductWindow(largest=(1 << 24) * 2047, lack=2)


class ScaledWord(NamedComponent):
    """The exact product of an FP32 value and an FP16 scale as `FusedLoop` takes it, combinational.

    A scale that is not finite is replaced as contract 1 says.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    word : In(32)
        An ordered word (`hdl.float32`): zero, or at least `2^-63` in magnitude.
    scale : In(16)
    product : Out(signed)
    field : Out(8)
    nonfinite : Out(1)
        The scale was replaced.
    """

    clocked = False
    word: Signal
    scale: Signal
    product: Signal
    field: Signal
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        self.cells = cells
        ports = {"word": In(WORD_BITS), "scale": In(16), "product": Out(signed(SCALED.product.bits))}
        super().__init__({**ports, "field": Out(EXPONENT_BITS), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """`baseline_scaled_word`, or with `_inv`."""
        return f"baseline_scaled_word{'_inv' if self.cells is AdderCells.INVERTING else ''}"

    def build(self) -> Module:
        """Unpack, multiply, add exponents."""
        m = Module()
        m.submodules.fields = fields = Fp16Fields()
        value = OrderedWord(self.word)
        factor, exponent, distance = normalised_significand(m, fields.significand, fields.field, "scale")
        significand = Signal(signed(25))
        product = signed_product(
            m,
            Ranged(significand, Interval.of_bits(25, signed=True)),
            Ranged(factor, Interval(0, 2047)),
            fields.sign,
            self.cells,
        )
        heap = BitHeap(EXPONENT_BITS, self.cells, prefix="field_")
        heap.add_number(value.field)
        heap.add_number(exponent)
        heap.add_number(distance, subtract=True)
        # Units of 2^(field - 127 - 23) and of 2^(exponent - 25); the top bit of the product is bit 34.
        heap.constant += SCALED.product.bits - 2 - 23 - 25
        m.d.comb += [
            fields.value.eq(self.scale),
            self.nonfinite.eq(fields.nonfinite),
            significand.eq(Cat(value.significand & ~value.is_zero.replicate(25)).as_signed()),
            assign(Ranged(self.product, SCALED.product), product),
            self.field.eq(heap.sum(m)),
        ]
        return m


def group_words_layout() -> data.StructLayout:
    """The sum of a group, or of a part of it, as an ordered word, the FP16 bits of the weights' scale, and
    where a row of groups begins and ends.
    """
    return data.StructLayout({"word": WORD_BITS, "scale": 16, "first": 1, "last": 1})


class GroupScale(NamedComponent):
    """`A <- round_fp32(A + G * scale)`, one rounding a sum, to nearest even.

    A sum is taken every second cycle. The last one of a row holds the next one back until the result is
    taken: three cycles at least.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    sums : In(stream.Signature(group_words_layout()))
    results : Out(stream.Signature(32))
        FP32 bits, one a row, three cycles after its last sum.
    nonfinite : Out(1)
        The scale at the input, valid or not, is infinite or NaN, and will be replaced (contract, section 1).
    """

    sums: stream.Interface
    results: stream.Interface
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        self.cells = cells
        super().__init__(
            {
                "sums": In(stream.Signature(group_words_layout())),
                "results": Out(stream.Signature(32)),
                "nonfinite": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """`baseline_group_scale`, or with `_inv`."""
        return f"baseline_group_scale{'_inv' if self.cells is AdderCells.INVERTING else ''}"

    def build(self) -> Module:
        """The product and the loop."""
        m = Module()
        m.submodules.scaled = scaled = ScaledWord(self.cells)
        m.submodules.loop = loop = FusedLoop(SCALED, 1, 1)
        given, to = self.sums.payload, loop.products.payload
        m.d.comb += [
            scaled.word.eq(given.word),
            scaled.scale.eq(given.scale),
            to.products[0].eq(scaled.product),
            to.fields[0].eq(scaled.field),
            to.first.eq(given.first),
            to.last.eq(given.last),
            loop.products.valid.eq(self.sums.valid),
            self.sums.ready.eq(loop.products.ready),
            self.results.payload.eq(fp32_bits(loop.sums.payload.words[0])),
            self.results.valid.eq(loop.sums.valid),
            loop.sums.ready.eq(self.results.ready),
            self.nonfinite.eq(scaled.nonfinite),
        ]
        return m
