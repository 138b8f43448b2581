"""Exact products of floating-point values as the FP32 loop of the peers takes them.

Each is combinational. Its significands are normalised only so far that the leading bit of a product is in the
few top places that the argument of `hdl.window` allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.float32 import BIAS, EXPONENT_BITS, WORD_BITS, OrderedWord
from hdl.fp16 import Fp16Fields
from hdl.fp16_arithmetic import effective_exponent
from hdl.heap import AdderCells, BitHeap
from hdl.modules import NamedComponent
from hdl.multiplier import signed_product
from hdl.normalise import normalise
from hdl.ranges import Ranged, assign

from .fused_loop import ProductWindow

__all__ = [
    "LEVEL_PRODUCTS",
    "PRODUCTS",
    "SCALED",
    "ExactProduct",
    "FloatProduct",
    "Fp16Product",
    "LevelProduct",
    "ScaledWord",
    "normalised_significand",
    "special_flags",
]

#: Distances by which the significand of a subnormal is shifted: its leading bit ends in the top two places.
_STEPS = (8, 4, 2)
_SIGNIFICANDS = Interval(0, 2047)
_LEVELS = Interval.of_bits(4, signed=True)

#: Two significands from 2^9 to 2047: the product's leading bit is bit 18 at least and bit 21 at most.
PRODUCTS = ProductWindow(largest=2047 * 2047, lack=3)
#: A significand of 2^9 to 2047 times a level of 1 to 8: the leading bit is bit 9 at least, bit 13 at most.
LEVEL_PRODUCTS = ProductWindow(largest=8 * 2047, lack=4)
#: A significand of 2^23 to 2^24 times one of 2^9 to 2047: the leading bit is bit 32 at least, 34 at most.
SCALED = ProductWindow(largest=(1 << 24) * 2047, lack=2)


def normalised_significand(
    m: Module, significand: Value, field: Value, name: str
) -> tuple[Value, Value, Value]:
    """Significand of an FP16 value with its leading bit in the top two places, effective exponent, distance.

    Returns
    -------
    significand, exponent, distance : Value
        11, 5 and 4 bits.
    """
    shifted, taken = normalise(m, significand, list(_STEPS), name)
    return shifted, effective_exponent(field), Cat(Const(0, 1), *reversed(taken))


def special_flags(a: Value, b: Value) -> tuple[Value, Value]:
    """Whether the product of two FP16 words is NaN, and whether one of them is infinite."""
    nans, infinities, zeros = [], [], []
    for value in (a, b):
        special, fraction = value[10:15].all(), value[:10].any()
        nans.append(special & fraction)
        infinities.append(special & ~fraction)
        zeros.append(~value[:15].any())
    nan = nans[0] | nans[1] | (infinities[0] & zeros[1]) | (zeros[0] & infinities[1])
    return nan, infinities[0] | infinities[1]


class FloatProduct(NamedComponent):
    """A product of floating-point values, combinational.

    Parameters
    ----------
    factors, product : mapping of str to shape
        Inputs, and the outputs that hold the product.
    flags : iterable of str
        Outputs of one bit.
    cells : AdderCells
        The adder cells to build from.
    """

    clocked = False
    kind: ClassVar[str]

    def __init__(
        self,
        factors: Mapping[str, Any],
        product: Mapping[str, Any],
        flags: Iterable[str],
        cells: AdderCells,
    ):
        self.cells = cells
        inputs = {name: In(shape) for name, shape in factors.items()}
        outputs = {name: Out(shape) for name, shape in product.items()}
        super().__init__({**inputs, **outputs, **{name: Out(1) for name in flags}})

    @property
    def module_name(self) -> str:
        """For instance `baseline_fp16_product`, or with `_inv`."""
        return f"baseline_{self.kind}{self.cells.suffix}"


class ExactProduct(FloatProduct):
    """A product in the window of its kind.

    Parameters
    ----------
    factors, flags, cells
        As for `FloatProduct`.

    Members
    -------
    product : Out(signed)
        In units of the window's last bit.
    field : Out(8)
        FP32 exponent field of the top bit of the product: with `W` bits, sign included, the value is
        `product * 2^(field - 127 - (W - 2))`.
    """

    window: ClassVar[ProductWindow]
    product: Signal
    field: Signal

    def __init__(self, factors: Mapping[str, Any], flags: Iterable[str], cells: AdderCells):
        product = {"product": signed(self.window.product.bits), "field": EXPONENT_BITS}
        super().__init__(factors, product, flags, cells)


class Fp16Product(ExactProduct):
    """The exact product of two finite FP16 values.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    a, b : In(16)
    product, field
        As `ExactProduct` has them.
    infinite, negative, nan : Out(1)
        The product is an infinity of this sign, or NaN; then `product` means nothing.
    """

    kind = "fp16_product"
    window = PRODUCTS
    a: Signal
    b: Signal
    infinite: Signal
    negative: Signal
    nan: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        super().__init__({"a": 16, "b": 16}, ("infinite", "negative", "nan"), cells)

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
        nan, infinite = special_flags(self.a, self.b)
        m.d.comb += [self.nan.eq(nan), self.infinite.eq(infinite & ~self.nan)]
        return m


class LevelProduct(ExactProduct):
    """The exact product of an FP16 value and an INT4 level.

    An activation that is not finite is replaced as contract 1 says.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    value : In(16)
    level : In(signed(4))
    product, field
        As `ExactProduct` has them.
    nonfinite : Out(1)
        The activation was replaced.
    """

    kind = "level_product"
    window = LEVEL_PRODUCTS
    value: Signal
    level: Signal
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        super().__init__({"value": 16, "level": signed(_LEVELS.bits)}, ("nonfinite",), cells)

    def build(self) -> Module:
        """Normalise the activation, multiply, count."""
        m = Module()
        m.submodules.fields = fields = Fp16Fields()
        significand, exponent, distance = normalised_significand(m, fields.significand, fields.field, "value")
        product = signed_product(
            m, Ranged(self.level, _LEVELS), Ranged(significand, _SIGNIFICANDS), fields.sign, self.cells
        )
        # Units of 2^(exponent - 25); the top bit of the product is bit 13.
        offset = BIAS - 25 + LEVEL_PRODUCTS.product.bits - 2
        field = Ranged.of(exponent) + Ranged.constant(offset) - Ranged.of(distance)
        m.d.comb += [
            fields.value.eq(self.value),
            self.nonfinite.eq(fields.nonfinite),
            assign(Ranged(self.product, LEVEL_PRODUCTS.product), product),
            assign(Ranged.of(self.field), field),
        ]
        return m


class ScaledWord(ExactProduct):
    """The exact product of an FP32 value and an FP16 scale.

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
    product, field
        As `ExactProduct` has them.
    nonfinite : Out(1)
        The scale was replaced.
    """

    kind = "scaled_word"
    window = SCALED
    word: Signal
    scale: Signal
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        super().__init__({"word": WORD_BITS, "scale": 16}, ("nonfinite",), cells)

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
            Ranged(factor, _SIGNIFICANDS),
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
