"""`anda area`: synthesis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anda.cli.output import (
    Components,
    Json,
    Liberty,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from anda.flow.report import AreaReport
    from anda.mac_table import MacRow

__all__ = ["area"]


@one_sentence_errors
def area(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[PRESET|FILE.toml]", help="`published`, `compact`, or a design file."),
    ] = None,
    liberty: Liberty = None,
    component: Components = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="mac",
            help="Instead: multiply-accumulate units of every 4-bit and 5-bit format, bit-parallel and as "
            "weights of the design's bit-serial elements (`compact` without a design).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Synthesize every component of a design and report its area.

    Without --liberty the area is in NAND2 equivalents of the project's own generic library. A library's
    full-adder cells are found by their function and used. The area is that of the cells: no wires, no
    clock tree. Everything runs in Yosys and ABC from PyPI; areas compare only within one version of them.
    """
    if table is not None:
        if table != "mac":
            raise ValueError(f"the only table is mac, not {table!r}")
        if component:
            raise ValueError("--table mac has no components")
        _mac(source or "compact", liberty, as_json=as_json)
        return
    if source is None:
        raise ValueError("expected a preset or a design file, or --table mac")
    _components(source, liberty, component, as_json=as_json)


def _components(
    source: str, liberty: list[Path] | None, component: list[str] | None, *, as_json: bool
) -> None:
    from anda.config import load
    from anda.flow import synth
    from anda.flow.library import Library
    from anda.generate import generate
    from anda.tops import choose, tops
    from hdl.heap import AdderCells

    design = load(source)
    library = Library.from_files(liberty) if liberty else Library.generic()
    cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
    reports = []
    with progress() as bar:
        for top in bar.track(
            choose(tops(design, cells), component), description=f"synthesizing {design.name}"
        ):
            product = generate(design, top)
            reports.append((product, synth.area(product.verilog, product.name, library)))
    if as_json:
        found = [{"role": product.role, **report.model_dump(mode="json")} for product, report in reports]
        print_json({"design": design.name, "configuration_sha256": design.hash, "areas": found})
        return
    rows = [
        (
            product.role,
            report.area,
            report.cell_count,
            f"{report.flop_share:.0%}",
            _delay(report),
        )
        for product, report in reports
    ]
    headers = ["component", f"area, {library.area_unit}", "cells", "flip-flops", "longest path"]
    print_table(f"{design.name} on {library.name}", headers, rows)


def _mac(source: str, liberty: list[Path] | None, *, as_json: bool) -> None:
    """The table of multiply-accumulate units, on the generic library and on a given one."""
    from anda.config import load
    from anda.flow.library import Library
    from anda.mac_table import FORMATS, measure_mac, read_rows

    libraries = {"generic": Library.generic()}
    if liberty:
        given = Library.from_files(liberty)
        libraries[given.name] = given
    with progress() as bar:
        task = bar.add_task("synthesizing", total=len(FORMATS) * len(libraries), start=True)
        found = measure_mac(libraries, lambda _: bar.advance(task), design=load(source))
    if as_json:
        print_json(found)
        return
    for on, library in libraries.items():
        rows = [_mac_cells(row) for row in read_rows(found, on).values()]
        unit = f", {library.area_unit}"
        headers = ["format", "SQNR, dB", "acc. bits", f"multiplier{unit}", "accumulator", "MAC", "overhead"]
        headers += [f"element{unit}", "registers", "decoders", "their share", "overhead"]
        print_table(f"multiply-accumulate units on {on}", headers, rows)


def _mac_cells(row: MacRow) -> tuple[object, ...]:
    share, overhead = row.decoder_share, row.element_overhead
    return (
        row.format,
        row.sqnr_db,
        row.accumulator_bits,
        row.multiplier,
        row.accumulator,
        row.mac,
        f"{row.mac_overhead:+.1%}",
        row.element,
        row.registers,
        row.decoders,
        None if share is None else f"{share:.1%}",
        None if overhead is None else f"{overhead:+.1%}",
    )


def _delay(report: AreaReport) -> str:
    path = report.longest_path
    return f"{path.delay:,.4g} {path.unit}" if path else "-"
