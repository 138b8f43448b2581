"""One design, measured for the page: its configuration, the area of its components, its modules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from anda.config import Design
from anda.flow import synth
from anda.flow.library import Library
from anda.flow.yosys import tool_versions
from anda.generate import generate
from anda.html_report.blocks import product_blocks
from anda.html_report.provenance import Source
from anda.html_report.sections import Section
from anda.tops import tops
from hdl.heap import AdderCells

__all__ = ["DESIGN_TABLES", "design_section", "measure_design"]

#: Components that are synthesized; what consists of many of them is not.
_ROLES = ("compressor", "pe", "column", "accumulator", "multistage")


def measure_design(command: str, design: Design, library: Library, report: Callable[[str], None]) -> Source:
    """Generate a design, synthesize its components and read the modules of its last one.

    Parameters
    ----------
    command : str
        That makes the page again.
    design : Design
    library : Library
    report : callable
        Told about each step before it begins.

    Raises
    ------
    ValueError
        When the design cannot be built, or Yosys is missing.
    """
    cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
    areas = []
    for top in tops(design, cells):
        if top.role in _ROLES:
            report(f"area of {top.role}")
            product = generate(design, top)
            found = synth.area(product.verilog, product.name, library)
            areas.append({"component": top.role, "latency": top.latency, **found.model_dump(mode="json")})
    whole = tops(design)[-1]
    report(f"modules of {whole.role}")
    product = generate(design, whole)
    data = {
        "evidence": {"areas": "synthesized", "modules": "generated"},
        "command": command,
        "configuration": design.configuration,
        "configuration_sha256": design.hash,
        "tools": {**product.sidecar["tools"], **tool_versions()},
        "libraries": {library.name: {"sha256": library.sha256}},
        "areas": areas,
        "rows": [{"design": design.name, "role": whole.role, **product_blocks(product)}],
    }
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    return Source("design", data, digest, recorded=False)


def design_section(design: Design) -> Section:
    """The chapter of a design."""
    return Section(
        "design",
        f"The design {design.name}",
        design.description or "A design file, measured for this page.",
        sources=("design",),
        diagrams=True,
        titles={"design-area": "Components", "design-keys": "Configuration"},
    )


def _areas(data: Mapping[str, Any]) -> str:
    unit = next((row["library"]["area_unit"] for row in data["areas"]), "").replace("um2", "µm²")
    lines = [
        f"| component | area, {unit} | cells | flip-flops | longest path | latency, cycles |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in data["areas"]:
        path = row["longest_path"]
        told = f"{path['delay']:,.1f} {path['unit']}" if path else "-"
        latency = "-" if row["latency"] is None else row["latency"]
        lines.append(
            f"| {row['component']} | {row['area']:,.1f} | {row['cell_count']:,} | {row['flops']:,} | {told} "
            f"| {latency} |"
        )
    return "\n".join(lines)


def _keys(data: Mapping[str, Any]) -> str:
    lines = ["| key | value |", "|---|--:|"]
    for table, keys in data["configuration"].items():
        if not isinstance(keys, Mapping):
            lines.append(f"| {table} | {keys} |")
            continue
        lines += [f"| `{table}.{key}` | {value} |" for key, value in keys.items() if value is not None]
    return "\n".join(lines)


DESIGN_TABLES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "design-area": ("design", _areas),
    "design-keys": ("design", _keys),
}
"""As `anda.tables.TABLES`."""
