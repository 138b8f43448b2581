"""Products and sums of FP16 values, rounded once each, combinational.

A step is exact first: a product of 22 bits, or a sum in which one bit stands for all that were shifted out.
`Fp16Rounder` then finds the leading bit, and rounds where FP16 ends: at its eleventh bit, or at `2^-24`.

Adder and rounder may have a register in their middle, which takes its input with `advance`.
"""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import Assign
from amaranth.lib.wiring import In, Member, Out

from golden.interval import Interval

from .fp16 import Fp16Fields
from .held import as_it_is, registers
from .modules import NamedComponent
from .normalise import align_right, normalise
from .ranges import Ranged, assign, wrap

__all__ = [
    "PRODUCT_BITS",
    "SUM_BITS",
    "Fp16Adder",
    "Fp16Multiplier",
    "Fp16Operation",
    "Fp16Rounder",
    "effective_exponent",
]

_SIGNIFICAND = 11
PRODUCT_BITS = 2 * _SIGNIFICAND
#: A carry, the significand, and three bits below it, the last of which stands for all that are lower.
SUM_BITS = 1 + _SIGNIFICAND + 3

_LARGEST_FIELD = 30
_LARGEST_FP16 = 0x7BFF


def effective_exponent(field: Value) -> Value:
    """The exponent field, 1 in place of 0 (contract, section 1)."""
    return Cat(field[0] | ~field.any(), field[1:])


class Fp16Rounder(NamedComponent):
    """A sign, a magnitude and the exponent of its top bit as FP16, to nearest even (contract, section 6).

    Parameters
    ----------
    bits : int
        Of the magnitude, at least 13.
    exponents : Interval
        What `exponent` may be.
    registered : bool
        Build the register.

    Members
    -------
    advance : In(1)
        With the register only.
    sign : In(1)
    magnitude : In(bits)
        In units of `2^(exponent - 14 - bits)`: the exponent field of a number whose leading bit is the top
        one is `exponent`.
    exponent : In(signed)
    value : Out(16)
        Zero is +0; a number that is rounded to zero keeps its sign.
    overflow : Out(1)
        The number was 65520 or more in magnitude; the value is the largest finite one.
    """

    resettable = False
    advance: Signal
    sign: Signal
    magnitude: Signal
    exponent: Signal
    value: Signal
    overflow: Signal

    def __init__(self, bits: int, exponents: Interval, *, registered: bool = False):
        if bits < _SIGNIFICAND + 2:
            raise ValueError(f"a magnitude to be rounded to FP16 must have at least 13 bits, not {bits}")
        self.bits = bits
        self.exponents = exponents
        self.clocked = registered
        ports = {
            **({"advance": In(1)} if registered else {}),
            "sign": In(1),
            "magnitude": In(bits),
            "exponent": In(signed(exponents.hull(Interval(-1, 0)).bits)),
            "value": Out(16),
            "overflow": Out(1),
        }
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word, for instance `anda_fp16_rounder_22_m12_46`."""
        ends = (str(end).replace("-", "m") for end in (self.exponents.min, self.exponents.max))
        return f"anda_fp16_rounder_{self.bits}_{'_'.join(ends)}{'_registered' if self.clocked else ''}"

    def build(self) -> Module:
        """Shifted up to the top, down again where the number is subnormal, and rounded."""
        m = Module()
        steps = [1 << k for k in reversed(range((self.bits - 1).bit_length()))]
        shifted, taken = normalise(m, self.magnitude, steps, "magnitude")
        distance = Ranged(Cat(*reversed(taken)), Interval(0, sum(steps)))
        exponent = Ranged(self.exponent, self.exponents) - distance
        first_short = Ranged.signal((Ranged.constant(1) - exponent).interval, "short")
        held = registers(m, self.advance) if self.clocked else as_it_is
        short = Ranged(held(first_short.value, "short_late"), first_short.interval)
        top, sign = held(shifted, "top_late"), held(self.sign, "sign_late")
        nonzero, is_subnormal = top[-1], Signal()
        shift = Signal(4)
        m.d.comb += [
            assign(first_short, Ranged.constant(1) - exponent),
            is_subnormal.eq((short.value > 0) | ~nonzero),
            # From 12 places on nothing is left, whatever the distance.
            shift.eq(Mux(is_subnormal, short.value[:4] | (short.value >= 16).replicate(4), 0)),
        ]
        low = self.bits - _SIGNIFICAND - 1
        kept, lost = align_right(m, Cat(top[low:], Const(0, 1)).as_signed(), shift, "subnormal")
        half, significand = kept[0], kept[1 : _SIGNIFICAND + 1]
        up = half & (lost | top[:low].any() | significand[0])
        # The hidden bit of a normal number adds the one that is missing here.
        below = Ranged.signal(Interval(0, max(exponent.interval.max - 1, 0)), "field_below")
        field = wrap(-short, below.interval.bits, is_signed=False)
        m.d.comb += below.value.eq(Mux(is_subnormal, 0, field.value))
        rounded = (below << _SIGNIFICAND - 1) + Ranged.of(significand) + Ranged.of(up)
        word = Ranged.signal(rounded.interval, "word")
        m.d.comb += [
            assign(word, rounded),
            self.overflow.eq(word.value[10:] > _LARGEST_FIELD),
            self.value.eq(Cat(Mux(self.overflow, Const(_LARGEST_FP16, 15), word.value[:15]), sign & nonzero)),
        ]
        return m


class Fp16Operation(NamedComponent):
    """What is exact in an operation on two FP16 values, those that are not finite replaced (contract, 1).

    Parameters
    ----------
    **more : Member
        Ports besides these.

    Members
    -------
    a, b : In(16)
    sign, magnitude, exponent : Out
        As `Fp16Rounder` takes them.
    nonfinite : Out(1)
        One of them was replaced.
    """

    clocked = False
    #: Of the magnitude.
    bits: ClassVar[int]
    #: What `exponent` may be.
    exponents: ClassVar[Interval]
    a: Signal
    b: Signal
    sign: Signal
    magnitude: Signal
    exponent: Signal
    nonfinite: Signal

    def __init__(self, **more: Member) -> None:
        ports = {
            **more,
            "a": In(16),
            "b": In(16),
            "sign": Out(1),
            "magnitude": Out(self.bits),
            "exponent": Out(signed(self.exponents.hull(Interval(-1, 0)).bits)),
            "nonfinite": Out(1),
        }
        super().__init__(ports)

    def unpacked(self, m: Module) -> tuple[Fp16Fields, Fp16Fields, list[Assign]]:
        """The parts of both values, and the statements that these need to be so."""
        m.submodules.a_fields = a = Fp16Fields()
        m.submodules.b_fields = b = Fp16Fields()
        return a, b, [a.value.eq(self.a), b.value.eq(self.b)]


class Fp16Multiplier(Fp16Operation):
    """The exact product, as `Fp16Operation` gives it."""

    bits = PRODUCT_BITS
    exponents = Interval(1 + 1 - 14, 30 + 30 - 14)

    @property
    def module_name(self) -> str:
        """There is only one."""
        return "anda_fp16_multiplier"

    def build(self) -> Module:
        """Significands multiplied, exponents added."""
        m = Module()
        a, b, unpacked = self.unpacked(m)
        field = Interval(1, 30)
        exponent = Ranged(effective_exponent(a.field), field) + Ranged(effective_exponent(b.field), field)
        m.d.comb += [
            *unpacked,
            self.sign.eq(a.sign ^ b.sign),
            self.nonfinite.eq(a.nonfinite | b.nonfinite),
            assign(Ranged.of(self.magnitude), Ranged.of(a.significand) * Ranged.of(b.significand)),
            assign(Ranged(self.exponent, self.exponents), exponent - Ranged.constant(14)),
        ]
        return m


class Fp16Adder(Fp16Operation):
    """The sum before it is rounded, as `Fp16Operation` gives it.

    The smaller one is shifted to the exponent of the larger one; two bits below the significand, and one that
    tells whether anything lower was shifted out, are enough for the rounding of any sum and difference.

    Parameters
    ----------
    registered : bool
        Build the register, which takes its input with the port `advance`.
    """

    resettable = False
    bits = SUM_BITS
    exponents = Interval(1 + 1, 30 + 1)
    advance: Signal

    def __init__(self, *, registered: bool = False) -> None:
        self.clocked = registered
        super().__init__(**({"advance": In(1)} if registered else {}))

    @property
    def module_name(self) -> str:
        """With or without a register."""
        return "anda_fp16_adder_registered" if self.clocked else "anda_fp16_adder"

    def build(self) -> Module:
        """The larger one, and the smaller one added or subtracted."""
        m = Module()
        a, b, unpacked = self.unpacked(m)
        width = 5 + _SIGNIFICAND
        first, second, large, small = (
            Signal(width, name=name) for name in ("first", "second", "large", "small")
        )
        swap, subtract = Signal(), Signal()
        held = registers(m, self.advance) if self.clocked else as_it_is
        m.d.comb += [
            *unpacked,
            self.nonfinite.eq(held(a.nonfinite | b.nonfinite, "nonfinite_late")),
            # Of two significands of effective exponents the order is that of the words.
            first.eq(Cat(a.significand, effective_exponent(a.field))),
            second.eq(Cat(b.significand, effective_exponent(b.field))),
            swap.eq(second > first),
            large.eq(Mux(swap, second, first)),
            small.eq(Mux(swap, first, second)),
            subtract.eq(a.sign ^ b.sign),
            self.sign.eq(held(Mux(swap, b.sign, a.sign), "sign_late")),
        ]
        field = Interval(1, 30)
        upper, lower = (Ranged(word[_SIGNIFICAND:], field) for word in (large, small))
        distance = held(wrap(upper - lower, 5, is_signed=False).value, "distance_late")
        kept_large, kept_small = (
            held(word[:_SIGNIFICAND], f"{name}_late") for name, word in (("large", large), ("small", small))
        )
        significand = Cat(Const(0, 3), kept_small, Const(0, 1)).as_signed()
        shifted, lost = align_right(m, significand, distance, "small")
        terms = [
            Ranged.of(Cat(Const(0, 3), kept_large)),
            Ranged.of(Cat(shifted[0] | lost, shifted[1:14])),
        ]
        total, difference = (
            wrap(t, SUM_BITS, is_signed=False) for t in (terms[0] + terms[1], terms[0] - terms[1])
        )
        m.d.comb += [
            self.magnitude.eq(Mux(held(subtract, "subtract_late"), difference.value, total.value)),
            assign(
                Ranged(self.exponent, self.exponents),
                Ranged(held(upper.value, "upper_late"), field) + Ranged.constant(1),
            ),
        ]
        return m
