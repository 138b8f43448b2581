"""The components of a design on an FPGA, with the multiply-accumulates that they do there in a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from anda.config import Design
from anda.files import write_all
from anda.flow.on_pins import on_pins
from anda.flow.place import PlacementReport, place
from anda.generate import generate
from anda.throughput import macs_per_cycle
from anda.tops import choose, tops
from hdl.modules import NamedComponent

__all__ = ["PlacedComponent", "place_design"]


@dataclass(frozen=True)
class PlacedComponent:
    """One component, placed and routed.

    Attributes
    ----------
    role, name
        What it is in the design, and its Verilog module.
    report
    gmacs
        10^9 multiply-accumulates a second at the fastest clock, by planes of a group; empty where nothing
        is multiplied.
    bitstream
        None unless one was asked for.
    """

    role: str
    name: str
    report: PlacementReport
    gmacs: dict[int, float]
    bitstream: bytes | None

    def as_dict(self) -> dict[str, Any]:
        """Everything but the bitstream, as JSON holds it."""
        return {
            "role": self.role,
            **self.report.model_dump(mode="json"),
            "gmacs": {str(planes): round(rate, 4) for planes, rate in self.gmacs.items()},
        }

    def write(self, directory: Path) -> list[Path]:
        """Write the report and the bitstream into a directory, which is made if need be."""
        files: dict[str, str | bytes] = {
            f"{self.name}.placement.json": json.dumps(self.as_dict(), indent=2) + "\n"
        }
        if self.bitstream is not None:
            files[f"{self.name}.bit"] = self.bitstream
        return write_all(directory, files)


def place_design(
    design: Design,
    device: str,
    *,
    roles: Sequence[str] | None = None,
    asked_hz: float = 100e6,
    seed: int = 1,
    constraints: str | None = None,
    bitstream: bool = False,
    progress: Callable[[str, str], None] = lambda role, stage: None,
) -> list[PlacedComponent]:
    """Place and route the components of a design, each alone on the device.

    Parameters
    ----------
    design
    device
        A key of `anda.flow.devices.DEVICES`.
    roles
        Only these components.
    asked_hz, seed, constraints, bitstream
        As `anda.flow.place.place` takes them.
    progress
        Called with the component and the stage that begins; "placed" is the last.

    Raises
    ------
    ValueError
        When the design has no such component, the device is unknown, a tool is missing, or a component does
        not fit.
    """
    found = []
    for top in choose(tops(design), roles):
        component = top.make()
        product = generate(design, replace(top, make=partial(_the_same, component)))
        placed = place(
            on_pins(product.verilog, product.sidecar),
            device,
            asked_hz=asked_hz,
            seed=seed,
            constraints=constraints,
            bitstream=bitstream,
            progress=partial(progress, top.role),
        )
        progress(top.role, "placed")
        clock = placed.report.clock_hz
        rates = {planes: float(macs * clock / 1e9) for planes, macs in macs_per_cycle(component).items()}
        found.append(PlacedComponent(product.role, product.name, placed.report, rates, placed.bitstream))
    return found


def _the_same(component: NamedComponent) -> NamedComponent:
    """What makes a component that is there already, so that its rate is that of the Verilog."""
    return component
