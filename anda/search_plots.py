"""The plots of docs/search.md, from the answers in docs/data/search.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from anda.figures import BLUE, RED, finish
from anda.llm.search.plot import plot_lengths, plot_traces
from anda.search_tables import chosen, title

__all__ = ["plot_found", "plot_layers", "plot_searches"]

_COLOURS = {"2a": RED, "2b": BLUE}
_MARKERS = {("published", False): "D", ("sensitivity", False): "o", ("sensitivity", True): "*"}


def plot_found(data: Mapping[str, Any]) -> Figure:
    """Divergence on text that no search saw over the cycles saved: uniform lengths, and what was found."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    panel = figure.subplots()
    for name, colour in _COLOURS.items():
        rows = [row for row in data["uniform"] if row["encoding"] == name]
        x, y = zip(*((row["savings"]["cycles"], row["held_out"]["kl"]) for row in rows), strict=True)
        panel.plot(x, y, "-", color=colour, linewidth=0.9, label=f"{name} uniform")
    told = set()
    for row in chosen(data, goal="bops"):
        if row["best"] is not None:
            name = title(row)
            panel.plot(
                row["best"]["savings"]["cycles"],
                row["best"]["held_out"]["kl"],
                _MARKERS[row["method"], row["per_layer"]],
                color=_COLOURS[row["encoding"]],
                markersize=9 if row["per_layer"] else 5,
                markerfacecolor=_COLOURS[row["encoding"]] if row["metric"] == "kl" else "white",
                label=None if name in told else name,
            )
            told.add(name)
    panel.set_yscale("log")
    finish(
        panel,
        title="found on calibration text; filled: within a divergence, open: within a perplexity",
        x="cycles saved against FP16, times",
        y="KL on unseen text, nats",
    )
    panel.legend(frameon=False, fontsize="small")
    return figure


def plot_searches(data: Mapping[str, Any]) -> Figure:
    """Traces of searches within 1 %, one panel each: the paper's own, and those of 2b on the divergence."""
    rows = chosen(data, delta=0.01, goal="bops", kl_of=None)
    shown = [rows[0], *(row for row in rows if (row["encoding"], row["metric"]) == ("2b", "kl"))]
    return plot_traces({f"{title(row)}\n{row['metric']}": row["visits"] for row in shown}, "bops")


def plot_layers(data: Mapping[str, Any]) -> Figure:
    """Lengths that the layers get within a divergence, one panel for each tolerance."""
    rows = [
        row
        for row in chosen(data, encoding="2b", per_layer=True, metric="kl", goal="bops", kl_of=None)
        if row["best"] is not None
    ]
    figure = Figure(figsize=(5.2 * len(rows), 3.4), layout="constrained")
    panels = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for panel, row in zip(panels, rows, strict=True):
        named = {
            f"{layer}.{kind}": int(length)
            for kind, lengths in row["best"]["lengths"].items()
            for layer, length in enumerate(lengths.split())
        }
        plot_lengths(panel, named)
        finish(panel, title=f"KL up to {row['limit']:.4g}", x="layer", y="planes")
    return figure
