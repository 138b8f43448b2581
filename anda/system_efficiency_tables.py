"""The tables and the plot of docs/system_efficiency.md, from docs/data/system.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from anda.figures import BLUE, GREY, RED, finish
from anda.system_efficiency import AREA_MODELS, ENERGY_MODELS, SUBJECTS, geometric

__all__ = ["EFFICIENCY_TABLES", "PAPER", "plot_efficiency"]

Data = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
Point = tuple[str, str | None]

PAPER: Mapping[Point, tuple[str, str, str]] = {
    ("FP-FP", None): ("1.00", "1.00", "1.00"),
    ("FP-INT", None): ("1.00", "1.23", "1.25"),
    ("iFPU", None): ("1.00", "1.60", "1.42"),
    ("FIGNA", None): ("1.00", "1.72", "1.53"),
    ("FIGNA-M11", None): ("1.45", "2.55", "1.69"),
    ("FIGNA-M8", None): ("2.00", "3.60", "1.94"),
    ("published", "0.1%"): ("2.14", "3.47", "3.07"),
    ("published", "1%"): ("2.49", "4.03", "3.16"),
}
"""Speed, area efficiency and energy efficiency over FP-FP: Anda, HPCA 2025, figure 16, geometric means."""

PAPER_PARTS: Mapping[Point, tuple[int, int, int]] = {
    ("FP-FP", None): (42, 11, 48),
    ("FP-INT", None): (22, 11, 48),
    ("iFPU", None): (12, 11, 48),
    ("FIGNA", None): (7, 11, 48),
    ("FIGNA-M11", None): (5, 11, 48),
    ("FIGNA-M8", None): (4, 11, 48),
    ("published", "0.1%"): (5, 5, 24),
    ("published", "1%"): (4, 5, 24),
}
"""Arithmetic, SRAM and DRAM in percent of FP-FP's energy on LLaMA-13B: figure 17."""

_POINTS: list[Point] = [(s.name, t) for s in SUBJECTS for t in s.tolerances]
_FRONT = [point for point in _POINTS if point[1] is not None]
_SPLIT = "published split"
_SHARE = AREA_MODELS[0].name
#: The model whose energy is taken apart.
_SHOWN = "LLaMA-13B"


def _means(accounting: str, data: Data) -> Table:
    """Geometric means over the models on each library, beside the paper's."""
    libraries = list(dict.fromkeys(row["library"] for row in data["rows"]))
    headers = ["over FP-FP", "speed", "paper: speed", "paper: area", "paper: energy"]
    headers += [f"{on}: {what}" for on in libraries for what in ("area", "energy")]
    body = []
    for point in _POINTS:
        found = [_mean(data, on, accounting, point) for on in libraries]
        if not any(found):
            continue
        speed = next(each for each in found if each)[0]
        cells = [_named(point), f"{speed:.2f}", *PAPER.get(point, ("", "", ""))]
        for each in found:
            cells += ["-", "-"] if each is None else [f"{each[1]:.2f}", _two(each[2])]
        body.append(cells)
    return headers, body


def _models(data: Data) -> Table:
    """Model by model on the library with energies that comes first, both presets at both tolerances."""
    on = _energetic(data)
    headers = [on, *(f"{_named(point)}: {what}" for point in _FRONT for what in ("speed", "area", "energy"))]
    body = []
    for model in dict.fromkeys(row["model"] for row in data["rows"]):
        cells = [model]
        for point in _FRONT:
            row = next((r for r in _rows(data, on, "shared", point) if r["model"] == model), None)
            cells += (
                ["-"] * 3
                if row is None
                else [f"{row['speed']:.2f}", f"{row['area'][_SHARE]:.2f}", _two(row["energy"][_SPLIT])]
            )
        body.append(cells)
    return headers, body


def _assumptions(data: Data) -> Table:
    """Geometric means at 1 % under each model of area and of energy."""
    kinds = [("area", each.name) for each in AREA_MODELS]
    kinds += [("energy", name) for name in (_SPLIT, *(each.name for each in ENERGY_MODELS))]
    headers = ["at 1 %, over FP-FP", "weight registers", *(f"{what}: {name}" for what, name in kinds)]
    body = []
    for on in dict.fromkeys(row["library"] for row in data["rows"]):
        for system in ("FIGNA", "published", "compact"):
            point = (system, None if system == "FIGNA" else "1%")
            for accounting in ("own", "shared"):
                rows = _rows(data, on, accounting, point)
                if rows:
                    means = [_geometric([row[what][name] for row in rows]) for what, name in kinds]
                    body.append([f"{on}, {_named((system, None))}", accounting, *map(_two, means)])
    return headers, body


def _split(data: Data) -> Table:
    """Where the energy of one model goes, in percent of FP-FP's, beside the paper's figure."""
    on = _energetic(data)
    headers = [f"{_SHOWN}, {on}"]
    headers += [f"{who}{part}" for who in ("", "paper: ") for part in ("arithmetic", "SRAM", "DRAM")]
    body = []
    for point in _POINTS:
        row = next((r for r in _rows(data, on, "shared", point) if r["model"] == _SHOWN), None)
        if row is None or row["parts"] is None:
            continue
        paper = PAPER_PARTS.get(point, ("", "", ""))
        body.append([_named(point), *(f"{100 * part:.1f}" for part in row["parts"]), *map(str, paper)])
    return headers, body


def _stated(data: Data) -> Table:
    """What memories are taken to cost."""
    told = data["assumptions"]
    headers = ["name", "figures", "source"]
    body = []
    for each in told["areas"]:
        figures = (
            f"{each['of_array']:.3f} of the FP-FP array"
            if each["of_array"]
            else ", ".join(f"{on}: {value:.2f} µm² a bit" for on, value in each["um2_per_bit"].items())
        )
        body.append([f"area: {each['name']}", figures, each["source"]])
    for each in told["energies"]:
        unit = "pJ" if each["mac_pj"] != 1 else "FP-FP multiply-accumulates"
        figures = (
            f"{each['mac_pj']:.2f} a multiply-accumulate of FP-FP, {each['sram_pj_per_byte']:.3g} a byte of "
            f"SRAM, {each['dram_pj_per_byte']:.3g} a byte of DRAM ({unit})"
        )
        body.append([f"energy: {each['name']}", figures, each["source"]])
    return headers, body


EFFICIENCY_TABLES: dict[str, Callable[[Data], Table]] = {
    "system-efficiency": lambda data: _means("shared", data),
    "system-efficiency-own": lambda data: _means("own", data),
    "system-efficiency-models": _models,
    "system-efficiency-split": _split,
    "system-efficiency-assumptions": _assumptions,
    "system-efficiency-stated": _stated,
}
"""For each table what makes its headers and rows of the data."""


def plot_efficiency(data: Data) -> Figure:
    """Speed, area and energy efficiency of each system: the paper's, and ours on every library."""
    libraries = list(dict.fromkeys(row["library"] for row in data["rows"]))
    colours = (RED, BLUE, "#7a9e5f", "#c9a227")
    points = [point for point in _POINTS if any(_rows(data, on, "shared", point) for on in libraries)]
    figure = Figure(figsize=(11.6, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, at, title in zip(panels, (1, 2), ("area efficiency", "energy efficiency"), strict=True):
        width = 0.8 / (1 + len(libraries))
        for place, on in enumerate((None, *libraries)):
            found = [_claimed(point) if on is None else _mean(data, on, "shared", point) for point in points]
            xs = [x + (place - len(libraries) / 2) * width for x in range(len(points))]
            panel.bar(
                xs,
                [(each and each[at]) or 0.0 for each in found],
                width,
                color=GREY if on is None else colours[(place - 1) % len(colours)],
                label=on or "the paper",
            )
        panel.set_xticks(range(len(points)), [_named(p).replace(", ", "\n").replace("`", "") for p in points])
        panel.tick_params(axis="x", labelrotation=60, labelsize="small")
        finish(panel, title=f"{title} over FP-FP, geometric mean", x="")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


def _claimed(point: Point) -> Sequence[float] | None:
    return [float(each) for each in PAPER[point]] if point in PAPER else None


def _rows(data: Data, on: str, accounting: str, point: Point) -> list[Data]:
    wanted = {"library": on, "accounting": accounting, "system": point[0], "tolerance": point[1]}
    return [row for row in data["rows"] if all(row[key] == value for key, value in wanted.items())]


def _mean(data: Data, on: str, accounting: str, point: Point) -> tuple[float, float, float | None] | None:
    """Speed, area and energy by the published shares; None where the comparison lacks the element."""
    rows = _rows(data, on, accounting, point)
    if not rows:
        return None
    return (
        geometric([row["speed"] for row in rows]),
        geometric([row["area"][_SHARE] for row in rows]),
        _geometric([row["energy"][_SPLIT] for row in rows]),
    )


def _energetic(data: Data) -> str:
    """The first library on which energies are known, or else the first one."""
    known = [row["library"] for row in data["rows"] if row["parts"] and row["system"] == "published"]
    return str(next(iter(known), data["rows"][0]["library"]))


def _geometric(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return geometric(known) if values and len(known) == len(values) else None


def _named(point: Point) -> str:
    system, tolerance = point
    name = f"`{system}`" if system in ("published", "compact") else system
    return name if tolerance is None else f"{name}, {tolerance.replace('%', ' %')}"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
