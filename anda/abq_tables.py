"""Tables and plot of binary hardware, from what its scripts measured (docs/abq.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from anda.abq_area import KINDS, read_rows
from anda.figures import BLUE, GREY, RED, finish, rendered

__all__ = ["ABQ_TABLES", "plot_abq_area"]

_LIBRARY = "generic"
_COLOURS = {"serial": BLUE, "weights parallel": "#7a9e5f", "parallel": RED, "unit": GREY}


def area_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """For every pair of widths cycles and area of each kind of element, the least area in bold."""
    rows = read_rows(data, _LIBRARY)
    pairs = dict.fromkeys((w, a) for _, w, a in rows)
    body = []
    for w, a in pairs:
        found = {kind: rows[kind, w, a] for kind in KINDS}
        least = min(row.area_per_mac for row in found.values())
        cells = [f"W{w}A{a}", str(found["unit"].accumulator_bits)]
        for row in found.values():
            area = f"{row.area_per_mac:,.1f}"
            cells += [str(row.cycles), f"**{area}**" if row.area_per_mac == least else area]
        body.append([*cells, f"{least / found['unit'].area_per_mac:.2f}"])
    headers = ["", "accumulator bits"]
    for kind, (lanes, _, _) in KINDS.items():
        headers += [f"{kind}, {lanes} lanes: cycles" if lanes > 1 else f"{kind}: cycles", "area"]
    return [*headers, "least over unit"], body


def part_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """What else there is, and peers."""
    libraries = data["libraries"]
    names = next(iter(data["parts"].values()))
    body = [[name, *(f"{data['parts'][on][name]:,.1f}" for on in libraries)] for name in names]
    return ["", *(f"{on}, {library['area_unit']}" for on, library in libraries.items())], body


def projection_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A real projection at each rate."""
    body = [
        [
            run["rate"],
            f"{run['rows']} x {run['columns']} x {run['lanes']}",
            f"{run['outputs']:,}",
            f"{run['cycles']:,}",
            f"{run['macs_per_cycle']:,.1f}",
            f"{run['peak_macs']:,.1f}",
            f"{run['utilization']:.1%}",
        ]
        for run in data["runs"]
    ]
    headers = ["rate", "array", "results, all equal", "cycles", "MAC a cycle", "peak", "busy"]
    return headers, body


#: For each table the data file it is written from, and the function that gives its rows.
ABQ_TABLES: dict[str, tuple[str, Callable[[Mapping[str, Any]], tuple[list[str], list[list[str]]]]]] = {
    "abq-area": ("abq_area", area_rows),
    "abq-parts": ("abq_area", part_rows),
    "abq-projection": ("abq_projection", projection_rows),
}


def plot_abq_area(data: Mapping[str, Any], path: Path) -> None:
    """Area for one multiply-accumulate a cycle over the number of binary products in it.

    Parameters
    ----------
    data : mapping
        Of docs/data/abq_area.json.
    path : Path
        The SVG file to write.
    """
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    panel = figure.subplots()
    for kind, colour in _COLOURS.items():
        rows = [row for (k, _, _), row in read_rows(data, _LIBRARY).items() if k == kind]
        products = [row.weight_bits * row.activation_bits for row in rows]
        panel.plot(products, [row.area_per_mac for row in rows], "o", color=colour, ms=4, label=kind)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.legend(frameon=False, fontsize="small")
    finish(
        panel,
        title="area for one multiply-accumulate a cycle, generic library",
        x="bits of weight times bits of activation",
        y="NAND2",
    )
    path.write_bytes(rendered(figure, path.stem)[path.name])
