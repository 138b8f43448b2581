"""Plots of results, as SVG for pages and PNG for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anda.accuracy import AccuracyRow
from anda.demo import DemoReport

__all__ = ["plot_accuracy", "plot_comparison"]

PUBLISHED, COMPACT = "#b05a3c", "#2f6f8f"


def plot_accuracy(rows: Sequence[AccuracyRow], stem: Path) -> list[Path]:
    """Accuracy over the number of planes, one panel for each projection.

    Parameters
    ----------
    rows : sequence of AccuracyRow
    stem : Path
        Where to write, without a suffix.

    Returns
    -------
    list of Path
        The files written.
    """
    names = list(dict.fromkeys(row.projection for row in rows))
    figure = Figure(figsize=(3.1 * len(names), 3.2), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        own = [row for row in rows if row.projection == name]
        panel.plot(
            [row.length + 1 for row in own],
            [row.published_db for row in own],
            "o-",
            color=PUBLISHED,
            label="sign-magnitude, truncated",
        )
        panel.plot(
            [row.length for row in own],
            [row.compact_db for row in own],
            "s-",
            color=COMPACT,
            label="two's complement, nearest",
        )
        _finish(panel, title=f"input of {name}", x="planes per group")
    panels[0].set_ylabel("signal to quantization noise, dB")
    panels[0].legend(frameon=False, fontsize="small")
    return _write(figure, stem)


def _finish(panel: Axes, *, title: str, x: str) -> None:
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel(x)
    panel.grid(alpha=0.3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _write(figure: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("svg", "png")]
    # A fixed salt and no date: equal results give equal bytes.
    with mpl.rc_context({"svg.hashsalt": "anda", "svg.fonttype": "none"}):
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=144, metadata=metadata)
    return paths


def plot_comparison(report: DemoReport, stem: Path) -> list[Path]:
    """The two presets side by side: accuracy, cycles, area, area efficiency.

    Parameters
    ----------
    report : DemoReport
        One whose every bit was equal.
    stem : Path
        Where to write, without a suffix.

    Returns
    -------
    list of Path
        The files written.
    """
    figure = Figure(figsize=(12.4, 3.4), layout="constrained")
    accuracy, cycles, area, efficiency = figure.subplots(1, 4, width_ratios=(2, 1, 1, 1))
    presets = ((report.published, PUBLISHED), (report.compact, COMPACT))
    labels = [f"{preset.design}\n{preset.planes} planes" for preset, _ in presets]
    for offset, (preset, colour) in zip((-0.2, 0.2), presets, strict=True):
        places = [place + offset for place in range(len(preset.sqnr_db))]
        bars = accuracy.bar(places, list(preset.sqnr_db.values()), 0.4, color=colour, label=preset.design)
        accuracy.bar_label(bars, fmt="%.1f", fontsize="small")
    accuracy.set_xticks(range(len(report.published.sqnr_db)), list(report.published.sqnr_db))
    accuracy.set_ylabel("dB")
    accuracy.margins(y=0.2)
    accuracy.legend(frameon=False, fontsize="small", ncols=2, loc="upper center")
    _finish(accuracy, title="signal to noise of the results, against float64", x="projection")
    panels = (
        (cycles, "cycles per group", [preset.cycles_per_group for preset, _ in presets], "%.2f"),
        (
            area,
            f"area of an element, {report.compact.area_unit}",
            [preset.element_area for preset, _ in presets],
            "{:,.0f}",
        ),
        (efficiency, "area efficiency, relative", [1.0, report.area_efficiency or 0.0], "%.2f"),
    )
    for panel, title, values, form in panels:
        bars = panel.bar(labels, values, 0.6, color=[colour for _, colour in presets])
        panel.bar_label(bars, fmt=form, fontsize="small")
        panel.margins(y=0.12)
        _finish(panel, title=title, x="")
    return _write(figure, stem)
