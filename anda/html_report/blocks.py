"""Modules, instances and port widths of a generated design, read from its netlist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from anda.config import Design, load
from anda.flow.yosys import Netlist, design_name, run_yosys, tool_versions
from anda.generate import Product, generate
from anda.tops import choose, tops

__all__ = ["Blocks", "measure_blocks", "netlist_blocks", "product_blocks"]

#: What a diagram is drawn from: the name of the top, and for each module its ports, parts and bits of state.
Blocks = dict[str, Any]

#: Designs and components that the page shows.
SHOWN = (("published", "datapath"), ("compact", "datapath"), ("accelerator", "accelerator"))


def netlist_blocks(netlist: Netlist, top: str) -> Blocks:
    """Modules below `top` with their ports, and how many instances of which modules each one has.

    Parameters
    ----------
    netlist : dict
        As `write_json` of Yosys prints it, behind `proc`.
    top : str

    Raises
    ------
    ValueError
        When there is no such module.
    """
    modules = netlist["modules"]
    if top not in modules:
        raise ValueError(f"expected a module {top!r} in the netlist, there are {', '.join(sorted(modules))}")
    found: dict[str, Any] = {}
    waiting = [top]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        cells = modules[name].get("cells", {}).values()
        parts = Counter(cell["type"] for cell in cells if cell["type"] in modules)
        found[name] = {
            "ports": [
                [port, described["direction"], len(described["bits"])]
                for port, described in modules[name]["ports"].items()
            ],
            "parts": dict(parts),
            "flip_flops": sum(
                len(cell["connections"]["Q"]) for cell in cells if re.fullmatch(r"\$\w*dff\w*", cell["type"])
            ),
            "memory_bits": sum(
                _number(cell["parameters"]["WIDTH"]) * _number(cell["parameters"]["SIZE"])
                for cell in cells
                if cell["type"] == "$mem_v2"
            ),
        }
        waiting += parts
    return {"top": top, "modules": found}


def product_blocks(product: Product) -> Blocks:
    """Of one generated component, by Yosys.

    Raises
    ------
    ValueError
        When Yosys is not installed.
    """
    name = design_name(product.name)
    passes = [f"read_verilog {name}.v", f"hierarchy -check -top {name}", "proc", "memory_collect"]
    run = run_yosys([*passes, "write_json netlist.json"], inputs={f"{name}.v": product.verilog})
    return netlist_blocks(run.netlists["netlist"], name)


def measure_blocks(shown: Sequence[tuple[str, str]] = SHOWN) -> dict[str, Any]:
    """What `docs/data/blocks.json` holds: designs of which the page shows the parts.

    Parameters
    ----------
    shown : sequence of tuple
        A preset, and the role of one of its components.
    """
    rows = []
    for preset, role in shown:
        design = load(preset)
        product = _component(design, role)
        rows.append(
            {
                "design": preset,
                "role": role,
                "configuration_sha256": design.hash,
                "verilog_sha256": product.sidecar["verilog_sha256"],
                **product_blocks(product),
            }
        )
    return {
        "evidence": "generated",
        "command": "python scripts/measure_blocks.py",
        "tools": {**product.sidecar["tools"], **tool_versions()},
        "rows": rows,
    }


def _component(design: Design, role: str) -> Product:
    return generate(design, choose(tops(design), [role])[0])


def _number(bits: str) -> int:
    """A parameter of a cell, which the netlist prints as a string of bits."""
    return int(bits, 2)
