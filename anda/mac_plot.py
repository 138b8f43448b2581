"""Accuracy of the formats against what their multiply-accumulate units cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anda.mac_table import BASELINE, MacRow, read_rows

__all__ = ["Point", "pareto", "plot_mac"]

_PUBLISHED, _OURS = "#b05a3c", "#2f6f8f"

#: Parts of the names of formats that this project adds to the published ones.
_ADDED = ("anda4", "-int5", "-signed", "-full")

#: Height of a label in dB.
_LABEL = 0.18


@dataclass(frozen=True)
class Point:
    """One format in a panel: overhead as a ratio, SQNR in dB."""

    name: str
    overhead: float
    sqnr_db: float
    code_bits: int = 4

    @property
    def added(self) -> bool:
        """Whether the format is of this project."""
        return any(part in self.name for part in _ADDED)

    @property
    def labelled_right(self) -> bool:
        """On which side the name stands."""
        return self.added or self.name == BASELINE


def plot_mac(data: Mapping[str, Any], path: Path, on: str = "generic") -> None:
    """SQNR over the overhead against INT4: bit-parallel units on the left, bit-serial elements on the right.

    Parameters
    ----------
    data : mapping
        What `measure_mac` gave.
    path : Path
        The SVG file to write.
    on : str
        Name of the library in the data.
    """
    rows = list(read_rows(data, on).values())
    figure = Figure(figsize=(11.6, 5.2), layout="constrained")
    parallel, serial = figure.subplots(1, 2, sharey=True)
    points = [Point(row.format, row.mac_overhead, row.sqnr_db, row.code_bits) for row in rows]
    _panel(parallel, points, "bit-parallel MAC")
    _panel(serial, _elements(rows), "bit-serial element with its share of the column")
    parallel.set_ylabel("signal to quantization noise on Student's t, dB")
    # A fixed salt and no date: equal results give equal bytes.
    with mpl.rc_context({"svg.hashsalt": "anda", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def pareto(points: Sequence[Point]) -> list[Point]:
    """Those that no other point beats in one of overhead and accuracy without losing in the other."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.overhead, -point.sqnr_db)):
        if not front or point.sqnr_db > front[-1].sqnr_db:
            front.append(point)
    return front


def _elements(rows: Sequence[MacRow]) -> list[Point]:
    return [
        Point(row.format, row.element_overhead, row.sqnr_db, row.code_bits)
        for row in rows
        if row.element_overhead is not None
    ]


def _panel(panel: Axes, points: Sequence[Point], title: str) -> None:
    front = pareto([point for point in points if point.code_bits == 4])
    panel.step(
        [100 * point.overhead for point in front],
        [point.sqnr_db for point in front],
        where="post",
        color="0.75",
        zorder=0,
    )
    reach = 100 * (max(point.overhead for point in points) - min(point.overhead for point in points))
    for side in (-1, 1):
        own = [point for point in points if point.labelled_right == (side > 0)]
        for point, height in zip(own, _label_heights(own, reach / 100), strict=True):
            at = 100 * point.overhead, point.sqnr_db
            colour = _OURS if point.added else _PUBLISHED
            face = colour if point.code_bits == 4 else "white"
            panel.plot(*at, "o", color=colour, markerfacecolor=face, markersize=5)
            panel.annotate(
                point.name,
                at,
                (at[0] + side * reach / 35, height),
                color=colour,
                fontsize="x-small",
                ha="left" if side > 0 else "right",
                va="center",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
            )
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel("area over that of int4, %")
    panel.margins(x=0.2, y=0.06)
    panel.grid(alpha=0.3)
    for edge in ("top", "right"):
        panel.spines[edge].set_visible(False)


def _label_heights(points: Sequence[Point], reach: float) -> list[float]:
    """Where labels go so that none lies on another: moved up, past those close by."""
    placed: list[tuple[float, float]] = []
    heights = {}
    for point in sorted(points, key=lambda point: point.sqnr_db):
        height = point.sqnr_db
        for other, used in placed:
            if abs(other - point.overhead) < reach / 5 and height < used + _LABEL:
                height = used + _LABEL
        placed.append((point.overhead, height))
        heights[point.name] = height
    return [heights[point.name] for point in points]
