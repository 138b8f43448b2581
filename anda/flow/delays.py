"""Delay tables of Liberty cells: which arcs a cell has, and how long each takes.

Times are in picoseconds and capacitances in femtofarads whatever the file uses. An arc's delay and
output slope are tables over the input slope and the load, interpolated linearly and extended beyond
their ends along the last segment, which is what timing analysers do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anda.flow.liberty import (
    FEMTOFARADS,
    PICOSECONDS,
    TABLE_GROUPS,
    Group,
    LibertyError,
    numbers,
    parse_liberty,
    unit_size,
)

__all__ = ["Arc", "CellDelays", "Edge", "Table", "read_delays"]

Edge = Literal["rise", "fall"]
EDGES: tuple[Edge, Edge] = ("rise", "fall")

_SLOPE_NAMES = ("input_net_transition", "input_transition_time", "constrained_pin_transition")


@dataclass(frozen=True)
class Table:
    """A function of one slope and one load (or of a second slope, for setup times)."""

    slopes: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, slope: float, load: float) -> float:
        """The value at a point, interpolated or extended linearly."""
        i, u = _segment(self.slopes, slope)
        j, v = _segment(self.loads, load)
        if len(self.loads) == 1:
            return self._along_slope(i, u, 0)
        low, high = self._along_slope(i, u, j), self._along_slope(i, u, j + 1)
        return low + v * (high - low)

    def _along_slope(self, i: int, u: float, column: int) -> float:
        low = self.values[i][column]
        return low if len(self.slopes) == 1 else low + u * (self.values[i + 1][column] - low)


@dataclass(frozen=True)
class Arc:
    """From an edge at an input to an edge at an output, or a setup requirement at an input."""

    source: str
    source_edge: Edge
    target: str
    target_edge: Edge
    delay: Table
    slope: Table | None


@dataclass(frozen=True)
class CellDelays:
    """Everything timing needs to know about one cell."""

    capacitance: dict[str, float]
    outputs: frozenset[str]
    arcs: tuple[Arc, ...]
    clocked: tuple[Arc, ...]
    setups: tuple[Arc, ...]


def read_delays(files: Iterable[Path], cells: Iterable[str]) -> dict[str, CellDelays]:
    """Delays of the named cells, from the first file that has each.

    Cells without any timing group have no arcs.
    """
    wanted = frozenset(cells)
    found: dict[str, CellDelays] = {}
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        leave_out = TABLE_GROUPS - {"timing", "lu_table_template"}
        library = parse_liberty(text, leave_out=leave_out, cells=wanted - found.keys(), source=str(path))
        units = _Units(library)
        for group in library.children("cell"):
            found.setdefault(group.name, units.cell(group))
    return found


class _Units:
    """Reads the cells of one library in its own units and with its own table templates."""

    def __init__(self, library: Group) -> None:
        self.time = unit_size(library.attributes.get("time_unit", "1ns"), PICOSECONDS)
        amount, unit = library.lists.get("capacitive_load_unit", ("1", "pf"))[:2]
        self.load = unit_size(f"{amount}{unit}", FEMTOFARADS)
        self.templates = {group.name: group for group in library.children("lu_table_template")}

    def cell(self, group: Group) -> CellDelays:
        pins = [(name, pin) for pin in group.children("pin") for name in pin.args]
        arcs: list[Arc] = []
        clocked: list[Arc] = []
        setups: list[Arc] = []
        for name, pin in pins:
            for timing in pin.children("timing"):
                kind = timing.attributes.get("timing_type", "combinational")
                for source in timing.attributes.get("related_pin", "").split():
                    if kind.startswith("combinational"):
                        arcs += self._delay_arcs(timing, source, name)
                    elif kind in ("rising_edge", "falling_edge"):
                        clocked += self._delay_arcs(timing, source, name)
                    elif kind in ("setup_rising", "setup_falling"):
                        setups += self._setups(timing, source, name)
        return CellDelays(
            capacitance={name: pin.number("capacitance") * self.load for name, pin in pins},
            outputs=frozenset(name for name, pin in pins if pin.attributes.get("direction") == "output"),
            arcs=tuple(arcs),
            clocked=tuple(clocked),
            setups=tuple(setups),
        )

    def _delay_arcs(self, timing: Group, source: str, target: str) -> Iterator[Arc]:
        tables = {group.kind: group for group in timing.groups}
        sense = timing.attributes.get("timing_sense", "non_unate")
        for edge in EDGES:
            if f"cell_{edge}" not in tables:
                continue
            delay = self._table(tables[f"cell_{edge}"])
            slope = tables.get(f"{edge}_transition")
            for source_edge in EDGES:
                if sense == "positive_unate" and source_edge != edge:
                    continue
                if sense == "negative_unate" and source_edge == edge:
                    continue
                yield Arc(source, source_edge, target, edge, delay, self._table(slope) if slope else None)

    def _setups(self, timing: Group, clock: str, data: str) -> Iterator[Arc]:
        for group in timing.groups:
            for edge in EDGES:
                if group.kind == f"{edge}_constraint":
                    yield Arc(data, edge, clock, "rise", self._table(group), None)

    def _table(self, group: Group) -> Table:
        template = self.templates.get(group.name, Group("lu_table_template", ()))
        rows = [numbers([row]) for row in group.lists.get("values", ())]
        axes = []
        for n in (1, 2):
            words = group.lists.get(f"index_{n}") or template.lists.get(f"index_{n}") or ()
            axes.append((template.attributes.get(f"variable_{n}", ""), numbers(words)))
        (first, one), (second, two) = axes
        if not one:
            return Table((0.0,), (0.0,), ((rows[0][0] * self.time,),))
        if not two:
            # One row over one variable.
            columns = tuple((value * self.time,) for value in rows[0])
            if first in _SLOPE_NAMES:
                return Table(self._times(one), (0.0,), columns)
            return Table((0.0,), self._loads(one), (tuple(value for (value,) in columns),))
        if any(len(row) != len(two) for row in rows) or len(rows) != len(one):
            raise LibertyError(
                f"Expected a table of {len(one)} rows of {len(two)} values in {group.kind} ({group.name})."
            )
        values = tuple(tuple(value * self.time for value in row) for row in rows)
        swapped = second in _SLOPE_NAMES and first not in _SLOPE_NAMES
        if swapped:
            one, two, values, second = two, one, tuple(zip(*values, strict=True)), first
        loads = self._times(two) if second.endswith("transition") else self._loads(two)
        return Table(self._times(one), loads, values)

    def _times(self, axis: Sequence[float]) -> tuple[float, ...]:
        return tuple(value * self.time for value in axis)

    def _loads(self, axis: Sequence[float]) -> tuple[float, ...]:
        return tuple(value * self.load for value in axis)


def _segment(axis: Sequence[float], at: float) -> tuple[int, float]:
    """Index of the segment of `axis` that holds or is nearest to `at`, and how far along it `at` is."""
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, at) - 1, 0), len(axis) - 2)
    return i, (at - axis[i]) / (axis[i + 1] - axis[i])
