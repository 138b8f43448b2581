"""`anda area`: synthesis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anda.cli.output import (
    Components,
    Json,
    Liberty,
    Source,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from anda.flow.report import AreaReport

__all__ = ["area"]


@one_sentence_errors
def area(
    source: Source,
    liberty: Liberty = None,
    component: Components = None,
    as_json: Json = False,
) -> None:
    """Synthesize every component of a design and report its area.

    Without --liberty the area is in NAND2 equivalents of the project's own generic library. A library's
    full-adder cells are found by their function and used. The area is that of the cells: no wires, no
    clock tree. Everything runs in Yosys and ABC from PyPI; areas compare only within one version of them.
    """
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


def _delay(report: AreaReport) -> str:
    path = report.longest_path
    return f"{path.delay:,.4g} {path.unit}" if path else "-"
