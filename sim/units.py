"""Small designs around parts that are no component of their own, so that a bench or a proof can reach
them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Shape, Signal
from amaranth.lib.wiring import In, Out

from hdl.heap import AdderCells, BitHeap
from hdl.modules import NamedComponent

__all__ = ["HeapTerm", "HeapUnit"]


@dataclass(frozen=True)
class HeapTerm:
    """One number that goes into a bit heap: `value * 2**shift`, added or subtracted."""

    bits: int
    signed: bool
    shift: int
    subtract: bool


class HeapUnit(NamedComponent):
    """The sum of numbers and a constant by a bit heap, modulo `2**width`.

    Parameters
    ----------
    width : int
    terms : sequence of HeapTerm
    constant : int
    cells : AdderCells
    levels_per_stage : int or None
        As for `BitHeap`.
    carry_save : bool
        Take the sum as two rows and add these with a plain adder.

    Members
    -------
    term_0, term_1, ... : In
        One port a term.
    sum : Out(width)
        Valid `latency` cycles after the terms; how many is known once it is built.
    """

    sum: Signal
    latency: int

    def __init__(
        self,
        width: int,
        terms: tuple[HeapTerm, ...],
        *,
        constant: int = 0,
        cells: AdderCells = AdderCells.PLAIN,
        levels_per_stage: int | None = None,
        carry_save: bool = False,
    ):
        self.width = width
        self.terms = terms
        self.constant = constant
        self.cells = cells
        self.levels_per_stage = levels_per_stage
        self.carry_save = carry_save
        ports = {f"term_{i}": In(Shape(term.bits, term.signed)) for i, term in enumerate(terms)}
        super().__init__({**ports, "sum": Out(width)})

    @property
    def module_name(self) -> str:
        """Width, number of terms, and a hash of everything that shapes it."""
        shape = (self.terms, self.constant, self.cells, self.levels_per_stage, self.carry_save)
        digest = hashlib.sha256(repr(shape).encode()).hexdigest()[:8]
        return f"heap_unit_{self.width}_{len(self.terms)}_{digest}"

    def inputs(self) -> list[Signal]:
        """The ports of the terms."""
        return [getattr(self, f"term_{i}") for i in range(len(self.terms))]

    def build(self) -> Module:
        """The heap and, behind carry-save rows, the adder."""
        m = Module()
        heap = BitHeap(self.width, self.cells, self.levels_per_stage)
        heap.constant = self.constant
        for term, port in zip(self.terms, self.inputs(), strict=True):
            heap.add_number(port, term.shift, subtract=term.subtract)
        if self.carry_save:
            first, second, constant = heap.carry_save(m)
            m.d.comb += self.sum.eq((first + second + Const(constant, self.width))[: self.width])
        else:
            m.d.comb += self.sum.eq(heap.sum(m))
        self.latency = heap.latency
        return m

    def golden(self, values: list[int]) -> int:
        """The sum in plain integers."""
        total = self.constant
        for term, value in zip(self.terms, values, strict=True):
            weighted = value << term.shift
            total += -weighted if term.subtract else weighted
        return total % (1 << self.width)
