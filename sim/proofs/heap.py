"""Proofs about adders: the cells add, and a bit heap is plain addition."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from operator import add

from amaranth.hdl import Assert, Const, Elaboratable, Module, Value

from hdl.cells import FullAdder, HalfAdder
from hdl.heap import AdderCells
from sim.units import HeapTerm, HeapUnit

from .theorem import Theorem

__all__ = ["CellSum", "FullAdderOfTwo", "HalfAdderOr", "HeapSum", "TopBitLost", "heap_theorems"]

_Make = Callable[[type[HeapUnit], AdderCells, bool], HeapUnit]
_Design = tuple[Elaboratable, list[Value]]


class FullAdderOfTwo(FullAdder):
    """A twin with a fault: the carry takes no notice of the third input."""

    def build(self) -> Module:
        """The cell, its carry overridden."""
        m = super().build()
        wrong = self.a & self.b
        m.d.comb += self.outputs[1].eq(~wrong if self.inverted else wrong)
        return m


class HalfAdderOr(HalfAdder):
    """A twin with a fault: one input is enough for a carry."""

    def build(self) -> Module:
        """The cell, its carry overridden."""
        m = super().build()
        wrong = self.a | self.b
        m.d.comb += self.outputs[1].eq(~wrong if self.inverted else wrong)
        return m


class TopBitLost(HeapUnit):
    """A twin with a fault: nothing is carried into the top bit, and nothing is added there."""

    def build(self) -> Module:
        """The heap, its top bit overridden."""
        m = super().build()
        m.d.comb += self.sum[-1].eq(0)
        return m


class CellSum(Elaboratable):
    """`a + b + c = sum + 2 * carry`, outputs complemented or not."""

    def __init__(self, cell: FullAdder | HalfAdder):
        self.cell = cell

    def inputs(self) -> list[Value]:
        """Two or three bits."""
        return [getattr(self.cell, name) for name in "abc" if hasattr(self.cell, name)]

    def elaborate(self, platform: object) -> Module:
        """The cell, and the equation."""
        m = Module()
        m.submodules.cell = self.cell
        total, carry = ((~out)[:1] if self.cell.inverted else out for out in self.cell.outputs)
        m.d.comb += Assert(reduce(add, self.inputs()) == total + (carry << 1), "the cell adds")
        return m


class HeapSum(Elaboratable):
    """A heap next to plain additions, modulo `2**width`."""

    def __init__(self, unit: HeapUnit):
        if unit.levels_per_stage is not None:
            raise ValueError("this proof is for heaps without registers")
        self.unit = unit

    def elaborate(self, platform: object) -> Module:
        """The heap, and the equation."""
        m = Module()
        m.submodules.unit = unit = self.unit
        total: Value = Const(unit.constant % (1 << unit.width), unit.width)
        for term, port in zip(unit.terms, unit.inputs(), strict=True):
            weighted = port << term.shift
            total = total - weighted if term.subtract else total + weighted
        m.d.comb += Assert(unit.sum == total[: unit.width].as_unsigned(), "the heap adds")
        return m


def _mixed(kind: type[HeapUnit], cells: AdderCells, carry_save: bool) -> HeapUnit:
    """Signed and unsigned numbers of several widths and weights, some subtracted, and a constant."""
    terms = (
        HeapTerm(3, True, 0, False),
        HeapTerm(3, True, 0, True),
        HeapTerm(2, False, 1, False),
        HeapTerm(4, True, 1, False),
        HeapTerm(1, False, 2, True),
        HeapTerm(2, False, 3, False),
    )
    return kind(7, terms, constant=-21, cells=cells, carry_save=carry_save)


def _ones(kind: type[HeapUnit], cells: AdderCells, carry_save: bool) -> HeapUnit:
    """The number of ones among 15 bits."""
    return kind(4, (HeapTerm(1, False, 0, False),) * 15, cells=cells, carry_save=carry_save)


def _dropped(kind: type[HeapUnit], cells: AdderCells, carry_save: bool) -> HeapUnit:
    """Numbers wider than the sum, whose carries are dropped."""
    terms = tuple(HeapTerm(5, i % 2 == 0, i % 3, i % 4 == 3) for i in range(5))
    return kind(4, terms, constant=9, cells=cells, carry_save=carry_save)


def heap_theorems() -> list[Theorem]:
    """Both cells and several heaps, in both polarities, added up or left in carry-save form; and twins."""
    return [*_cell_theorems(), *_heap_theorems()]


def _cell_theorems() -> list[Theorem]:
    theorems = []

    def cell(kind: type[FullAdder] | type[HalfAdder], inverted: bool) -> _Design:
        design = CellSum(kind(inverted=inverted))
        return design, design.inputs()

    for kind, faulty in ((FullAdder, FullAdderOfTwo), (HalfAdder, HalfAdderOr)):
        for inverted in (False, True):
            name = f"cell {kind.__name__.lower()}{' inverting' if inverted else ''}"
            theorem = Theorem(name, "The cell adds its inputs.", partial(cell, kind, inverted), 1)
            refuted = "A cell with another carry does not."
            theorems += [theorem, theorem.twin("carry", refuted, partial(cell, faulty, inverted))]
    return theorems


def _heap_theorems() -> list[Theorem]:
    theorems = []

    def heap(make: _Make, cells: AdderCells, carry_save: bool, kind: type[HeapUnit] = HeapUnit) -> _Design:
        design = HeapSum(make(kind, cells, carry_save))
        return design, list(design.unit.inputs())

    statement = "The heap is plain addition, modulo its width."
    refuted = "Without its top bit it is not."
    for title, make in (("mixed numbers", _mixed), ("ones", _ones), ("dropped carries", _dropped)):
        for cells in AdderCells:
            for carry_save in (False, True):
                name = f"heap {title} {cells}{' carry-save' if carry_save else ''}"
                design = partial(heap, make, cells, carry_save)
                theorem = Theorem(name, statement, design, 1)
                theorems += [theorem, theorem.twin("top bit", refuted, partial(design, TopBitLost))]
    return theorems
