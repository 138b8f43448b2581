"""`anda power`: energy per multiply-accumulate of an element, from toggles of its mapped netlist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from anda.cli.planes import planes_from

if TYPE_CHECKING:
    from anda.flow.opensta import OpenStaReport
    from anda.flow.power import PowerMeter, PowerReport
    from anda.flow.power_elements import ElementPower

__all__ = ["power"]

_MOST_PLANES = 13


@one_sentence_errors
def power(
    source: Source,
    liberty: Liberty = None,
    component: Components = None,
    planes: Annotated[
        str | None, typer.Option("--planes", help="Words of a group, such as 6 or 4-13; all by default.")
    ] = None,
    clock: Annotated[float, typer.Option("--clock", help="Clock frequency in MHz.")] = 100.0,
    wire_load: Annotated[
        float,
        typer.Option("--wire-load", min=0, help="Wire load in fF for each input pin that a net drives."),
    ] = 0.0,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Rows of activations that are replayed.")] = 256,
    pdk_root: Annotated[
        Path | None,
        typer.Option("--pdk-root", help="Where to look for libraries by name; PDK_ROOT by default."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Folder to write files for OpenSTA into.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay real activations on the mapped netlist of an element, and add up its energy.

    The netlist is simulated gate by gate and every result compared with the golden model. Components are
    pe, weights and accumulator; the element is all of them, each with the share that one element has of it.
    Needs a library with energies: --liberty FILE, or --liberty sky130hd of a kit under PDK_ROOT.
    """
    from anda.config import load
    from anda.flow.activity import simulate
    from anda.flow.library import Library
    from anda.flow.opensta import cross_check, opensta_version
    from anda.flow.opensta import export as export_files
    from anda.flow.pdk import find_liberty
    from anda.flow.power_elements import PARTS, ElementMeter

    if not clock > 0:
        raise ValueError(f"expected a clock above 0 MHz, not {clock:g}")
    design = load(source)
    clock_hz = clock * 1e6
    library = (
        Library.from_files([find_liberty(str(file), pdk_root) for file in liberty])
        if liberty
        else Library.generic()
    )
    with progress() as bar:
        task = bar.add_task(f"mapping {design.name}", total=None)
        parts = tuple(component) if component else PARTS
        meter = ElementMeter(design, library, parts=parts, runs=runs, wire_ff=wire_load)
        wanted = _planes(planes, meter.pe.max_planes)
        bar.update(task, description="replaying", total=len(wanted))
        found = []
        for count in wanted:
            found.append(meter.measure(count, clock_hz))
            bar.advance(task)
        checks: dict[str, Any] = {}
        for part in meter.parts:
            activity = simulate(part.meter.netlist, meter.replay(part.name, wanted[0]))
            if export:
                export_files(export / part.name, part.meter.netlist, activity, library, clock_hz)
            theirs = None
            if opensta_version():
                theirs = cross_check(part.meter.netlist, activity, library, clock_hz)
            checks[part.name] = _check(part.meter, theirs, clock_hz)
    if as_json:
        elements = [element.model_dump(mode="json") for element in found]
        print_json(
            {
                "design": design.name,
                "configuration_sha256": design.hash,
                "evidence": "simulated on the mapped netlist",
                "elements": elements,
                "checks": checks,
            }
        )
        return
    rows = [row for element in found for row in _rows(element)]
    headers = ["planes", "component", library.area_unit, "fJ/MAC", "nets", "cells", "clock", "glitches", "mW"]
    print_table(f"{design.name} on {library.name} at {clock:g} MHz", headers, rows)
    timing = [(name, check["longest_path_ns"], check["timing"]) for name, check in checks.items()]
    print_table("longest path", ["component", "ns", "by"], timing)


def _planes(text: str | None, most: int) -> list[int]:
    """Numbers of planes from `6`, `4-13` or `4,6,8`."""
    if text is None:
        return list(range(min(4, most), min(_MOST_PLANES, most) + 1))
    return planes_from(text)


def _rows(element: ElementPower) -> list[tuple[object, ...]]:
    """One row a part, by its share, and one for all of them together."""
    per_second = element.clock_hz * element.macs_per_cycle
    rows = []
    for part in element.parts:
        watts = part.report.dynamic_fj_per_mac * 1e-15 * per_second + part.share * part.report.leakage_w
        rows.append(_row(element.planes, part.part, part.share * part.report.area, [part.report], watts))
    if len(element.parts) > 1:
        reports = [part.report for part in element.parts]
        rows.append(_row(element.planes, "element", element.area, reports, element.total_w))
    return rows


def _row(planes: int, name: str, area: float, reports: list[PowerReport], watts: float) -> tuple[object, ...]:
    return (
        planes,
        name,
        area,
        sum(r.dynamic_fj_per_mac for r in reports),
        sum(r.switching_fj_per_mac + r.inputs_fj_per_mac for r in reports),
        sum(r.logic_fj_per_mac + r.flops_fj_per_mac for r in reports),
        sum(r.clock_fj_per_mac for r in reports),
        sum(r.glitch_fj_per_mac for r in reports),
        watts * 1e3,
    )


def _check(meter: PowerMeter, theirs: OpenStaReport | None, clock_hz: float) -> dict[str, Any]:
    """Longest path and who found it; powers with one change a cycle on every net, ours and OpenSTA's."""
    from dataclasses import asdict

    from anda.flow.timing import longest_path

    if theirs is None:
        path = longest_path(meter.mapped.flat, meter.top, meter.library)
        scale = {"ns": 1.0, "ps": 1e-3}.get(path.unit) if path else None
        found = path.delay * scale if path and scale else None
        return {"timing": "anda (OpenSTA is not installed)", "longest_path_ns": found}
    energy = meter.uniform()
    scale = 1e-15 * clock_hz
    ours = {
        "internal_w": (energy.logic + energy.flops + energy.clock_pins) * scale,
        "switching_w": energy.switching * scale,
        "leakage_w": energy.leakage,
    }
    return {
        "timing": f"OpenSTA {theirs.version}",
        "longest_path_ns": theirs.longest_path_ns,
        "uniform": {"anda": ours, "opensta": asdict(theirs.uniform)},
        "simulated": None if theirs.simulated is None else asdict(theirs.simulated),
    }
