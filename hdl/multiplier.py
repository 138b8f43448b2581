"""The product of a signed and an unsigned number, negated on request, from recoded digits.

The unsigned factor is read as digits from -2 to 2, two bits each (modified Booth recoding: O. L. MacSorley,
"High-speed arithmetic in binary computers", Proceedings of the IRE 49(1), 1961). That halves the rows to be
added, and a negated product costs one gate a digit: each digit changes its sign. The rows are added in as few
levels of full adders as there can be (L. Dadda, "Some schemes for parallel multipliers", Alta Frequenza 34,
1965), where a bit heap would use fewer cells and let the carries ripple.
"""

from __future__ import annotations

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .cells import FullAdder, HalfAdder
from .heap import AdderCells, Bit
from .ranges import Ranged, extend, wrap

__all__ = ["signed_product"]

_Columns = list[list[Bit]]


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
    columns: _Columns = [[] for _ in range(interval.bits)]
    multiplicand = extend(a.value, a.interval.bits + 1)
    # Zeros below the lowest bit and above the highest, so that the last digit is not negative.
    digits = b.interval.bits // 2 + 1
    multiplier = Cat(Const(0, 1), b.value, Const(0, 2 * digits - b.interval.bits))
    constant = 0
    for i in range(digits):
        constant += _add_row(m, columns, multiplicand, multiplier[2 * i : 2 * i + 3], negate, i)
    for column, bits in enumerate(columns):
        if constant >> column & 1:
            bits.append(Bit(Const(1, 1)))
    first, second = _two_rows(m, columns, cells)
    return Ranged(wrap(Ranged.of(first) + Ranged.of(second), interval.bits, is_signed=True).value, interval)


def _add_row(m: Module, columns: _Columns, a: Value, bits: Value, negate: Value, index: int) -> int:
    """Add `a` times one digit: `bits[0] + bits[1] - 2 * bits[2]`, its sign changed where `negate` is set.

    Returns
    -------
    int
        What is still to be added: the sign bit `s` of the row counts `-s = (1 - s) - 1`.
    """
    single = bits[0] ^ bits[1]
    double, minus = (Signal(name=f"{name}_{index}") for name in ("double", "minus"))
    m.d.comb += [
        double.eq((bits[2] ^ bits[1]) & ~single),
        minus.eq(bits[2] ^ negate),
    ]
    twice = Cat(Const(0, 1), a)
    top = len(a) - 1
    for j, column in enumerate(columns[2 * index :][: top + 1]):
        chosen = ((single & a[j]) | (double & twice[j])) ^ minus
        column.append(Bit(~chosen if j == top else chosen))
    # -x = ~x + 1.
    columns[2 * index].append(Bit(minus))
    return -(1 << (2 * index + top))


def _two_rows(m: Module, columns: _Columns, cells: AdderCells) -> tuple[Value, Value]:
    """Two numbers with the sum of all columns, modulo `2**len(columns)`."""
    heights = [2]
    while heights[-1] < max(map(len, columns)):
        heights.append(heights[-1] * 3 // 2)
    for stage, height in enumerate(reversed(heights[:-1])):
        columns = _reduced(m, columns, height, cells, f"level{stage}")
    zero = Bit(Const(0, 1))
    first, second = (Cat(*([*bits, zero, zero][row].true for bits in columns)) for row in (0, 1))
    return first, second


def _reduced(m: Module, columns: _Columns, height: int, cells: AdderCells, name: str) -> _Columns:
    """One level of adders, after which no column holds more than `height` bits."""
    after: _Columns = [[] for _ in columns]
    for column, waiting in enumerate(columns):
        count = 0
        while (excess := len(waiting) + len(after[column]) - height) > 0:
            taken, waiting = _pick(waiting, 3 if excess > 1 else 2)
            if column == len(columns) - 1:
                # Its carry is dropped: no adder, a parity.
                after[column].append(Bit(reduce(xor, (bit.true for bit in taken))))
                continue
            cell = (FullAdder if len(taken) == 3 else HalfAdder)(inverted=cells is AdderCells.INVERTING)
            m.submodules[f"{name}_{column}_{count}"] = cell
            count += 1
            # An adder is its own dual, a half adder is not.
            inverted = len(taken) == 3 and sum(bit.inverted for bit in taken) > 1
            m.d.comb += [
                getattr(cell, port).eq(~bit.true if inverted else bit.true)
                for port, bit in zip("abc", taken, strict=False)
            ]
            total, carry = (Bit(wire, inverted ^ cell.inverted) for wire in cell.outputs)
            after[column].append(total)
            after[column + 1].append(carry)
        after[column] += waiting
    return after


def _pick(bits: list[Bit], count: int) -> tuple[list[Bit], list[Bit]]:
    """`count` bits, of one polarity if possible, and the others."""
    inverted = sum(bit.inverted for bit in bits) * 2 > len(bits)
    ordered = sorted(bits, key=lambda bit: bit.inverted is not inverted)
    return ordered[:count], ordered[count:]
