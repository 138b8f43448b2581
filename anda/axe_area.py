"""What the width of accumulators costs: elements and the stages behind them, for tiles and widths (AXE).

A row of `INPUTS` inputs is cut into tiles. A tile's sum is kept in `inner_bits` bits, as promised by a
budget, or in the bits that any weights need; the row's sum in `P_I + ceil(log2(tiles))` bits (contract,
section 6).

- Tiles of 32 and 64 inputs: the accumulator of an element of as many lanes is the inner register.
- Tiles of 128: an element of 64 lanes, and an inner stage that adds two of its sums; or the element alone and
  one stage of the outer width that adds all its sums, which the promise about tiles allows just as well.
- No tiles: an element of 64 lanes, and one stage that adds all its sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from anda.flow import synth
from anda.flow.library import Library
from golden.interval import Interval
from golden.multistage import Stage, outer_bits
from hdl.emit import emit_verilog, tool_versions
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement

__all__ = ["INPUTS", "Point", "area_rows", "measure_axe_area", "points", "sharing_rows"]

INPUTS = 2048
"""Terms of a whole sum."""

_LANES = 64
_TILES = (32, 64, 128, None)
_WIDTHS = (12, 14, 16, 18, 20)
_PLANES = (8, 4)


@dataclass(frozen=True)
class Point:
    """One choice of tile and widths, for INT4 weights and signed activations.

    Attributes
    ----------
    activation_bits : int
    tile : int or None
        Inputs of a tile; None: the whole row.
    inner_bits : int
        Width of the register of a tile's sum.
    promised : bool
        Whether `inner_bits` is a promise about the weights; else it is what any weights need.
    """

    activation_bits: int
    tile: int | None
    inner_bits: int
    promised: bool

    @property
    def any_element(self) -> PeParameters:
        """The element for any weights."""
        return PeParameters(lanes=min(self.tile or _LANES, _LANES), max_planes=self.activation_bits)

    @property
    def element(self) -> PeParameters:
        """The element whose sums, as parts of a tile's, are within the promise."""
        p = self.any_element
        if not self.promised or self.inner_bits >= p.exact_bits:
            return p
        room = Interval.of_bits(self.inner_bits, signed=True)
        low, high = max(p.type_range.min, room.min), min(p.type_range.max, room.max)
        return replace(p, certified=Interval(low, high))

    @property
    def elements(self) -> int:
        """How many elements make up 64 lanes."""
        return _LANES // self.element.lanes

    @property
    def tiles(self) -> int:
        """Of a row."""
        return INPUTS // (self.tile or INPUTS)

    @property
    def outer_bits(self) -> int:
        """Width of the register of a row's sum."""
        if self.promised:
            return outer_bits(self.inner_bits, self.tiles)
        return _any_weights(self.activation_bits, INPUTS)

    def stages(self, slots: int) -> MultiStageParameters:
        """The stages behind elements, shared by `slots` of them."""
        element = self.element
        inner = Stage(self.inner_bits, (self.tile or INPUTS) // element.lanes)
        outer = Stage(self.outer_bits, self.tiles)
        stages = tuple(stage for stage in (inner, outer) if stage.count != 1)
        promise = Interval.of_bits(self.inner_bits, signed=True) if self.promised else None
        ranges = (promise, None)[: len(stages)] if stages[0] is inner else ()
        return MultiStageParameters(
            term_bits=element.sum_bits,
            stages=stages,
            slots=slots,
            term_range=element.sum_range,
            ranges=ranges,
        )

    def one_stage(self, slots: int) -> MultiStageParameters:
        """A single stage that adds the sums of elements to the row's, without one for tiles between them."""
        row = Interval.of_bits(self.outer_bits, signed=True)
        return MultiStageParameters(
            term_bits=self.element.sum_bits,
            stages=(Stage(self.outer_bits, INPUTS // self.element.lanes),),
            slots=slots,
            term_range=self.element.sum_range,
            ranges=(row,) if self.promised else (),
        )

    @property
    def sharing(self) -> int:
        """How many elements keep one accumulator busy: a group takes a cycle a plane."""
        return self.activation_bits


def points() -> Iterator[Point]:
    """Every width that a promise can save, and the one that any weights need, for every tile."""
    for planes in _PLANES:
        for tile in _TILES:
            need = _any_weights(planes, tile or INPUTS)
            for bits in _WIDTHS:
                if bits < need:
                    yield Point(planes, tile, bits, promised=True)
            yield Point(planes, tile, need, promised=False)


def _any_weights(planes: int, terms: int) -> int:
    """Bits of a sum of so many products, whatever the weights."""
    p = PeParameters(max_planes=planes)
    return (p.activation_range * p.level_range).times(terms).bits


def measure_axe_area(libraries: Mapping[str, Library], report: Callable[[str], None]) -> dict[str, Any]:
    """Synthesize elements and stages of all points on each library.

    Parameters
    ----------
    libraries : mapping of str to Library
        By the name that rows carry.
    report : callable
        Told about each synthesis before it runs.

    Returns
    -------
    dict
        As JSON holds it. `parts`: what was synthesized, by library and name. `rows`: areas of 64 lanes that
        are made of them. Components: "element"; "core", an element with an accumulator of its own; "array
        element", an element with its share of an accumulator that as many elements use as keep it busy; both
        of them also with "one stage", where there are two.
        `sharing`: ways to share the stages of one point, the accumulator's area for one element.
    """
    rows: list[dict[str, Any]] = []
    sharing: list[dict[str, Any]] = []
    parts = {}
    for on, library in libraries.items():
        areas = _Areas(library, report)
        for point in points():
            rows += [{"library": on, **row} for row in _rows(point, areas)]
        sharing += [{"library": on, **row} for row in _sharing(areas)]
        parts[on] = areas.known
    return {
        "evidence": "synthesized",
        "inputs": INPUTS,
        "tools": tool_versions(),
        "parts": parts,
        "rows": rows,
        "sharing": sharing,
    }


class _Areas:
    """Areas on one library; the same hardware is synthesized once."""

    def __init__(self, library: Library, report: Callable[[str], None]):
        self.library = library
        self.cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
        self.known: dict[str, dict[str, Any]] = {}
        self._report = report

    def element(self, parameters: PeParameters) -> str:
        """Synthesize an element; its name."""
        exact = replace(parameters, adder_cells=self.cells)
        return self._find(exact.name, lambda: ProcessingElement(exact))

    def stages(self, parameters: MultiStageParameters) -> str:
        """Synthesize an accumulator; its name."""
        exact = replace(parameters, adder_cells=self.cells)
        return self._find(exact.name, lambda: MultiStageAccumulator(exact))

    def _find(self, name: str, make: Callable[[], NamedComponent]) -> str:
        if name not in self.known:
            self._report(f"{name} on {self.library.name}")
            found = synth.area(emit_verilog(make()), name, self.library)
            self.known[name] = found.model_dump(mode="json", exclude={"cells", "modules", "kind"})
        return name

    def total(self, parts: Mapping[str, float]) -> float:
        """Area of so many of each part."""
        return round(sum(float(self.known[name]["area"]) * count for name, count in parts.items()), 3)


def _rows(point: Point, areas: _Areas) -> Iterator[dict[str, Any]]:
    element = areas.element(point.element)
    lanes = {element: float(point.elements)}
    made = {"element": lanes}
    ways = {"": point.stages}
    if len(point.stages(1).stages) > 1:
        ways[", one stage"] = point.one_stage
    for suffix, way in ways.items():
        own, shared = areas.stages(way(1)), areas.stages(way(point.sharing))
        made[f"core{suffix}"] = lanes | {own: float(point.elements)}
        made[f"array element{suffix}"] = lanes | {shared: point.elements / point.sharing}
    for component, parts in made.items():
        yield {
            "activation_bits": point.activation_bits,
            "tile": point.tile,
            "inner_bits": point.inner_bits,
            "outer_bits": point.outer_bits,
            "promised": point.promised,
            "component": component,
            "area": areas.total(parts),
            "made_of": parts,
        }


def _sharing(areas: _Areas) -> Iterator[dict[str, Any]]:
    """Ways to share both stages: 8 planes, tiles of 128, 16 bits."""
    point = Point(8, 128, 16, promised=True)
    both = point.stages(1)
    inner = areas.stages(replace(both, stages=both.stages[:1], ranges=both.ranges[:1]))
    outer = MultiStageParameters(
        term_bits=point.inner_bits, stages=both.stages[1:], slots=point.sharing, term_range=both.ranges[0]
    )
    share = 1 / point.sharing
    made = {
        "both stages in every element": {areas.stages(both): 1.0},
        "inner stage in every element, outer stage shared": {inner: 1.0, areas.stages(outer): share},
        "both stages shared": {areas.stages(point.stages(point.sharing)): share},
    }
    for arrangement, parts in made.items():
        yield {
            "arrangement": arrangement,
            "elements": point.sharing,
            "area": areas.total(parts),
            "made_of": parts,
        }


def area_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and body of a table: a row a point, with the area of each component on each library."""
    libraries = list(data["parts"])
    found: dict[tuple[Any, ...], dict[tuple[str, str], float]] = {}
    for row in data["rows"]:
        key = (row["activation_bits"], row["tile"], row["inner_bits"], row["outer_bits"], row["promised"])
        found.setdefault(key, {})[row["library"], row["component"]] = row["area"]
    body = []
    for (planes, tile, inner, outer, promised), areas in found.items():
        for suffix in ("", ", one stage"):
            names = ("element", f"core{suffix}", f"array element{suffix}")
            if (libraries[0], names[1]) in areas:
                label = f"W4A{planes}, " + (f"tiles of {tile}" if tile else "no tiles") + suffix
                widths = [str(inner) if promised else f"{inner}, any weights", str(outer)]
                body.append(
                    [label, *widths, *(f"{areas[on, name]:,.0f}" for on in libraries for name in names)]
                )
    units = _units(data)
    columns = ("element", "core", "array element")
    headers = [f"{on}, {units[on]}: {column}" for on in libraries for column in columns]
    return ["", "inner bits", "outer bits", *headers], body


def sharing_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and body of a table: a row a way to share the stages, the area for one element."""
    libraries = list(data["parts"])
    found: dict[str, dict[str, float]] = {}
    for row in data["sharing"]:
        found.setdefault(row["arrangement"], {})[row["library"]] = row["area"]
    body = [[arrangement, *(f"{areas[on]:,.0f}" for on in libraries)] for arrangement, areas in found.items()]
    units = _units(data)
    return ["", *(f"{on}, {units[on]}" for on in libraries)], body


def _units(data: Mapping[str, Any]) -> dict[str, str]:
    """Of the areas on each library."""
    names = {on: next(iter(parts.values()))["library"]["area_unit"] for on, parts in data["parts"].items()}
    return {on: {"um2": "µm²"}.get(name, name) for on, name in names.items()}
