"""Power and longest paths by this project and by OpenSTA, for docs/power.md.

Both get the same netlist and the same Liberty files, and one change a cycle on every net, which every
version of OpenSTA can be told. A third column says what OpenSTA's own rules make of the tables as they are
read here (`anda.flow.opensta_rules`): where it equals OpenSTA's, the difference is one of rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from anda.config import load
from anda.flow.library import Library
from anda.flow.opensta import OpenStaError, cross_check, opensta_version
from anda.flow.opensta_rules import ruled_power
from anda.flow.power import PowerMeter
from anda.flow.power_elements import ElementMeter
from anda.flow.recipe import RECIPE
from anda.flow.timing import longest_path
from anda.flow.yosys import tool_versions as flow_versions
from anda.power_cells import CLOCK_HZ, measure_cells
from hdl.emit import tool_versions

__all__ = ["POWER_CHECK_TABLES", "PRESET", "measure_power_check"]

PRESET = "compact"
"""The design whose element is measured."""


def measure_power_check(libraries: Mapping[str, Library], report: Callable[[str], None]) -> dict[str, Any]:
    """What `docs/data/power.json` holds.

    Parameters
    ----------
    libraries : mapping of str to Library
        With energies, by the short name that the table shows.
    report : callable
        Told about each library before it is measured.

    Raises
    ------
    ValueError
        Without OpenSTA, or when a library has no energies.
    """
    version = opensta_version()
    if version is None:
        raise OpenStaError("Expected OpenSTA's program sta on the path: apt-get install opensta.")
    report("cells made by hand")
    cells = list(measure_cells())
    design = load(PRESET)
    parts = []
    for on, library in libraries.items():
        report(f"the element of {PRESET} on {on}")
        for part in ElementMeter(design, library, runs=1).parts:
            parts.append({"on": on, "part": part.name, **_compared(part.meter)})
    return {
        "evidence": {"cells made by hand": "computed", "parts": "synthesized"},
        "command": "make power-check",
        "tools": {**tool_versions(), **flow_versions(), "recipe": RECIPE, "opensta": version},
        "clock_hz": CLOCK_HZ,
        "design": PRESET,
        "configuration_sha256": design.hash,
        "libraries": {on: {"name": lib.name, "sha256": dict(lib.sha256)} for on, lib in libraries.items()},
        "cells": cells,
        "parts": parts,
    }


def _compared(meter: PowerMeter) -> dict[str, Any]:
    """Powers in W with one change a cycle on every net, and longest paths in ns."""
    energy = meter.uniform()
    path = longest_path(meter.mapped.flat, meter.top, meter.library)
    if path is None or path.unit not in ("ns", "ps"):
        raise ValueError(f"expected a path and its delay in {meter.top} on {meter.library.name}")
    theirs = cross_check(meter.netlist, None, meter.library, CLOCK_HZ)
    ruled = ruled_power(meter.netlist, meter.power, meter.library.files, meter.slopes)
    watts = 1e-15 * CLOCK_HZ
    return {
        "verilog_sha256": hashlib.sha256(meter.verilog.encode()).hexdigest(),
        "cells": meter.netlist.cells,
        "anda": {
            "internal_w": (energy.logic + energy.flops + energy.clock_pins) * watts,
            "switching_w": energy.switching * watts,
            "leakage_w": energy.leakage,
            "longest_path_ns": path.delay * (1.0 if path.unit == "ns" else 1e-3),
        },
        "opensta": {**asdict(theirs.uniform), "longest_path_ns": theirs.longest_path_ns},
        "rules": {"internal_w": ruled.internal * watts, "switching_w": ruled.switching * watts},
    }


def cell_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Cells made by hand: what the tables say, and who says what."""
    headers = [
        "cell",
        "by hand, fJ a cycle",
        "`anda`",
        "OpenSTA",
        "its rules",
        "by hand, nW",
        "`anda`",
        "OpenSTA",
    ]
    body = []
    for row in data["cells"]:
        sides = [row[side]["internal_fj"] for side in ("tables", "anda", "opensta", "rules")]
        leakages = [row[side]["leakage_nw"] for side in ("tables", "anda", "opensta")]
        body.append([row["cell"], *(f"{v:.1f}" for v in sides), *(f"{v:.1f}" for v in leakages)])
    return headers, body


def part_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Parts of the element: internal and switching power by both, and their ratios."""
    headers = ["on", "part", "internal, µW", "OpenSTA", "ratio", "its rules, of OpenSTA"]
    headers += ["switching, µW", "OpenSTA", "ratio", "its rules, of OpenSTA"]
    body = []
    for row in data["parts"]:
        cells = [row["on"], row["part"]]
        for kind in ("internal_w", "switching_w"):
            ours, theirs, ruled = (row[side][kind] for side in ("anda", "opensta", "rules"))
            cells += [f"{v * 1e6:,.1f}" for v in (ours, theirs)]
            cells += [f"{theirs / ours:.2f}", f"{ruled / theirs:.1%}"]
        body.append(cells)
    return headers, body


def path_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Parts of the element: leakage and longest path by both."""
    headers = ["on", "part", "leakage, nW", "OpenSTA", "ratio", "longest path, ns", "OpenSTA", "ratio"]
    body = []
    for row in data["parts"]:
        cells = [row["on"], row["part"]]
        for kind, scale in (("leakage_w", 1e9), ("longest_path_ns", 1.0)):
            ours, theirs = (row[side][kind] * scale for side in ("anda", "opensta"))
            cells += [f"{ours:,.2f}", f"{theirs:,.2f}", f"{theirs / ours:.3f}"]
        body.append(cells)
    return headers, body


POWER_CHECK_TABLES = {"power-cells": cell_rows, "power-parts": part_rows, "power-paths": path_rows}
"""Tables of docs/power.md, by name."""
