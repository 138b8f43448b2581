"""The product of a signed and an unsigned number, negated on request, from recoded digits.

The unsigned factor is read as digits from -2 to 2, two bits each (modified Booth recoding: O. L. MacSorley,
"High-speed arithmetic in binary computers", Proceedings of the IRE 49(1), 1961). That halves the rows of the
bit heap, and a negated product costs one gate a digit: each digit changes its sign.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .heap import AdderCells, Bit, BitHeap
from .ranges import Ranged, extend

__all__ = ["signed_product"]


def signed_product(m: Module, a: Ranged, b: Ranged, negate: Value, cells: AdderCells) -> Ranged:
    """`a * b`, or `-a * b` where `negate` is set; combinational, exact.

    Parameters
    ----------
    m : Module
        Takes the gates.
    a : Ranged
        The signed factor.
    b : Ranged
        The unsigned factor; it is the one that is recoded.
    negate : Value
        One bit.
    cells : AdderCells
        The adder cells to build from.
    """
    product = a.interval * b.interval
    interval = product.hull(-product)
    heap = BitHeap(interval.bits, cells)
    multiplicand = extend(a.value, a.interval.bits + 1)
    # Zeros below the lowest bit and above the highest, so that the last digit is not negative.
    digits = b.interval.bits // 2 + 1
    multiplier = Cat(Const(0, 1), b.value, Const(0, 2 * digits - b.interval.bits))
    for i in range(digits):
        _add_row(m, heap, multiplicand, multiplier[2 * i : 2 * i + 3], negate, i)
    return Ranged(heap.sum(m).as_signed(), interval)


def _add_row(m: Module, heap: BitHeap, a: Value, bits: Value, negate: Value, index: int) -> None:
    """Add `a` times one digit: `bits[0] + bits[1] - 2 * bits[2]`, its sign changed where `negate` is set."""
    single = bits[0] ^ bits[1]
    double, minus = (Signal(name=f"{name}_{index}") for name in ("double", "minus"))
    m.d.comb += [
        double.eq((bits[2] ^ bits[1]) & ~single),
        minus.eq(bits[2] ^ negate),
    ]
    # -x = ~x + 1, and the one is a bit of the heap.
    twice = Cat(Const(0, 1), a)
    for j in range(len(a)):
        chosen = ((single & a[j]) | (double & twice[j])) ^ minus
        heap.add(2 * index + j, Bit(chosen), subtract=j == len(a) - 1)
    heap.add(2 * index, Bit(minus))
