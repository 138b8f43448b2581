"""The plot of docs/abq_language.md: divergence of every pair of widths and method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from anda.abq_language_tables import name_of
from anda.figures import BLUE, GREY, RED, finish

__all__ = ["plot_abq"]

_LOOKS = {
    "RTN": ("x", GREY),
    "RTN, clipped": ("+", GREY),
    "GPTQ": ("s", "#c9a227"),
    "GPTQ, clipped": ("D", "#c9a227"),
    "ABQ": ("v", RED),
    "ABQ+": ("o", BLUE),
}
"""Marker and colour of each method."""


def plot_abq(data: Mapping[str, Any]) -> Figure:
    """Divergence on each text, pairs of widths from few bits to many, one marker for each method."""
    texts = list(data["float"])
    names = sorted(
        {name_of(row): row["bits_per_weight"] for row in data["rows"]}.items(), key=lambda item: item[1]
    )
    places = {name: place for place, (name, _) in enumerate(names)}
    figure = Figure(figsize=(11.4, 4.2), layout="constrained")
    panels = figure.subplots(1, len(texts), sharey=True)
    for panel, text in zip(panels, texts, strict=True):
        for method, (marker, color) in _LOOKS.items():
            found = [row for row in data["rows"] if row["method"] == method]
            panel.plot(
                [places[name_of(row)] for row in found],
                [row["scores"][text]["kl"] for row in found],
                marker,
                color=color,
                markersize=6,
                label=method,
            )
        panel.set_yscale("log")
        panel.set_xticks(list(places.values()), list(places))
        finish(panel, title=text, x="bits of weights and activations", y="KL, nats")
    panels[0].legend(frameon=False, fontsize="small")
    return figure
