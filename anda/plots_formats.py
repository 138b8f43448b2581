"""Plots of distributions: fits of a layer, nu over all layers, a tensor over the levels of a format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from anda.figures import BLUE, GREY, RED, finish
from anda.profiling import Fit, LayerProfile
from anda.quantization import QuantizationReport

__all__ = ["plot_layer", "plot_levels", "plot_nu"]

_MOST_LABELS = 32
"""Levels that a plot draws and names one by one."""

_MARKERS = "osv^D<>pPX*hd"


def plot_layer(profile: LayerProfile) -> Figure:
    """Histograms of one layer with both fits, as it is and within blocks, on a logarithmic axis."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    raw, within = figure.subplots(1, 2)
    _plot_fit(raw, profile.raw)
    finish(raw, title=profile.name, x="weight", y="density")
    _plot_fit(within, profile.within_blocks)
    finish(within, title="within blocks", x="weight / root mean square of its block")
    return figure


def _plot_fit(panel: Axes, fit: Fit) -> None:
    histogram = fit.histogram
    edges, density = histogram.edges, histogram.density
    # Below half a value in a bin there is nothing to see of the data.
    floor = 0.5 / (histogram.values * (edges[1] - edges[0]))
    panel.stairs(density, edges, baseline=floor, fill=True, color=GREY, alpha=0.45)
    x = np.linspace(edges[0], edges[-1], 401)
    for label, color, style, curve in (
        (f"t, nu = {fit.nu:.2f}, KS {fit.ks_t:.4f}", BLUE, "-", stats.t(fit.nu, fit.location, fit.scale)),
        (f"normal, KS {fit.ks_normal:.4f}", RED, "--", stats.norm(fit.mean, fit.deviation)),
    ):
        panel.plot(x, curve.pdf(x), style, color=color, label=label)
    panel.set_yscale("log")
    # Two decades of room for the legend.
    panel.set_ylim(floor, 100 * max(float(density.max()), floor))
    panel.legend(frameon=False, fontsize="small", loc="upper center")


def plot_nu(profiles: Sequence[LayerProfile]) -> Figure:
    """nu of every layer over its depth, one marker for each kind of layer, as they are and within blocks."""
    figure = Figure(figsize=(10.4, 4.0), layout="constrained")
    raw, within = figure.subplots(1, 2, sharey=True)
    kinds: dict[str, list[tuple[int, LayerProfile]]] = {}
    for place, profile in enumerate(profiles):
        number = re.search(r"\d+", profile.name)
        kind = re.sub(r"\d+\.", "", profile.name, count=1).removesuffix(".weight")
        kinds.setdefault(kind, []).append((int(number[0]) if number else place, profile))
    for marker, (kind, layers) in zip(cycle(_MARKERS), kinds.items(), strict=False):
        places = [place for place, _ in layers]
        raw.plot(places, [p.raw.nu for _, p in layers], marker, markersize=4, label=kind)
        within.plot(places, [p.within_blocks.nu for _, p in layers], marker, markersize=4)
    for panel, title in ((raw, "as they are"), (within, "within blocks")):
        panel.set_yscale("log")
        panel.xaxis.get_major_locator().set_params(integer=True)
        for nu, name in ((5, "SF4"), (10, "nearly normal")):
            panel.axhline(nu, color=GREY, linewidth=0.8, linestyle=":")
            panel.text(1, nu, name, transform=panel.get_yaxis_transform(), fontsize="x-small", ha="right")
        panel.yaxis.set_major_formatter("{x:g}")
        finish(panel, title=title, x="layer")
    raw.set_ylabel("nu of the best t")
    figure.legend(frameon=False, fontsize="small", loc="outside right upper")
    return figure


def plot_levels(report: QuantizationReport, title: str) -> Figure:
    """A tensor over the levels of a format: its histogram between them, and how often each is taken."""
    figure = Figure(figsize=(10.4, 3.6), layout="constrained")
    spread, taken = figure.subplots(1, 2, width_ratios=(3, 2))
    levels = [count.level for count in report.counts]
    few = len(levels) <= _MOST_LABELS
    if few:
        spread.vlines(levels, 0, 1, RED, linewidth=0.8, transform=spread.get_xaxis_transform())
    spread.stairs(report.histogram.density, report.histogram.edges, fill=True, color=BLUE, alpha=0.6)
    spread.set_xlim(report.histogram.edges[0], report.histogram.edges[-1])
    finish(spread, title=title, x=f"weight / scale, blocks of {report.block}", y="density")
    shares = [100 * count.count / report.weights for count in report.counts]
    taken.stairs(shares, np.arange(len(shares) + 1) - 0.5, fill=True, color=BLUE, alpha=0.6)
    if few:
        taken.set_xticks(
            range(len(levels)), [f"{level:.3g}" for level in levels], rotation=90, fontsize="small"
        )
    noise = "no error" if report.sqnr_db is None else f"{report.sqnr_db:.2f} dB"
    finish(taken, title=f"{report.format}: {noise}", x="level", y="share of the weights, %")
    return figure
