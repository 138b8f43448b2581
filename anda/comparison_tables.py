"""Tables of the comparison, from `docs/data/comparison.json` (layout: `anda.comparison`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise, product
from typing import Any

__all__ = [
    "COMPARISON_TABLES",
    "PAPER_ANDA",
    "PAPER_PEERS",
    "STEPS",
    "Rows",
    "ablation_rows",
    "accumulator_rows",
    "bound_rows",
    "converter_rows",
    "element_rows",
    "energy_rows",
    "format_rows",
    "pairs_rows",
    "planes_rows",
    "ratio_rows",
    "target_rows",
]

Table = tuple[list[str], list[list[str]]]
Data = Mapping[str, Any]
Row = Mapping[str, Any]

PAPER_PEERS: dict[str, tuple[str, float, float]] = {
    "fp-fp": ("FP-FP", 1.00, 1.00),
    "fp-int": ("FP-INT", 1.59, 1.93),
    "ifpu": ("iFPU", 3.78, 3.51),
    "figna": ("FIGNA", 5.58, 5.87),
    "figna-m11": ("FIGNA-M11", 6.55, 8.03),
    "figna-m8": ("FIGNA-M8", 8.09, 10.49),
}
"""Label, and area and energy efficiency over FP-FP's, Anda (HPCA 2025), figure 15."""

PAPER_ANDA: dict[int, tuple[float, float]] = {
    13: (4.96, 5.74),
    12: (5.34, 6.18),
    11: (5.79, 6.69),
    10: (6.31, 7.30),
    9: (6.95, 8.03),
    8: (7.72, 8.93),
    7: (8.68, 10.04),
    6: (9.92, 11.48),
    5: (11.58, 13.39),
    4: (13.89, 16.07),
}
"""The same for Anda, by mantissa bits."""

STEPS = (
    ("`published`", "published", "own"),
    ("two's complement, rounded to nearest: no sign plane", "twos-complement", "own"),
    ("one bit heap instead of adder trees", "heap", "own"),
    ("exact sums of 20 bits instead of 27, up to 10 planes", "exact-width", "own"),
    ("weight registers shared by 16 rows", "exact-width", "shared"),
    ("accumulator shared by 4 elements: `compact`", "compact", "shared"),
)
"""Label, element and accounting after each change."""

_DENSE = "compact-pairs-2x3"
_TARGETS = (
    ("`compact` over `published`, each as designed", "compact", "shared", "published", "own"),
    ("`compact` over `published`, registers shared in both", "compact", "shared", "published", "shared"),
    ("`compact` over `published`, own registers in both", "compact", "own", "published", "own"),
    ("`compact` over FP-FP, each as designed", "compact", "shared", "fp-fp", "own"),
    ("`compact` over FP-FP, registers shared in both", "compact", "shared", "fp-fp", "shared"),
    ("`compact` over FP-FP, own registers in both", "compact", "own", "fp-fp", "own"),
    ("`compact` over FP-FP-dot, registers shared in both", "compact", "shared", "fp-fp-dot", "shared"),
    ("`compact` over FIGNA, registers shared in both", "compact", "shared", "figna", "shared"),
    ("`compact` over FIGNA with accumulators shared by 4", "compact", "shared", "figna-x4", "shared"),
    ("`compact` over FIGNA with accumulators shared by 16", "compact", "shared", "figna-x16", "shared"),
    ("`compact` over FIGNA-M8 with accumulators shared by 4", "compact", "shared", "figna-m8-x4", "shared"),
    ("`compact` over FIGNA-M8 with accumulators shared by 16", "compact", "shared", "figna-m8-x16", "shared"),
    ("`dense` over `published`, each as designed", _DENSE, "shared", "published", "own"),
    ("`dense` over FP-FP, each as designed", _DENSE, "shared", "fp-fp", "own"),
    ("`dense` over FP-FP, registers shared in both", _DENSE, "shared", "fp-fp", "shared"),
    ("`dense` over FP-FP-dot, registers shared in both", _DENSE, "shared", "fp-fp-dot", "shared"),
    ("`dense` over FIGNA with accumulators shared by 16", _DENSE, "shared", "figna-x16", "shared"),
    ("`dense` over FIGNA-M8 with accumulators shared by 16", _DENSE, "shared", "figna-m8-x16", "shared"),
    ("`dense` over a bit-parallel element of 6 bits", _DENSE, "shared", "bfp6", "shared"),
)
"""Label, ours with its accounting, the other one with its."""

_MISSING = "-"
_LONG = 10
_UNITS = {"um2": "µm²"}


class Rows:
    """Rows of the data file by what a table looks for."""

    def __init__(self, data: Data) -> None:
        self.libraries = list(data["libraries"])
        self.real = [on for on in self.libraries if data["libraries"][on]["clock_mhz"] is not None]
        self.units = {
            on: _UNITS.get(found["area_unit"], found["area_unit"]) for on, found in data["libraries"].items()
        }
        self._rows = {
            (row["library"], row["name"], row["accounting"], row["planes"]): row for row in data["rows"]
        }

    def get(self, on: str, name: str, accounting: str, planes: int = 0) -> Row | None:
        """One row, or None when it was not measured."""
        return self._rows.get((on, name, accounting, planes))

    def anda(self, on: str, preset: str, accounting: str, mantissa_bits: int) -> Row | None:
        """A preset at the accuracy of so many mantissa bits; `compact` is built larger above ten planes."""
        if preset == "published":
            return self.get(on, preset, accounting, mantissa_bits + 1)
        name = "compact" if mantissa_bits <= _LONG else "compact-13"
        return self.get(on, name, accounting, mantissa_bits)

    @staticmethod
    def cost(row: Row | None, measure: str) -> float | None:
        """Area, or energy at the common clock, of a multiply-accumulate a cycle; None where not measured."""
        if row is None:
            return None
        if measure == "area":
            return float(row["area_per_mac"])
        return float(row["energy"]["total_fj"]) if row["energy"] else None

    def steps(self, on: str, mantissa_bits: int = 6) -> list[float | None]:
        """Area of a MAC a cycle, from `published` to `compact`, one change at a time."""
        found = []
        for _, name, accounting in STEPS:
            planes = mantissa_bits + (name == "published")
            found.append(self.cost(self.get(on, name, accounting, planes), "area"))
        return found


def _quotient(over: float | None, under: float | None, digits: int = 2) -> str:
    return _MISSING if over is None or under is None else f"{over / under:.{digits}f}"


def ratio_rows(data: Data, *, measure: str, accounting: str) -> Table:
    """Efficiency over FP-FP's: the paper's, and both presets' and the peers' here, library by library."""
    rows, index = Rows(data), 0 if measure == "area" else 1
    base = {on: rows.cost(rows.get(on, "fp-fp", accounting), measure) for on in rows.real}
    body = []
    for name, (label, *ratios) in PAPER_PEERS.items():
        cells = [label, f"{ratios[index]:.2f}"]
        for on in rows.real:
            cells += [_quotient(base[on], rows.cost(rows.get(on, name, accounting), measure)), "", ""]
        body.append(cells)
    for bits, paper in PAPER_ANDA.items():
        cells = [f"Anda, M = {bits}", f"{paper[index]:.2f}"]
        for on in rows.real:
            theirs, ours = (
                rows.cost(rows.anda(on, name, accounting, bits), measure) for name in ("published", "compact")
            )
            cells += [_quotient(base[on], theirs), _quotient(base[on], ours), _quotient(theirs, ours)]
        body.append(cells)
    headers = [f"{on}: {what}" for on in rows.real for what in ("peer or `published`", "`compact`", "gain")]
    return ["", "paper", *headers], body


def ablation_rows(data: Data, *, mantissa_bits: int = 6) -> Table:
    """From `published` to `compact`: area of a MAC a cycle at equal accuracy, and the factor of each step."""
    rows = Rows(data)
    body: list[list[str]] = [[label] for label, _, _ in STEPS]
    total = ["all together"]
    for on in rows.libraries:
        costs = rows.steps(on, mantissa_bits)
        factors = ["", *(_quotient(before, cost) for before, cost in pairwise(costs))]
        for cells, cost, factor in zip(body, costs, factors, strict=True):
            cells += [_number(cost), factor]
        total += ["", f"**{_quotient(costs[0], costs[-1])}**"]
    headers = [text for on in rows.libraries for text in (f"{on}, {rows.units[on]} per MAC/cycle", "factor")]
    return ["", *headers], [*body, total]


def target_rows(data: Data, *, measure: str = "area", mantissa_bits: int = 6) -> Table:
    """Ours over `published`, FP-FP and FIGNA, by how weight registers are counted."""
    rows = Rows(data)
    libraries = rows.libraries if measure == "area" else rows.real
    body = []
    for label, name, ours, other, theirs in _TARGETS:
        cells = [label]
        for on in libraries:
            planes = mantissa_bits + 1 if other == "published" else 0
            under = rows.cost(rows.get(on, name, ours, mantissa_bits), measure)
            cells.append(_quotient(rows.cost(rows.get(on, other, theirs, planes), measure), under))
        body.append(cells)
    return [f"{measure} efficiency", *libraries], body


def energy_rows(data: Data, *, mantissa_bits: int = 6) -> Table:
    """What a multiply-accumulate costs: all of it, the clock's part, and with glitches of unit delays."""
    rows = Rows(data)
    kinds = (("fp-fp", 0), ("figna", 0), ("published", mantissa_bits + 1), ("compact", mantissa_bits))
    body = []
    for name, planes in kinds:
        for accounting in ("own", "shared"):
            cells = [f"`{name}`, {accounting} registers"]
            for on in rows.real:
                row = rows.get(on, name, accounting, planes)
                energy = (row or {}).get("energy") or {}
                cells += [_number(energy.get(key)) for key in ("total_fj", "clock_fj", "glitch_fj")]
            body.append(cells)
    columns = ("fJ/MAC", "clock", "with glitches")
    return ["", *(f"{on}: {column}" for on in rows.real for column in columns)], body


def planes_rows(data: Data) -> Table:
    """Planes per cycle."""
    rows = Rows(data)
    body = []
    kinds = (
        ("1", "4", "compact"),
        ("1", "6", "compact-1x6"),
        ("2", "3", "compact-2x3"),
        ("4", "2", "compact-4x2"),
    )
    for count, slots, name in kinds:
        for planes in (6, 8):
            cells = [count, slots, str(planes)]
            for on in rows.libraries:
                row, base = rows.get(on, name, "shared", planes), rows.get(on, "fp-fp", "shared")
                cost = rows.cost(row, "area")
                cells += [_number(cost), _path(row), _quotient(rows.cost(base, "area"), cost)]
            body.append(cells)
    headers = [
        text
        for on in rows.libraries
        for text in (f"{on}, {rows.units[on]} per MAC/cycle", "longest path", "over FP-FP")
    ]
    return ["planes a cycle", "elements an accumulator", "planes of a group", *headers], body


def pairs_rows(data: Data) -> Table:
    """Elements that take products of pairs beside those that take products of lanes."""
    rows = Rows(data)
    body = []
    kinds = (("1", "4", "compact"), ("1", "6", "compact-1x6"), ("2", "3", "compact-2x3"))
    for on, (count, slots, lanes), planes in product(rows.libraries, kinds, (6, 8)):
        before = rows.get(on, lanes, "shared", planes)
        after = rows.get(on, f"compact-pairs-{count}x{slots}", "shared", planes)
        cells = [on, count, slots, str(planes)]
        for measure in ("area", "energy"):
            base = rows.cost(rows.get(on, "fp-fp", "shared"), measure)
            old, new = rows.cost(before, measure), rows.cost(after, measure)
            cells += [_number(old), _number(new), _quotient(old, new), _quotient(base, new)]
        body.append([*cells, _path(before), _path(after)])
    units = ", ".join(f"{rows.units[on]} on {on}" for on in rows.libraries)
    headers = ["", "planes a cycle", "elements an accumulator", "planes of a group"]
    headers += [f"area per MAC/cycle ({units}): lanes", "pairs", "gain", "over FP-FP"]
    headers += ["fJ/MAC: lanes", "pairs", "gain", "over FP-FP", "longest path: lanes", "pairs"]
    return headers, body


def accumulator_rows(data: Data) -> Table:
    """What one element has of its accumulator."""
    rows = Rows(data)
    titles = {row["name"]: row["title"] for row in data["rows"] if row["kind"] == "accumulator"}
    body = []
    for name, title in titles.items():
        found = {on: rows.get(on, name, "shared", 6) for on in rows.libraries}
        areas = [_number(None if row is None else row["area"]) for row in found.values()]
        body.append([title, *areas])
    return ["", *(f"{on}, {rows.units[on]} an element" for on in rows.libraries)], body


def bound_rows(data: Data, *, accounting: str = "shared") -> Table:
    """Bit-parallel elements of every width beside `compact` with as many planes."""
    rows = Rows(data)
    body = []
    for bits in range(4, 15):
        cells = [str(bits)]
        for on in rows.libraries:
            parallel = rows.cost(rows.get(on, f"bfp{bits}", accounting), "area")
            serial = rows.cost(rows.anda(on, "compact", accounting, bits), "area")
            cells += [_number(parallel), _number(serial), _quotient(serial, parallel)]
        body.append(cells)
    headers = [
        text
        for on in rows.libraries
        for text in (f"{on}, {rows.units[on]} per MAC/cycle: bit-parallel", "`compact`", "ratio")
    ]
    return ["bits", *headers], body


def converter_rows(data: Data) -> Table:
    """Converters, and their part of an array of 16 x 16 elements."""
    rows = Rows(data)
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in data["converters"]:
        found.setdefault((row["title"], row["converter"]), {})[row["library"]] = row
    body = []
    for (title, converter), by_library in found.items():
        cells = [title, converter]
        for on in rows.libraries:
            own = by_library.get(on)
            cells += [_number(own["area"]), f"{own['share_of_array']:.1%}"] if own else [_MISSING, _MISSING]
        body.append(cells)
    headers = [text for on in rows.libraries for text in (f"{on}, {rows.units[on]}", "of the array")]
    return ["", "converter", *headers], body


_ANDA_BITS = (4, 6, 8, 10)


def element_rows(data: Data, *, on: str) -> Table:
    """Every element on one library, with the command that measures it again."""
    rows = Rows(data)
    if on not in rows.libraries:
        return ["", "measured"], []
    wanted: list[tuple[str, int]] = [
        (preset, bits + (preset == "published")) for preset in ("published", "compact") for bits in _ANDA_BITS
    ]
    wanted += [(row["name"], 0) for row in data["rows"] if row["kind"] == "peer" and row["library"] == on]
    body = []
    for name, planes in dict.fromkeys(wanted):
        shared, own = (rows.get(on, name, accounting, planes) for accounting in ("shared", "own"))
        if shared is None or own is None:
            continue
        label = shared["title"] + (f", M = {shared['mantissa_bits']}" if planes else "")
        rate = f"{shared['macs_per_cycle']:.4g}"
        cells = [label, rate]
        for row in (shared, own):
            cells += [_number(row["area_per_mac"]), _number(rows.cost(row, "energy"))]
        body.append([*cells, _path(shared), _clock(shared), f"`{shared['command']}`"])
    unit = rows.units[on]
    columns = [f"registers shared: {unit} per MAC/cycle", "fJ/MAC"]
    columns += [f"own registers: {unit} per MAC/cycle", "fJ/MAC"]
    return ["", "MAC/cycle", *columns, "longest path", "common clock", "again"], body


def format_rows(data: Data, *, planes: int = 6) -> Table:
    """Formats of weights: element with its share of registers and decoders (from `docs/data/mac.json`)."""
    libraries = list(data["libraries"])
    found = {(row["on"], row["format"]): row for row in data["rows"]}
    base = {on: found[on, "int4"]["element_total"] for on in libraries}
    body = []
    for name in ("int4", "e2m1", "nf4-int5", "sf4-int5", "anda4"):
        row = found[libraries[0], name]
        cells = [f"`{name}`", f"{row['sqnr_db']:.2f}", str(row["level_bits"])]
        for on in libraries:
            area = found[on, name]["element_total"]
            cells += [_number(area * planes / 64), f"{area / base[on]:.2f}"]
        body.append(cells)
    units = {on: _UNITS.get(lib["area_unit"], lib["area_unit"]) for on, lib in data["libraries"].items()}
    headers = [text for on in libraries for text in (f"{on}, {units[on]} per MAC/cycle", "over int4")]
    return ["", "SQNR, dB", "level bits", *headers], body


def _number(value: float | None) -> str:
    """Four digits or all before the point."""
    if value is None:
        return _MISSING
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _path(row: Row | None) -> str:
    if row is None:
        return _MISSING
    return f"{row['delay']:,.4g} {row['delay_unit']}" + (f", {row['mhz']:.0f} MHz" if row["mhz"] else "")


def _clock(row: Row) -> str:
    return {None: _MISSING, True: "met", False: "not met"}[row["meets_clock"]]


#: For each table the data file it is written from, and its rows.
COMPARISON_TABLES: Mapping[str, tuple[str, Callable[[Data], Table]]] = {
    **{
        f"comparison-{measure}-{accounting}": (
            "comparison",
            partial(ratio_rows, measure=measure, accounting=accounting),
        )
        for measure in ("area", "energy")
        for accounting in ("own", "shared")
    },
    **{
        f"comparison-elements-{on}": ("comparison", partial(element_rows, on=on))
        for on in ("generic", "sky130", "ASAP7", "SG13G2")
    },
    "comparison-energies": ("comparison", energy_rows),
    "comparison-targets": ("comparison", target_rows),
    "comparison-targets-energy": ("comparison", partial(target_rows, measure="energy")),
    "comparison-ablation": ("comparison", ablation_rows),
    "comparison-planes": ("comparison", planes_rows),
    "comparison-pairs": ("comparison", pairs_rows),
    "comparison-accumulators": ("comparison", accumulator_rows),
    "comparison-bound": ("comparison", bound_rows),
    "comparison-converters": ("comparison", converter_rows),
    "comparison-formats": ("mac", format_rows),
}
