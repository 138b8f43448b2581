"""Functional coverage: which situations a run has met, of those it should meet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

from rich.table import Table

from golden.interval import Interval

__all__ = ["Bin", "Coverage"]

#: A bin is a value or, for integers, a range of them.
Bin = str | int | bool | Interval


class Coverage:
    """Named points, each with bins that count how often they were met.

    A point knows its bins before the run, so that those never met can be listed. Values outside every bin
    of a point are an error: they mean that the point was described wrongly.
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {}
        self._ranges: dict[str, list[tuple[Interval, str]]] = {}
        self._crosses: dict[str, tuple[str, ...]] = {}

    def point(self, name: str, bins: Iterable[Bin]) -> None:
        """Declare a point; declaring it again adds bins."""
        counts = self._counts.setdefault(name, {})
        for each in bins:
            counts.setdefault(_label(each), 0)
            if isinstance(each, Interval):
                self._ranges.setdefault(name, []).append((each, _label(each)))
        if not counts:
            raise ValueError(f"the coverage point {name!r} needs at least one bin")

    def cross(self, name: str, points: Iterable[str]) -> None:
        """Declare a point whose bins are the combinations of the bins of other points."""
        parts = tuple(points)
        missing = [part for part in parts if part not in self._counts]
        if missing:
            raise ValueError(f"the cross {name!r} needs the point {missing[0]!r} to be declared before it")
        combined = self._counts.setdefault(name, {})
        for labels in product(*(self._counts[part] for part in parts)):
            combined.setdefault(" & ".join(labels), 0)
        self._crosses[name] = parts

    def hit(self, values: Mapping[str, Bin]) -> None:
        """Count one situation: a value for each of the named points, and for the crosses of these points."""
        labels = {name: self._find(name, value) for name, value in values.items()}
        for name, label in labels.items():
            self._counts[name][label] += 1
        for cross, parts in self._crosses.items():
            if all(part in labels for part in parts):
                self._counts[cross][" & ".join(labels[part] for part in parts)] += 1

    def _find(self, name: str, value: Bin) -> str:
        bins = self._counts.get(name)
        if bins is None:
            raise ValueError(
                f"{name!r} is not a coverage point; there are {', '.join(self._counts) or 'none'}"
            )
        label = _label(value)
        if label in bins:
            return label
        if isinstance(value, int):
            for interval, label in self._ranges.get(name, ()):
                if interval.min <= value <= interval.max:
                    return label
        raise ValueError(f"the coverage point {name!r} has no bin for {value!r}")

    def merge(self, other: Coverage) -> None:
        """Add the counts of another run, and its points."""
        for name, counts in other._counts.items():
            mine = self._counts.setdefault(name, {})
            for label, count in counts.items():
                mine[label] = mine.get(label, 0) + count

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def counts(self, name: str) -> dict[str, int]:
        """How often each bin of a point was met."""
        return dict(self._counts[name])

    def percent(self, name: str | None = None) -> float:
        """Share of bins met, of one point or, without a name, the mean over all points."""
        if name is not None:
            counts = self._counts[name]
            return 100.0 * sum(count > 0 for count in counts.values()) / len(counts)
        return sum(map(self.percent, self._counts)) / len(self._counts) if self._counts else 0.0

    def unreached(self, name: str) -> list[str]:
        """The bins of a point that no run has met."""
        return [label for label, count in self._counts[name].items() if count == 0]

    def table(self, title: str = "functional coverage") -> Table:
        """For people: a row a point, with the bins not met."""
        table = Table(title=title)
        for column in ("point", "bins", "met", "%", "not met"):
            table.add_column(column, justify="left" if column in ("point", "not met") else "right")
        for name, counts in self._counts.items():
            missing = self.unreached(name)
            shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
            met = len(counts) - len(missing)
            table.add_row(name, str(len(counts)), str(met), f"{self.percent(name):.1f}", shown)
        return table

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Points, their bins and counts; what `load` reads."""
        return {name: dict(counts) for name, counts in self._counts.items()}

    def save(self, path: Path) -> None:
        """Write the counts as JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=1))

    @classmethod
    def load(cls, path: Path) -> Coverage:
        """Counts written by `save`; ranges and crosses are kept as plain bins, enough to merge and report."""
        coverage = cls()
        coverage._counts = json.loads(path.read_text())
        return coverage


def _label(value: Bin) -> str:
    if isinstance(value, Interval):
        return str(value.min) if value.min == value.max else f"{value.min}..{value.max}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
