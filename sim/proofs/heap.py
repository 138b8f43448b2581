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

__all__ = ["CellSum", "HeapSum", "heap_theorems"]

_Make = Callable[[AdderCells, bool], HeapUnit]


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


def _mixed(cells: AdderCells, carry_save: bool) -> HeapUnit:
    """Signed and unsigned numbers of several widths and weights, some subtracted, and a constant."""
    terms = (
        HeapTerm(3, True, 0, False),
        HeapTerm(3, True, 0, True),
        HeapTerm(2, False, 1, False),
        HeapTerm(4, True, 1, False),
        HeapTerm(1, False, 2, True),
        HeapTerm(2, False, 3, False),
    )
    return HeapUnit(7, terms, constant=-21, cells=cells, carry_save=carry_save)


def _ones(cells: AdderCells, carry_save: bool) -> HeapUnit:
    """The number of ones among 15 bits."""
    return HeapUnit(4, (HeapTerm(1, False, 0, False),) * 15, cells=cells, carry_save=carry_save)


def _dropped(cells: AdderCells, carry_save: bool) -> HeapUnit:
    """Numbers wider than the sum, whose carries are dropped."""
    terms = tuple(HeapTerm(5, i % 2 == 0, i % 3, i % 4 == 3) for i in range(5))
    return HeapUnit(4, terms, constant=9, cells=cells, carry_save=carry_save)


def heap_theorems() -> list[Theorem]:
    """Both cells and several heaps, in both polarities, added up or left in carry-save form."""
    theorems = []

    def cell(kind: type[FullAdder] | type[HalfAdder], inverted: bool) -> tuple[Elaboratable, list[Value]]:
        design = CellSum(kind(inverted=inverted))
        return design, design.inputs()

    for kind in (FullAdder, HalfAdder):
        for inverted in (False, True):
            name = f"cell {kind.__name__.lower()}{' inverting' if inverted else ''}"
            theorems.append(Theorem(name, "The cell adds its inputs.", partial(cell, kind, inverted), 1))

    def heap(make: _Make, cells: AdderCells, carry_save: bool) -> tuple[Elaboratable, list[Value]]:
        design = HeapSum(make(cells, carry_save))
        return design, list(design.unit.inputs())

    for title, make in (("mixed numbers", _mixed), ("ones", _ones), ("dropped carries", _dropped)):
        for cells in AdderCells:
            for carry_save in (False, True):
                name = f"heap {title} {cells}{' carry-save' if carry_save else ''}"
                statement = "The heap is plain addition, modulo its width."
                theorems.append(Theorem(name, statement, partial(heap, make, cells, carry_save), 1))
    return theorems
