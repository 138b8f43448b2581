"""Plots of accumulator-aware quantization: error against the width of the register, and against its area."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from anda.axe_tables import METHODS, area_unit, joined_areas, method_errors, tile_name
from anda.figures import BLUE, GREY, RED, finish, rendered

__all__ = ["plot_area", "plot_methods"]

_STYLES = {
    "naive": (GREY, "s", ":"),
    "wrap": ("#c9a227", "x", ":"),
    "saturate": ("#7a9e5f", "+", ":"),
    "peer": (RED, "o", "--"),
    "axe": (BLUE, "o", "-"),
    "joint": ("#1b3a4b", "D", "-"),
}
#: Colours of the tiles, the smallest first.
_TILES = ("#1b3a4b", BLUE, "#7a9e5f", RED)


def plot_methods(data: Mapping[str, Any], path: Path) -> None:
    """What to do with P bits: each method's error over the width, one panel for each tile.

    Parameters
    ----------
    data : mapping
        Of docs/data/axe.json.
    path : Path
        The SVG file to write.
    """
    errors = method_errors(data)
    tiles = list(dict.fromkeys(tile for tile, _, _ in errors))
    figure = Figure(figsize=(11.6, 4.2), layout="constrained")
    panels = figure.subplots(1, len(tiles), sharey=True, squeeze=False)[0]
    for panel, tile in zip(panels, tiles, strict=True):
        for name, label in METHODS.items():
            points = sorted(
                (width, error) for (t, width, n), error in errors.items() if (t, n) == (tile, name)
            )
            if points:
                colour, marker, line = _STYLES[name]
                panel.plot(*zip(*points, strict=True), line, color=colour, marker=marker, ms=4, label=label)
        _decades(panel)
        panel.set_xticks(sorted({width for _, width, _ in errors}))
        title = "whole row" if tile is None else f"tiles of {tile}"
        finish(panel, title=title, x="bits of the inner register")
    panels[0].set_ylabel("held-out relative error, geometric mean")
    panels[0].legend(frameon=False, fontsize="x-small")
    _write(figure, path)


def plot_area(data: Mapping[str, Any], area: Mapping[str, Any], path: Path, problem: str) -> None:
    """Error over area, with the front of what nothing else beats: a row for each library.

    Parameters
    ----------
    data, area : mapping
        Of docs/data/axe.json and docs/data/axe_area.json.
    path : Path
        The SVG file to write.
    problem : str
        The layer.

    Raises
    ------
    ValueError
        When no row of the two files fits together.
    """
    rows = [row for row in joined_areas(data, area) if row["problem"] == problem]
    if not rows:
        raise ValueError(f"areas for the registers of layer {problem} were expected, but there are none")
    components = [name for name in dict.fromkeys(row["component"] for row in rows) if name != "element"]
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    size = 5.8 * len(components), 4.2 * len(libraries)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(libraries), len(components), sharey=True, squeeze=False)
    for library, line in zip(libraries, panels, strict=True):
        for component, panel in zip(components, line, strict=True):
            own = [row for row in rows if (row["component"], row["library"]) == (component, library)]
            _area_panel(panel, own)
            finish(
                panel, title=f"{component} on {library}", x=f"area of 64 lanes, {area_unit(area, library)}"
            )
        line[0].set_ylabel(f"held-out relative error of {problem}")
    panels[0][-1].legend(frameon=False, fontsize="x-small")
    _write(figure, path)


def _area_panel(panel: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    front = pareto((row["area"], row["error"]) for row in rows)
    panel.step(*zip(*front, strict=True), where="post", color="0.8", zorder=0)
    tiles = sorted(dict.fromkeys(row["tile"] for row in rows), key=lambda tile: tile or 1 << 30)
    for bits, marker in ((8, "o"), (4, "^")):
        for tile, colour in zip(tiles, _TILES, strict=False):
            own = [row for row in rows if (row["activation_bits"], row["tile"]) == (bits, tile)]
            if not own:
                continue
            panel.plot(
                [row["area"] for row in own],
                [row["error"] for row in own],
                marker,
                color=colour,
                ms=4,
                label=f"W4A{bits}, tile {tile_name(tile)}",
            )
    for row in rows:
        if (row["area"], row["error"]) in front:
            at = row["area"], row["error"]
            panel.annotate(
                str(row["inner_bits"]), at, (3, 3), textcoords="offset points", fontsize="xx-small"
            )
    _decades(panel)


def _decades(panel: Axes) -> None:
    """A logarithmic axis of errors with plain numbers."""
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of area and error that no other one beats in both, by rising area."""
    front: list[tuple[float, float]] = []
    for area, error in sorted(points):
        if not front or error < front[-1][1]:
            front.append((area, error))
    return front


def _write(figure: Figure, path: Path) -> None:
    path.write_bytes(rendered(figure, path.stem)[f"{path.stem}.svg"])
