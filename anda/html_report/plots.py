"""Plots of the recorded data as SVG inside the page."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from anda import comparison_plot
from anda.abq_language_plot import plot_abq
from anda.abq_tables import plot_abq_area
from anda.accuracy import AccuracyRow
from anda.axe_plot import plot_methods
from anda.figures import rendered
from anda.language_plots import plot_planes, plot_weights
from anda.mac_plot import plot_mac
from anda.report import plot_accuracy
from anda.search_plots import plot_found, plot_layers, plot_searches
from anda.system_efficiency_tables import plot_efficiency

__all__ = ["PLOTS", "Plot", "embedded"]

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Plot:
    """A plot of one data file.

    Attributes
    ----------
    source : str
        The data file.
    draw : callable
        From its contents to SVG.
    caption : str
    alt : str
        What can be seen, for those who cannot.
    """

    source: str
    draw: Callable[[Data], str]
    caption: str
    alt: str


def embedded(svg: str, name: str, alt: str) -> str:
    """An SVG file as an element: ids of its own, a description, and nothing that only files need."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    described = f'<svg class="plot" role="img" aria-labelledby="{name}-title"'
    svg = svg.replace("<svg", described, 1)
    head, _, rest = svg.partition(">")
    return f'{head}><title id="{name}-title">{escape(alt)}</title>{rest.strip()}'


def _figure(draw: Callable[[Data], Figure]) -> Callable[[Data], str]:
    return lambda data: rendered(draw(data), "plot")["plot.svg"].decode()


def _file(draw: Callable[[Data, Path], object]) -> Callable[[Data], str]:
    def drawn(data: Data) -> str:
        with tempfile.TemporaryDirectory(prefix="anda-") as directory:
            path = Path(directory) / "plot.svg"
            draw(data, path)
            return path.read_text()

    return drawn


def _svg(draw: Callable[[Data], Mapping[str, bytes]]) -> Callable[[Data], str]:
    def drawn(data: Data) -> str:
        return next(content for name, content in draw(data).items() if name.endswith(".svg")).decode()

    return drawn


def _accuracy(data: Data, path: Path) -> None:
    plot_accuracy([_row(row) for row in data["rows"]], path.with_suffix(""))


def _row(row: Data) -> AccuracyRow:
    names = ("projection", "length", "published_db", "compact_db", "difference_db")
    return AccuracyRow(**{name: row[name] for name in names})


PLOTS: Mapping[str, Plot] = {
    "plot-accuracy": Plot(
        "accuracy",
        _file(_accuracy),
        "Signal to noise of activations over planes per group",
        "Four panels, one for each projection: at equal numbers of planes two's complement rounded to "
        "nearest lies above sign-magnitude cut off.",
    ),
    "plot-planes": Plot(
        "language",
        _figure(plot_planes),
        "Divergence of a language model over planes per group",
        "Divergence falls as groups get more planes; the two encodings and two texts are lines.",
    ),
    "plot-weights": Plot(
        "language",
        _figure(plot_weights),
        "Divergence of a language model with weights in each format",
        "A row for each format and a point for each size of blocks: divergence to the right.",
    ),
    "plot-search": Plot(
        "search",
        _figure(plot_found),
        "What the searches find: saving and divergence",
        "Points of the found precisions, published search and ours.",
    ),
    "plot-search-trace": Plot(
        "search",
        _figure(plot_searches),
        "The course of the searches",
        "Each search's visits in order, with what passed and what failed.",
    ),
    "plot-search-layers": Plot(
        "search",
        _figure(plot_layers),
        "Lengths that single layers get",
        "A grid of mantissa lengths for each layer and kind of projection.",
    ),
    "plot-comparison": Plot(
        "comparison",
        _svg(comparison_plot.plot_efficiency),
        "Area and energy efficiency of elements over FP-FP",
        "Six panels, a column for each library, over the mantissa bits M: area efficiency above, energy "
        "efficiency below. Dashed the paper's Anda; published with its own registers is far below it, "
        "compact with shared ones about as high in area and higher in energy.",
    ),
    "plot-ablation": Plot(
        "comparison",
        _svg(comparison_plot.plot_ablation),
        "From published to compact, one change at a time",
        "Area of a multiply-accumulate a cycle over that of published, after each change: groups of bars, "
        "one for each library, falling from 1 to about a fifth.",
    ),
    "plot-system": Plot(
        "system",
        _figure(plot_efficiency),
        "Area and energy efficiency of whole systems over FP-FP, geometric mean of nine models",
        "Groups of bars, one for each system: the paper's figure beside those of each library.",
    ),
    "plot-mac": Plot(
        "mac",
        _file(plot_mac),
        "Accuracy over area of multiply-accumulate units, by format",
        "Points for number formats: area to the right, signal to noise upwards, the front marked.",
    ),
    "plot-axe": Plot(
        "axe",
        _file(plot_methods),
        "Error over the width of the inner register, by method",
        "Lines for methods: the held-out error falls as the register gets wider.",
    ),
    "plot-abq": Plot(
        "abq_language",
        _figure(plot_abq),
        "Divergence of a language model with binary products, by method",
        "Markers for methods over pairs of widths, from few bits to many.",
    ),
    "plot-abq-area": Plot(
        "abq_area",
        _file(plot_abq_area),
        "Area of binary elements for one multiply-accumulate a cycle",
        "Points for elements: bits of weight times bits of activation to the right, area upwards.",
    ),
}
"""By their ids on the page."""
