"""No activations make a register overflow that is as narrow as very particular weights allow.

The weights of an output channel are given, their groups go through the processing element and their tiles
through the stages behind it. The worst cases are computed here once more, in plain integers, and each
register gets exactly the bits that they need.

- The element in stages, for 64 lanes: `PlaneBudget` holds for any weights, and
  `BudgetPlanes` is proved for the two sums of any of these groups.
- The element as it is built, for few lanes: `sim.proofs.element.ElementSum` with these weights.
- The registers of tiles and of the row as they are built: `sim.proofs.multistage.row_theorems`.

Each has a twin that lacks one bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from random import Random

from amaranth.hdl import Elaboratable, Value

from golden.interval import Interval
from hdl.pe import PeParameters

from .budget import TileBudget
from .budget_planes import BudgetPlanes
from .element import ElementSum
from .multistage import row_theorems
from .theorem import Theorem

__all__ = ["CertifiedRow", "certified_element_theorems", "certified_theorems", "example_row"]


@dataclass(frozen=True)
class CertifiedRow:
    """The weights of one output channel, and how they are summed.

    Parameters
    ----------
    name : str
        For people.
    levels : tuple of int
        A multiple of `tile`.
    activation_bits : int
    activation_signed : bool
    lanes : int
        Of a processing element: a group.
    tile : int
        A multiple of `lanes`.
    level_bits : int
    """

    name: str
    levels: tuple[int, ...]
    activation_bits: int
    activation_signed: bool
    lanes: int = 64
    tile: int = 128
    level_bits: int = 4

    @property
    def activations(self) -> Interval:
        """Every activation."""
        return Interval.of_bits(self.activation_bits, self.activation_signed)

    @property
    def sums(self) -> tuple[tuple[int, int], ...]:
        """For each group the sum of its positive levels and that of the magnitudes of its negative ones."""
        groups = (self.levels[i : i + self.lanes] for i in range(0, len(self.levels), self.lanes))
        return tuple((sum(max(q, 0) for q in g), sum(max(-q, 0) for q in g)) for g in groups)

    @property
    def group_ranges(self) -> tuple[Interval, ...]:
        """What the sum of each group can reach."""
        x = self.activations
        return tuple(Interval(x.min * a - x.max * b, x.max * a - x.min * b) for a, b in self.sums)

    @property
    def element(self) -> PeParameters:
        """The processing element for these weights alone."""
        return PeParameters(
            lanes=self.lanes,
            level_bits=self.level_bits,
            max_planes=self.activation_bits,
            activations="signed" if self.activation_signed else "unsigned",
            certified=reduce(Interval.hull, self.group_ranges),
        )

    def reaching(self, group: int, *, highest: bool) -> list[int]:
        """The activations that take the sum of a group to its end.

        Raises
        ------
        ValueError
            There is no such group.
        """
        if not 0 <= group < len(self.sums):
            raise ValueError(f"there are {len(self.sums)} groups, and no group {group}")
        x = self.activations
        levels = self.levels[group * self.lanes : (group + 1) * self.lanes]
        return [x.max if (q > 0) == highest else x.min for q in levels]


def example_row(
    activation_bits: int, *, activation_signed: bool = True, lanes: int = 64, tile: int = 128, tiles: int = 2
) -> CertifiedRow:
    """Heavy-tailed weights of 4 bits: mostly small, some at the ends, tiles of different weight."""
    random = Random(1)
    drawn = (random.gauss(0, 1.2 + i // tile) * random.choice((1, 1, 2)) for i in range(tile * tiles))
    levels = tuple(max(-7, min(7, round(value))) for value in drawn)
    name = f"{lanes}x{tile // lanes}x{tiles} {'s' if activation_signed else 'u'}{activation_bits}"
    return CertifiedRow(name, levels, activation_bits, activation_signed, lanes, tile)


def certified_theorems(row: CertifiedRow) -> list[Theorem]:
    """The element in stages, and the registers behind it as they are built."""
    element = row.element
    span = element.sum_range
    budget = TileBudget(span, row.activation_bits, row.activation_signed, row.level_bits, row.sums)

    def planes(narrow: bool) -> tuple[Elaboratable, list[Value]]:
        design = BudgetPlanes(replace(budget, fault="narrow") if narrow else budget)
        return design, design.ports()

    name = f"certified planes {row.name} a{element.exact_bits}"
    statement = (
        f"With these weights an accumulator of {element.exact_bits} bits never overflows, for any "
        "activations; every prefix is in its range."
    )
    reach = budget.planes + 3
    return [
        Theorem(name, statement, partial(planes, False), 1, reach=reach),
        _narrow(name, partial(planes, True), reach),
        *row_theorems(f"certified {row.name}", row.group_ranges, row.tile // row.lanes),
    ]


def certified_element_theorems(row: CertifiedRow) -> list[Theorem]:
    """The element as it is built, with the first group of the weights: for few lanes."""
    levels = row.levels[: row.lanes]
    first = row.group_ranges[0]
    element = replace(row.element, certified=first)
    half = 1 << (element.exact_bits - 2)
    narrower = replace(element, certified=Interval(max(first.min, -half), min(first.max, half - 1)))

    def total(parameters: PeParameters) -> tuple[Elaboratable, list[Value]]:
        design = ElementSum(parameters, levels)
        return design, design.ports()

    name = f"certified element {row.name} a{element.exact_bits}"
    statement = (
        f"With these weights the element of {row.lanes} lanes is exact after every beat in "
        f"{element.exact_bits} bits, {replace(element, certified=None).exact_bits - element.exact_bits} less "
        "than for any weights."
    )
    reach = element.beats(element.max_planes) + 2
    return [
        Theorem(name, statement, partial(total, element), 1, reach=reach),
        _narrow(name, partial(total, narrower), reach),
    ]


def _narrow(name: str, design: Callable[[], tuple[Elaboratable, list[Value]]], depth: int) -> Theorem:
    return Theorem(
        f"{name} narrow",
        "With one bit less it overflows.",
        design,
        depth,
        mode="bmc",
        expected="failed",
        twin_of=name,
    )
