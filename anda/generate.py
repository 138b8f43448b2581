"""Verilog and JSON sidecars of a design."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anda.config import Design
from anda.files import write_all
from anda.tops import Top
from golden.interval import Interval
from hdl.emit import Emitter, emit_verilog, to_verilog, tool_versions
from hdl.modules import NamedComponent, flat_ports

__all__ = ["Product", "generate", "generate_all"]


@dataclass(frozen=True)
class Product:
    """The two files of one component: `NAME.v` and `NAME.json`."""

    role: str
    name: str
    verilog: str
    sidecar: dict[str, Any]

    def write(self, directory: Path) -> list[Path]:
        """Write both files, together or not at all, into a directory that is made if need be.

        Raises
        ------
        OSError
            When the directory cannot be written.
        """
        description = json.dumps(self.sidecar, indent=2) + "\n"
        return write_all(directory, {f"{self.name}.v": self.verilog, f"{self.name}.json": description})


def generate(design: Design, top: Top) -> Product:
    """Verilog and sidecar of one component of a design; the same input gives the same bytes."""
    component = top.make()
    verilog = emit_verilog(component)
    return Product(top.role, component.module_name, verilog, _sidecar(design, top, component, verilog))


def generate_all(
    design: Design, tops: Sequence[Top], report: Callable[[], object] = lambda: None
) -> list[Product]:
    """What `generate` gives for each top, in less time.

    What the tops have in common is elaborated once, and while one is, the Yosys of another runs beside it.

    Parameters
    ----------
    design : Design
    tops : sequence of Top
    report : callable
        Called for every product that is there.
    """
    emitter = Emitter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = []
        for top in tops:
            component = top.make()
            rtlil = emitter.rtlil(component)
            waiting.append((top, component, pool.submit(partial(to_verilog, rtlil, component.module_name))))
        products = []
        for top, component, printing in waiting:
            verilog = printing.result()
            sidecar = _sidecar(design, top, component, verilog)
            products.append(Product(top.role, component.module_name, verilog, sidecar))
            report()
    return products


def _sidecar(design: Design, top: Top, component: NamedComponent, verilog: str) -> dict[str, Any]:
    """What a program or a person needs to know about one Verilog file."""
    return {
        "top": component.module_name,
        "role": top.role,
        "design": design.name,
        "configuration": design.configuration,
        "configuration_sha256": design.hash,
        "parameters": top.parameters,
        "clock": "clk" if component.clocked else None,
        "reset": "rst, synchronous, active high" if component.clocked else None,
        "latency_cycles": top.latency,
        "ranges": {name: _range(interval) for name, interval in top.ranges.items()},
        "ports": [
            {
                "name": port.name,
                "direction": "input" if port.is_input else "output",
                "width": port.width,
                "signed": port.is_signed,
            }
            for port in flat_ports(component)
        ],
        "verilog_sha256": hashlib.sha256(verilog.encode()).hexdigest(),
        "tools": tool_versions(),
    }


def _range(interval: Interval) -> dict[str, int]:
    return {"min": interval.min, "max": interval.max, "bits": interval.bits}
