"""FP32 values as ordered integers, and how they leave: as FP32 or FP16 (contract, section 6).

An *ordered word* is an FP32 value read as a two's-complement integer of 32 bits: for a value that is not
negative the bits of FP32 themselves, for a negative one minus the 31 bits of its magnitude. The next larger
word is the next larger value, across powers of two as well. Three things follow, and the accumulator lives on
them:

* rounding up is adding one, for both signs;
* the two's-complement significand lies in the word as it is: with sign `s`, exponent field `x` and fraction
`f`
  (`x` complemented when `s` is set) the value is `(-2 * s + (1 - s) + f / 2^23) * 2^(x - 127)`, which is in
  `[1, 2) * 2^(x - 127)` or `[-2, -1) * 2^(x - 127)`;
* no step of the sum needs a magnitude: negation happens once, when a result leaves.

Zero is the word 0. Infinities, NaN and subnormal values do not occur.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from golden.interval import Interval

from .held import Held, as_it_is
from .normalise import align_right
from .ranges import Ranged, assign, wrap

__all__ = ["BIAS", "EXPONENT_BITS", "FRACTION_BITS", "WORD_BITS", "OrderedWord", "fp16_bits", "fp32_bits"]

FRACTION_BITS = 23
EXPONENT_BITS = 8
WORD_BITS = 1 + EXPONENT_BITS + FRACTION_BITS
BIAS = 127

_FP16_FRACTION = 10
#: FP32 exponent fields of the smallest and of the largest normal value of FP16.
_SMALLEST_FP16, _LARGEST_FIELD = BIAS - 14, BIAS + 15
_LARGEST_FP16 = 0x7BFF


class OrderedWord:
    """The parts of an ordered word.

    Attributes
    ----------
    sign : Value
        One bit.
    field : Value
        Exponent field of the leading bit, 8 bits.
    significand : Value
        25 bits, signed: in `[2^23, 2^24)` or `[-2^24, -2^23)`. Meaningless for the word 0.
    is_zero : Value
        One bit.
    """

    def __init__(self, word: Value):
        self.sign = word[-1]
        exponent = word[FRACTION_BITS:-1]
        self.field = exponent ^ self.sign.replicate(EXPONENT_BITS)
        self.significand = Cat(word[:FRACTION_BITS], ~self.sign, self.sign).as_signed()
        # Values above zero are at least 2^-63 in magnitude: two bits of the field tell them from zero.
        self.is_zero = ~(self.sign | exponent[-2:].any())


def fp32_bits(word: Value) -> Value:
    """An ordered word as the bits of FP32."""
    return _signed_magnitude(word)


def fp16_bits(m: Module, word: Value, held: Held = as_it_is) -> tuple[Value, Value]:
    """An ordered word as the bits of FP16, rounded to nearest even, and whether it overflowed.

    Parameters
    ----------
    m : Module
        Takes the gates.
    word : Value
        32 bits.
    held : callable
        Makes the registers between its shift and its rounding, if there are any.

    Returns
    -------
    Value
        16 bits. Overflow gives the largest finite value of its sign; a small negative value gives -0.
    Value
        One bit: the value rounds to 2^16 or more in magnitude.
    """
    parts = OrderedWord(word)
    field = Ranged(parts.field, Interval.of_bits(EXPONENT_BITS, signed=False))
    distance_to_normal = Ranged.constant(_SMALLEST_FP16) - field
    short = Ranged.signal(distance_to_normal.interval, "short")
    below = short.value
    is_subnormal, is_huge = (Signal(name=name) for name in ("is_subnormal", "is_huge"))
    distance = Signal(4)
    m.d.comb += [
        assign(short, distance_to_normal),
        is_subnormal.eq(below > 0),
        is_huge.eq(field.value > _LARGEST_FIELD),
        # From 13 places on only the sign is left, whatever the distance.
        distance.eq(Mux(is_subnormal, below[:4] | (below >= 16).replicate(4), 0)),
    ]
    # Sign, leading bit, fraction and the bit below. A subnormal result is an integer number of 2^-24, and so
    # is its ordered word: the shifted significand.
    dropped = len(parts.significand) - (_FP16_FRACTION + 3)
    kept, lost = align_right(m, parts.significand[dropped:].as_signed(), distance, "subnormal")
    remainder = held(lost | parts.significand[:dropped].any(), "remainder_late")
    kept, sign = held(kept, "kept_late"), held(parts.sign, "sign_late")
    # The smallest normal field becomes 1: short is 0 there, and 1 - short = ~short + 2, modulo 32.
    field16 = Signal(5)
    m.d.comb += field16.eq(wrap(Ranged.constant(1) - short, 5, is_signed=False).value)
    exponent = held((field16 & ~is_subnormal.replicate(5)) ^ parts.sign.replicate(5), "exponent_late")
    fraction, half = kept[1 : _FP16_FRACTION + 1], kept[0]
    up = half & (remainder | fraction[0])
    rounded = Signal(15)
    total = Ranged.of(Cat(fraction, exponent)) + Ranged.of(up)
    m.d.comb += rounded.eq(wrap(total, 15, is_signed=False).value)
    result = _signed_magnitude(Cat(rounded, sign))
    overflow = Signal()
    m.d.comb += overflow.eq(held(is_huge, "is_huge_late") | result[_FP16_FRACTION:15].all())
    largest = Cat(Const(_LARGEST_FP16, 15), sign)
    return Mux(overflow, largest, result), overflow


def _signed_magnitude(word: Value) -> Value:
    """Sign and magnitude of an ordered word of any width."""
    sign, low = word[-1], word[:-1]
    magnitude = (low ^ sign.replicate(len(low))) + sign
    return Cat(magnitude[: len(low)], sign)
