"""`A <- round_fp32(A + product)` in two combinational parts (contract, section 6).

`A` is an ordered word (`hdl.float32`); the argument that one rounding is exact stands in `hdl.window`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .float32 import EXPONENT_BITS, FRACTION_BITS, WORD_BITS, OrderedWord
from .held import as_it_is, registers
from .modules import NamedComponent
from .normalise import align_right, normalise
from .ranges import Ranged, assign, wrap
from .window import Window

__all__ = ["AlignedSum", "RoundedWord"]

_SIGNIFICANT = FRACTION_BITS + 1


class AlignedSum(NamedComponent):
    """`A + product`, exact but for the bits below the window, which are folded into one.

    Parameters
    ----------
    window : Window
    cut : bool
        What is below the window is cut off instead, without a trace: there is no `inexact`.

    Members
    -------
    word : In(32)
        `A` as an ordered word.
    first : In(1)
        Take zero for `A`.
    product : In(signed)
    product_field : In(8)
        As `ScaledSum` gives them.
    total : Out(signed)
        `floor` of the sum in units of the window's last bit.
    field : Out(8)
        Exponent field that belongs to the top bit of the window.
    inexact : Out(1)
        The sum is larger than `total` says, by less than one unit.
    """

    clocked = False
    word: Signal
    first: Signal
    product: Signal
    product_field: Signal
    total: Signal
    field: Signal
    inexact: Signal

    def __init__(self, window: Window, *, cut: bool = False):
        self.window = window
        self.cut = cut
        super().__init__(
            {
                "word": In(WORD_BITS),
                "first": In(1),
                "product": In(signed(window.product.bits)),
                "product_field": In(EXPONENT_BITS),
                "total": Out(signed(window.total.bits)),
                "field": Out(EXPONENT_BITS),
                **({} if cut else {"inexact": Out(1)}),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_aligned_sum_32`."""
        return f"anda_aligned_sum_{self.window.bits}{'_cut' if self.cut else ''}"

    def build(self) -> Module:
        """Compare exponents, swap, shift the smaller operand, add."""
        m = Module()
        window = self.window
        old = OrderedWord(self.word)
        fields = Interval.of_bits(EXPONENT_BITS, signed=False)
        difference = _held(m, "difference", Ranged(old.field, fields) - Ranged(self.product_field, fields))
        no_old, no_product, product_leads = (
            Signal(name=name) for name in ("no_old", "no_product", "product_leads")
        )
        negative = difference.value[-1]
        m.d.comb += [
            no_old.eq(self.first | old.is_zero),
            no_product.eq(~self.product[-window.slack - 2 :].any()),
            # Zero is the smaller operand, whatever its exponent.
            product_leads.eq(no_old | (negative & ~no_product)),
        ]
        # -difference = ~difference + 1: the one is a place that A is shifted by already, where it is the
        # smaller.
        distance = difference.value[:-1] ^ negative.replicate(EXPONENT_BITS)
        below = window.bits - _SIGNIFICANT - 1
        high = Cat(Const(0, below), old.significand)
        # Far below the product only the sign is left; no A, no sign.
        low = Cat(Const(0, below - 1), old.significand[:-1], (old.sign & ~no_old).replicate(2))
        product = Cat(Const(0, window.bits - window.product.bits), self.product)
        larger = Signal(signed(window.bits))
        smaller = Signal(signed(window.bits))
        m.d.comb += [
            larger.eq(Mux(product_leads, product, high)),
            smaller.eq(Mux(product_leads, low, product)),
            self.field.eq(Mux(product_leads, self.product_field, old.field)),
        ]
        near = (window.bits - 1).bit_length()
        is_far, is_something = (Signal(name=name) for name in ("is_far", "is_something"))
        shifted, lost = align_right(m, smaller, distance[:near] | is_far.replicate(near), "smaller")
        m.d.comb += is_far.eq(distance[near:].any() | no_old)
        if not self.cut:
            m.d.comb += [
                is_something.eq(~Mux(product_leads, no_old, no_product)),
                # However far it went, a bit of something is lost: neither operand is a sign bit alone.
                self.inexact.eq(is_something & lost),
            ]
        m.d.comb += assign(Ranged(self.total, window.total), Ranged.of(larger) + Ranged.of(shifted))
        return m


class RoundedWord(NamedComponent):
    """A sum normalised and rounded to FP32, to nearest even, as an ordered word.

    Parameters
    ----------
    window : Window
    registered : bool
        Build registers between the two.

    Members
    -------
    total : In(signed)
    field : In(8)
    inexact : In(1)
        As `AlignedSum` gives them.
    word : Out(32)
        Zero for a sum of zero.
    """

    resettable = False
    total: Signal
    field: Signal
    inexact: Signal
    word: Signal

    def __init__(self, window: Window, *, registered: bool = False):
        self.clocked = registered
        self.window = window
        super().__init__(
            {
                "total": In(signed(window.total.bits)),
                "field": In(EXPONENT_BITS),
                "inexact": In(1),
                "word": Out(WORD_BITS),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_rounded_word_32`."""
        return f"anda_rounded_word_{self.window.bits}{'_registered' if self.clocked else ''}"

    def build(self) -> Module:
        """Shift the leading bit to the top, count, and add one where it is nearer."""
        m = Module()
        shifted, taken = normalise(m, self.total, self.window.total_steps, "total")
        held = registers(m) if self.clocked else as_it_is
        top = held(shifted, "top_late")
        rest, half, fraction, leading, sign = (
            top[: -_SIGNIFICANT - 2],
            top[-_SIGNIFICANT - 2],
            top[-_SIGNIFICANT - 1 : -2],
            top[-2],
            top[-1],
        )
        # The top of the sum is one place above that of the window. The field wraps only for a sum of zero.
        raised = wrap(Ranged.of(self.field) + Ranged.constant(1), EXPONENT_BITS, is_signed=False)
        raised = _held(m, "raised_field", raised)
        raised = Ranged.of(held(raised.value, "raised_field_late"))
        distance = Ranged.of(held(Cat(*reversed(taken)), "distance_late"))
        moved = wrap(raised - distance, EXPONENT_BITS, is_signed=False)
        field = _held(m, "leading_field", moved).value
        # Sign and leading bit differ now, except for a sum of zero: no sum is -1 (`hdl.window`).
        is_zero = ~(sign | leading)
        up = half & (held(self.inexact, "inexact_late") | rest.any() | fraction[0])
        low = _held(m, "low", Ranged.of(fraction) + Ranged.of(up))
        signed_field = Ranged.of(field ^ sign.replicate(EXPONENT_BITS))
        high = wrap(signed_field + Ranged.of(low.value[-1]), EXPONENT_BITS, is_signed=False)
        exponent = Signal(EXPONENT_BITS)
        m.d.comb += [
            exponent.eq(high.value),
            self.word.eq(Cat(low.value[:-1], exponent & ~is_zero.replicate(EXPONENT_BITS), sign)),
        ]
        return m


def _held(m: Module, name: str, value: Ranged) -> Ranged:
    """`value` behind a signal of its own, which the Verilog names."""
    held = Ranged.signal(value.interval, name)
    m.d.comb += assign(held, value)
    return held
