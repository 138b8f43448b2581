"""The window of bits in which the FP32 accumulator adds, and why one rounding of it is right.

`A` has 24 significant bits. The product `T * scale` has more, and its leading bit may be anywhere; it is
normalised only until that bit is in the top `slack + 1` places below its sign. The window has `W` bits, sign
included. The operand with the larger exponent lies on top of it; the other one is shifted right by the
distance `d` of the exponents, and what leaves the window is folded into one bit, `inexact`. In units of the
window's last bit:

* Nothing leaves, and the sum is exact, unless the product is shifted by `d >= 2` (it is one bit narrower than
  the window at least), or `A` by `d > W - 25`.
* In the first case `A` is at least `2^(W-2)` in magnitude and the product at most `2^(W-3)`, so the sum's
  leading bit is bit `W - 3` or above. In the second the product is at least `2^(W-2-slack)` and `A` at most
  `2^23`, so it is bit `W - 3 - slack` or above, because `W - 3 - slack >= 24`.
* So with `inexact` set, the 24 bits from the leading one on and the next, which tells the halves apart, are
  in the window; the bits below them and `inexact` tell a half from its neighbours. Rounding to nearest even
  looks at nothing else.
* No sum is -1, the one value whose leading bit is below the window. One operand would have to be odd. `A` is
  only after a shift of the second kind, the product only after `d >= 1`; and then the sum is far from zero,
  because the product stays below `2^(W-1) * (1 - 2^-11)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from golden.interval import Interval

from .float32 import BIAS

__all__ = ["EXPONENTS", "SCALE_FIELDS", "SIGNIFICANDS", "Window"]

EXPONENTS = Interval.of_bits(5, signed=False)
"""Shared exponents that the port can carry; groups have 1 to 30."""

SCALE_FIELDS = Interval(1, 30)
"""Effective exponents of an FP16 scale (contract, section 1)."""

SIGNIFICANDS = Interval(0, 2047)
"""Significands of an FP16 scale."""


@dataclass(frozen=True)
class Window:
    """Widths that the three parts share, from the width of `T`.

    Parameters
    ----------
    sum_bits : int
        Width of the signed `T`.
    max_planes : int
        The largest number of words a group may occupy.
    """

    sum_bits: int
    max_planes: int

    @property
    def product(self) -> Interval:
        """`T * scale` in units of its last bit, of either sign."""
        product = Interval.of_bits(self.sum_bits, signed=True) * SIGNIFICANDS
        return product.hull(-product)

    @property
    def sum_steps(self) -> list[int]:
        """Distances by which `T` is normalised, largest first.

        The last one leaves as much slack as a window for 32 bits, or one for a wide product, has room for.
        """
        last = 8 if self.product.bits >= 35 else 4
        return _steps(last, self.sum_bits - 1)

    @property
    def scale_steps(self) -> list[int]:
        """Distances by which the significand of a subnormal scale is normalised, largest first."""
        return _steps(2, SIGNIFICANDS.bits)

    @property
    def slack(self) -> int:
        """How far below the top of the window a nonzero product's leading bit may be.

        What the factors may lack, and the place that a product of two leading bits may be short of.
        """
        return (self.sum_steps[-1] - 1) + (self.scale_steps[-1] - 1) + 1

    @property
    def bits(self) -> int:
        """Width of the window, sign included: `W` of the argument above."""
        return max(self.product.bits + 1, 27 + self.slack)

    @property
    def total(self) -> Interval:
        """The sum of the two operands in units of the window's last bit."""
        return Interval.of_bits(self.bits, signed=True).times(2)

    @property
    def total_steps(self) -> list[int]:
        """Distances by which a sum is normalised."""
        return _steps(1, self.bits)

    @property
    def field(self) -> Interval:
        """FP32 exponent field that belongs to the top of the window, for a product."""
        shift = Interval(0, sum(self.sum_steps) + sum(self.scale_steps))
        return EXPONENTS + SCALE_FIELDS - self.planes + Interval(self.offset, self.offset) - shift

    @property
    def planes(self) -> Interval:
        """Words that a group may occupy."""
        return Interval(2, self.max_planes)

    @property
    def offset(self) -> int:
        """Exponent field of the top bit of a product of `E = e = planes = 0`, before it is normalised.

        The last bit weighs `2^(E - 13 - planes) * 2^(e - 25)` (contract, sections 1 and 2), and the top bit
        below the sign is `bits - 2` places above.
        """
        return BIAS - 13 - 25 + self.product.bits - 2


def _steps(last: int, reach: int) -> list[int]:
    """Powers of two from `last` up, largest first, that together reach at least `reach - last`."""
    steps = [last]
    while sum(steps) + last < reach:
        steps.insert(0, 2 * steps[0])
    return steps
