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
#: What a panel is of, and what is added to the name where one stage does for tile and row.
_COMPONENTS = ("core", "array element")
_ONE_STAGE = ", one stage"


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
        When no row of the two files fits together, or one of the components is missing.
    """
    rows = [row for row in joined_areas(data, area) if row["problem"] == problem]
    if missing := [name for name in _COMPONENTS if name not in {row["component"] for row in rows}]:
        raise ValueError(
            f"areas of {missing[0]}s for the registers of layer {problem} were expected, but there are none"
        )
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    figure = Figure(figsize=(11.6, 4.2 * len(libraries)), layout="constrained")
    panels = figure.subplots(len(libraries), len(_COMPONENTS), sharey=True, squeeze=False)
    for library, line in zip(libraries, panels, strict=True):
        for component, panel in zip(_COMPONENTS, line, strict=True):
            _area_panel(panel, [row for row in rows if row["library"] == library], component)
            unit = area_unit(area, library)
            finish(panel, title=f"{component} on {library}", x=f"area of 64 lanes, {unit}")
        line[0].set_ylabel(f"held-out relative error of {problem}")
    figure.legend(
        *panels[0][-1].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize="x-small",
    )
    _write(figure, path)


def _area_panel(panel: Axes, rows: Sequence[Mapping[str, Any]], component: str) -> None:
    """Points of one component; hollow where one stage does for tile and row."""
    points = [row for row in rows if row["component"].removesuffix(_ONE_STAGE) == component]
    front = pareto((row["area"], row["error"]) for row in points)
    panel.step(*zip(*front, strict=True), where="post", color="0.8", zorder=0)
    tiles = sorted(dict.fromkeys(row["tile"] for row in points), key=lambda tile: tile or 1 << 30)
    for bits, marker in ((8, "o"), (4, "^")):
        for tile, colour in zip(tiles, _TILES, strict=False):
            own = [row for row in points if (row["activation_bits"], row["tile"]) == (bits, tile)]
            label = f"W4A{bits}, tile {tile_name(tile)}"
            for hollow in (False, True):
                drawn = [row for row in own if row["component"].endswith(_ONE_STAGE) == hollow]
                if not drawn:
                    continue
                panel.plot(
                    [row["area"] for row in drawn],
                    [row["error"] for row in drawn],
                    marker,
                    color=colour,
                    markerfacecolor="white" if hollow else colour,
                    ms=4,
                    label=label + _ONE_STAGE * hollow,
                )
    for row in points:
        at = row["area"], row["error"]
        if at in front:
            text = str(row["inner_bits"])
            panel.annotate(text, at, (3, 3), textcoords="offset points", fontsize="xx-small")
    _decades(panel)


def _decades(panel: Axes) -> None:
    """A logarithmic axis of errors with plain numbers."""
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of area and error, by rising area; each has an error lower than the one before by over 1 %."""
    front: list[tuple[float, float]] = []
    for area, error in sorted(points):
        if not front or error < 0.99 * front[-1][1]:
            front.append((area, error))
    return front


def _write(figure: Figure, path: Path) -> None:
    path.write_bytes(rendered(figure, path.stem)[f"{path.stem}.svg"])
