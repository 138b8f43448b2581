"""Plots of the comparison: efficiencies over FP-FP's by mantissa bits, and the steps to `compact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anda.comparison_tables import PAPER_ANDA, Rows
from anda.figures import BLUE, GREY, RED, finish, rendered

__all__ = ["plot_ablation", "plot_efficiency"]

_MEASURES = ("area", "energy")


def plot_efficiency(data: Mapping[str, Any]) -> dict[str, bytes]:
    """Area and energy efficiency over FP-FP's, the paper's and ours, a column of panels a library.

    Parameters
    ----------
    data : mapping
        Of `docs/data/comparison.json`.

    Returns
    -------
    dict
        The SVG and the PNG by file name.
    """
    rows = Rows(data)
    libraries = rows.real or rows.libraries
    figure = Figure(figsize=(3.6 * len(libraries), 5.6), layout="constrained")
    panels = figure.subplots(2, len(libraries), squeeze=False, sharex=True)
    for line, measure in zip(panels, _MEASURES, strict=True):
        for panel, on in zip(line, libraries, strict=True):
            _efficiency(panel, rows, on, measure)
            finish(panel, title=on if measure == "area" else "", x="M" if measure == "energy" else "")
        line[0].set_ylabel(f"{measure} efficiency over FP-FP")
    panels[0][0].legend(frameon=False, fontsize="small")
    return rendered(figure, "comparison")


def _efficiency(panel: Axes, rows: Rows, on: str, measure: str) -> None:
    bits = sorted(PAPER_ANDA)
    panel.plot(bits, [PAPER_ANDA[m][_MEASURES.index(measure)] for m in bits], "--", color=GREY, label="paper")
    curves = (("published", "own", RED, "o-"), ("compact", "shared", BLUE, "s-"))
    for preset, accounting, colour, style in curves:
        base = rows.cost(rows.get(on, "fp-fp", accounting), measure)
        costs = {m: rows.cost(rows.anda(on, preset, accounting, m), measure) for m in bits}
        points = {m: base / cost for m, cost in costs.items() if base is not None and cost is not None}
        label = f"{preset}, registers {accounting}"
        panel.plot(list(points), list(points.values()), style, color=colour, label=label)
    panel.set_ylim(bottom=0)


def plot_ablation(data: Mapping[str, Any]) -> dict[str, bytes]:
    """Area of a multiply-accumulate a cycle after each step from `published`, which is 1, to `compact`.

    Parameters
    ----------
    data : mapping
        Of `docs/data/comparison.json`.

    Returns
    -------
    dict
        The SVG and the PNG by file name.
    """
    rows = Rows(data)
    labels = ["published", "two's\ncomplement", "heap", "exact\nsums", "shared\nregisters", "compact"]
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    panel = figure.subplots()
    width = 0.8 / len(rows.libraries)
    for index, on in enumerate(rows.libraries):
        costs = rows.steps(on)
        first = costs[0]
        heights = [0.0 if first is None or cost is None else cost / first for cost in costs]
        places = [place + (index - (len(rows.libraries) - 1) / 2) * width for place in range(len(costs))]
        panel.bar(places, heights, width, label=on)
    panel.set_xticks(range(len(labels)), labels)
    panel.legend(frameon=False, fontsize="small")
    finish(panel, title="equal accuracy, 6 bits", x="", y="area a MAC/cycle over published")
    return rendered(figure, "comparison-ablation")
