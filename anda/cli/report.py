"""`anda report`: every recorded figure on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anda.cli.output import Liberty, one_sentence_errors, progress

__all__ = ["report"]

_DATA = Path("docs/data")


@one_sentence_errors
def report(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[PRESET|FILE.toml]", help="Also measure this design and show it first."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")] = Path(
        "build/report.html"
    ),
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Recorded data; docs/data of the repository by default."),
    ] = None,
    liberty: Liberty = None,
) -> None:
    """Write one self-contained HTML page with all tables and plots, and where each figure is from.

    Every table and plot carries its tier of evidence, the command that makes it again, tool versions and
    hashes. The page loads nothing from elsewhere, and equal data give equal bytes. With a design, its
    components are synthesized (--liberty, or the generic library) and its modules drawn; data are then not
    needed.
    """
    if liberty and source is None:
        raise ValueError("--liberty is for a design, and none is named")
    if output.is_dir():
        raise ValueError(f"expected a file for the page, {output} is a directory")
    from anda.config import load
    from anda.files import write_all
    from anda.flow.library import Library
    from anda.html_report.design import DESIGN_TABLES, design_section, measure_design
    from anda.html_report.page import build_page
    from anda.html_report.provenance import read_sources
    from anda.tables import TABLES

    recorded = data is not None or _DATA.is_dir() or source is None
    sources = read_sources(data or _DATA) if recorded else {}
    with progress() as bar:
        task = bar.add_task("page", total=None)

        def done(what: str) -> None:
            bar.update(task, description=what)

        extra = []
        if source is not None:
            design = load(source)
            library = Library.from_files(liberty) if liberty else Library.generic()
            command = " ".join(["anda report", source, *(f"--liberty {file.name}" for file in liberty or ())])
            sources["design"] = measure_design(command, design, library, done)
            extra.append(design_section(design))
        page = build_page(sources, extra, {**TABLES, **DESIGN_TABLES}, done)
    write_all(output.parent, {output.name: page})
    typer.echo(f"{output}: {len(page) / 1e6:.1f} MB, {page.count('<figure')} tables, plots and diagrams")
