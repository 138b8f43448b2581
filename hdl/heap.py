"""The bit heap: any set of weighted bits reduced to their sum by full-adder cells.

A heap holds bits in columns; a bit in column c counts 2**c, or -2**c when it is subtracted. A full adder
takes three bits of a column and gives one there and one in the next: every full adder removes one bit, so the
number of cells is fixed by the number of bits alone, and what is left to choose is their order. The three
bits that arrive first are taken first, which keeps the path near its shortest (the three-greedy rule,
Stelling et al., IEEE Transactions on Computers 47(3), 1998).

Bits are kept in either polarity. A full adder is self-dual (complemented inputs give complemented outputs),
so complemented bits cost nothing, and the cheap gate (NAND) can make the products of a multiplier. A
subtracted bit is added complemented with a constant: -b * 2**c = (1 - b) * 2**c - 2**c. All constants fold
into one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.hdl._ast import ValueLike

from .cells import FullAdder, HalfAdder

__all__ = ["AdderCells", "Bit", "BitHeap"]


class AdderCells(StrEnum):
    """Which adder cells the target library has."""

    #: Sum and carry as they are.
    PLAIN = "plain"
    #: Sum and carry complemented.
    INVERTING = "inverting"

    @property
    def suffix(self) -> str:
        """What the name of a module ends with that is built from these: nothing, or `_inv`."""
        return "_inv" if self is AdderCells.INVERTING else ""


@dataclass(frozen=True, eq=False)
class Bit:
    """One bit of a heap.

    Attributes
    ----------
    value : Value
        The wire.
    inverted : bool
        Whether the wire carries the complement of the bit.
    level : int
        Depth in full adders from the inputs of the heap, registers not counted.
    stage : int
        Pipeline registers between the inputs of the heap and this wire.
    """

    value: Value
    inverted: bool = False
    level: int = 0
    stage: int = 0

    def complement(self) -> Bit:
        """One minus this bit: the same wire, read the other way."""
        return Bit(self.value, not self.inverted, self.level, self.stage)

    @property
    def true(self) -> Value:
        """The bit itself."""
        return ~self.value if self.inverted else self.value


@dataclass
class BitHeap:
    """Weighted bits and a constant, summed modulo `2**width`.

    Parameters
    ----------
    width : int
        Columns; carries out of the last one are dropped.
    cells : AdderCells
        The kind of adder cells to build from.
    levels_per_stage : int or None
        Full adders between two pipeline registers; None builds no registers.
    prefix : str
        Tells the cells of several heaps in one module apart.
    """

    width: int
    cells: AdderCells = AdderCells.PLAIN
    levels_per_stage: int | None = None
    prefix: str = ""
    columns: list[list[Bit]] = field(init=False)
    constant: int = field(init=False, default=0)
    full_adders: int = field(init=False, default=0)
    half_adders: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a bit heap needs at least 1 column, not {self.width}")
        if self.levels_per_stage is not None and self.levels_per_stage < 1:
            raise ValueError(f"a pipeline stage holds at least 1 adder level, not {self.levels_per_stage}")
        self.columns = [[] for _ in range(self.width)]

    def add(self, column: int, bit: Bit, *, subtract: bool = False) -> None:
        """Put `bit` into a column; subtracted, it counts `-2**column`. Bits beyond the width are dropped."""
        if subtract:
            self.constant -= 1 << column
            bit = bit.complement()
        if column < self.width:
            self.columns[column].append(bit)

    def add_number(self, value: ValueLike, shift: int = 0, *, subtract: bool = False) -> None:
        """Put a whole signed or unsigned number into the heap, times `2**shift`."""
        number = Value.cast(value)
        for position, wire in enumerate(number):
            is_sign = number.shape().signed and position == len(number) - 1
            self.add(shift + position, Bit(wire), subtract=subtract != is_sign)

    def sum(self, m: Module) -> Value:
        """The sum of everything in the heap, constant included, modulo `2**width`.

        Returns
        -------
        Value
            Unsigned, `width` bits, valid `latency` cycles after the inputs.
        """
        rows = self.reduce(m, height=1, fold_constant=True)
        final = [bits[0] if bits else None for bits in rows]
        last = max((bit.stage for bit in final if bit), default=0)
        self._latency = last
        return Cat(*(self._delayed(m, bit, last).true if bit else Const(0, 1) for bit in final))

    def carry_save(self, m: Module) -> tuple[Value, Value, int]:
        """Two unsigned rows of `width` bits and a constant that add up to the sum, modulo `2**width`."""
        rows = self.reduce(m, height=2, fold_constant=False)
        last = max((bit.stage for bits in rows for bit in bits), default=0)
        self._latency = last
        zero = Bit(Const(0, 1))
        padded = [[*(self._delayed(m, bit, last) for bit in bits), zero, zero] for bits in rows]
        first, second = (Cat(*(bits[row].true for bits in padded)) for row in (0, 1))
        return first, second, self.constant % (1 << self.width)

    @property
    def latency(self) -> int:
        """Cycles from the inputs to the result, known once the heap has been summed."""
        return self._latency

    def reduce(self, m: Module, *, height: int, fold_constant: bool) -> list[list[Bit]]:
        """Add cells to `m` until no column holds more than `height` (1 or 2) bits."""
        constant = self.constant % (1 << self.width) if fold_constant else 0
        for column in range(self.width):
            bits = self.columns[column]
            one = bool(constant >> column & 1)
            while len(bits) > 2:
                self._full_adder(m, column, self._pick(bits))
            if height == 1 and len(bits) == 2:
                self._half_adder(m, column, one)
            elif one and bits:
                # b + 1 = 2 * b + (1 - b): no gate at all.
                bit = bits.pop()
                bits.append(bit.complement())
                self._carry(column, bit)
            elif one:
                bits.append(Bit(Const(1, 1)))
        return self.columns

    def _pick(self, bits: list[Bit]) -> list[Bit]:
        """Take out the three bits of one polarity that arrive first; without such, invert the odd one."""
        bits.sort(key=lambda bit: bit.level)
        same = [[b for b in bits if b.inverted is polarity][:3] for polarity in (False, True)]
        triples = [triple for triple in same if len(triple) == 3]
        chosen = min(triples, key=lambda triple: triple[2].level) if triples else bits[:3]
        for bit in chosen:
            bits.remove(bit)
        major = sum(bit.inverted for bit in chosen) >= 2
        return [
            bit if bit.inverted is major else Bit(~bit.value, major, bit.level, bit.stage) for bit in chosen
        ]

    def _full_adder(self, m: Module, column: int, bits: list[Bit]) -> None:
        if column == self.width - 1:
            return self._parity(m, column, bits)
        cell = FullAdder(inverted=self.cells is AdderCells.INVERTING)
        m.submodules[f"{self.prefix}fa_{column}_{self.full_adders}"] = cell
        self.full_adders += 1
        level, stage, wires = self._gather(m, bits)
        m.d.comb += [port.eq(wire) for port, wire in zip((cell.a, cell.b, cell.c), wires, strict=True)]
        total, carry = cell.outputs
        inverted = bits[0].inverted ^ cell.inverted
        self.columns[column].append(Bit(total, inverted, level + 1, stage))
        self._carry(column, Bit(carry, inverted, level + 1, stage))

    def _parity(self, m: Module, column: int, bits: list[Bit], one: bool = False) -> None:
        """Add bits of the last column, whose carry is dropped: no cell, an XOR."""
        level, stage, wires = self._gather(m, bits)
        inverted = one ^ (sum(bit.inverted for bit in bits) % 2 == 1)
        total = Signal(name=f"{self.prefix}sum_{column}")
        m.d.comb += total.eq(reduce(xor, wires))
        self.columns[column].append(Bit(total, inverted, level + 1, stage))

    def _half_adder(self, m: Module, column: int, one: bool) -> None:
        """Add the two bits of a column, and the constant one if it is set: a half adder, or its dual."""
        bits = [self.columns[column].pop() for _ in range(2)]
        if column == self.width - 1:
            return self._parity(m, column, bits, one)
        level, stage, wires = self._gather(m, bits)
        if all(bit.inverted is one for bit in bits):
            # a + b + 1 on complemented wires is the dual of a half adder: the same cell.
            cell = HalfAdder(inverted=self.cells is AdderCells.INVERTING)
            m.submodules[f"{self.prefix}ha_{column}_{self.half_adders}"] = cell
            self.half_adders += 1
            m.d.comb += [cell.a.eq(wires[0]), cell.b.eq(wires[1])]
            total, carry = cell.outputs
            inverted = one ^ cell.inverted
        else:
            a, b = (~wire if bit.inverted else wire for bit, wire in zip(bits, wires, strict=True))
            total, carry = (Signal(name=f"{self.prefix}{out}_{column}") for out in ("sum", "carry"))
            m.d.comb += [total.eq(~(a ^ b) if one else a ^ b), carry.eq(a | b if one else a & b)]
            inverted = False
        self.columns[column].append(Bit(total, inverted, level + 1, stage))
        self._carry(column, Bit(carry, inverted, level + 1, stage))

    def _carry(self, column: int, bit: Bit) -> None:
        if column + 1 < self.width:
            self.columns[column + 1].append(bit)

    def _gather(self, m: Module, bits: list[Bit]) -> tuple[int, int, list[Value]]:
        """Bring the inputs of one cell to the same pipeline stage."""
        level = max(bit.level for bit in bits)
        stage = max(bit.stage for bit in bits)
        if self.levels_per_stage is not None:
            stage = max(stage, level // self.levels_per_stage)
        return level, stage, [self._delayed(m, bit, stage).value for bit in bits]

    def _delayed(self, m: Module, bit: Bit, stage: int) -> Bit:
        """`bit` behind as many registers as it takes to reach `stage`; one chain a wire."""
        wire = bit.value
        for step in range(bit.stage, stage):
            register = Signal(name=f"stage{step + 1}", reset_less=True)
            m.d.sync += register.eq(wire)
            wire = register
        return Bit(wire, bit.inverted, bit.level, stage)
