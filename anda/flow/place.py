"""Place and route on an FPGA: what a design takes of a device, how fast it is there, and its bitstream.

nextpnr comes from PyPI as WebAssembly, which sees the folder that it is started in and no other: everything
happens in a folder of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from anda.flow.devices import DEVICES, Device
from anda.flow.fpga import FAMILIES
from anda.flow.on_pins import Harness
from anda.flow.yosys import design_name, run_yosys, tool_versions

__all__ = ["PlaceError", "Placed", "PlacementReport", "Use", "place"]

#: Lines of nextpnr's log that begin a stage, and what to call it.
_STAGES = {
    "Packing": "packing",
    "Creating initial analytic placement": "placing",
    "Running simulated annealing": "refining the placement",
    "Routing": "routing",
}


class PlaceError(ValueError):
    """The design does not fit, or the tools refuse it; the message holds their own words."""


class Use(BaseModel):
    """How much of one kind of cell is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    used: int
    available: int

    @property
    def share(self) -> float:
        """Of what the device has."""
        return self.used / self.available


class PlacementReport(BaseModel):
    """A placed and routed design.

    Attributes
    ----------
    device
        A key of `anda.flow.devices.DEVICES`.
    uses
        ``luts``, ``flops``, ``memories`` and ``multipliers``, the harness included. On iCE40 a logic cell
        holds a look-up table and a flip-flop, and ``luts`` counts cells.
    harness_flops, harness_luts
        What of it only stands in for pins.
    clock_hz
        The fastest clock by nextpnr's timing analysis.
    asked_hz
        The clock that it was asked to reach.
    seed
        Of the placement.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["placement"] = "placement"
    evidence: Literal["placed"] = "placed"
    top: str
    device: str
    uses: dict[str, Use]
    harness_flops: int
    harness_luts: int
    clock_hz: float
    asked_hz: float
    seed: int
    verilog_sha256: str
    tools: dict[str, str]


@dataclass(frozen=True)
class Placed:
    """The report, and the bitstream if one was asked for."""

    report: PlacementReport
    bitstream: bytes | None


def place(
    harness: Harness,
    device: str,
    *,
    asked_hz: float = 100e6,
    seed: int = 1,
    constraints: str | None = None,
    bitstream: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Placed:
    """Synthesize, place and route a design between registers.

    Parameters
    ----------
    harness
        From `anda.flow.on_pins.on_pins`, or any module of which every pin fits the device.
    device
        A key of `anda.flow.devices.DEVICES`.
    asked_hz
        Clock to aim for; missing it is no error.
    seed
        Of the placement; equal seeds give equal results.
    constraints
        Text of a pin file (LPF or PCF); pins that it does not name are chosen by the tool.
    bitstream
        Pack one as well.
    progress
        Called with the name of each stage as it begins.

    Raises
    ------
    PlaceError
        When the device is unknown, nextpnr is not installed, or the design does not fit.
    YosysError
        When Yosys refuses the design.
    """
    if device not in DEVICES:
        raise PlaceError(f"expected a device ({', '.join(DEVICES)}), not {device!r}")
    known = DEVICES[device]
    if importlib.util.find_spec(known.package) is None:
        raise PlaceError(
            f"placing on {device} needs the package {known.distribution}, which is not installed: "
            f"run `pip install {known.distribution}`"
        )
    progress("synthesizing")
    with tempfile.TemporaryDirectory(prefix="anda-") as name:
        folder = Path(name)
        (folder / "design.json").write_text(json.dumps(_synthesized(harness, known)), encoding="utf-8")
        pins = _pins(folder, known, constraints)
        arguments = [*known.arguments, *pins, "--json", "design.json", "--top", harness.name]
        arguments += ["--freq", f"{asked_hz / 1e6:g}", "--timing-allow-fail", "--seed", str(seed)]
        _run(
            folder,
            known,
            known.place,
            [*arguments, "--report", "report.json", known.result, "placed"],
            progress,
        )
        found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        packed = None
        if bitstream:
            progress("packing the bitstream")
            _run(folder, known, known.pack, ["placed", "bitstream"], progress)
            packed = (folder / "bitstream").read_bytes()
    return Placed(_report(harness, device, found, asked_hz, seed), packed)


def _synthesized(harness: Harness, device: Device) -> dict[str, Any]:
    passes = FAMILIES[device.family].passes
    run = run_yosys(
        ["read_verilog -sv design.v", f"{passes} -top {design_name(harness.name)}", "write_json mapped.json"],
        inputs={"design.v": harness.verilog},
    )
    return run.netlists["mapped"]


def _pins(folder: Path, device: Device, constraints: str | None) -> list[str]:
    """The pin file as the device's program takes it."""
    if constraints is None:
        return []
    (folder / "pins").write_text(constraints, encoding="utf-8")
    return ["--lpf" if device.family == "ecp5" else "--pcf", "pins"]


def _run(
    folder: Path, device: Device, function: str, arguments: list[str], progress: Callable[[str], None]
) -> None:
    """One program of the device's package, in a process of its own."""
    code = f"import sys; from {device.package} import {function} as run; sys.exit(run(sys.argv[1:]))"
    said: list[str] = []
    lacking = stage = ""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        for line in child.stdout or ():
            said.append(line)
            for begin, entered in _STAGES.items():
                if line.startswith(f"Info: {begin}") and entered != stage:
                    stage = entered
                    progress(stage)
            if lacking := _lacking(line):
                # The placer would try for hours.
                child.kill()
                break
    if lacking:
        raise PlaceError(f"the design does not fit {device.title}: {lacking}")
    if child.returncode:
        errors = re.findall(r"^(?:ERROR|Error): (.*)$", "".join(said), re.MULTILINE)
        words = errors[0] if errors else (said or ["nothing\n"])[-1].strip()
        raise PlaceError(f"the design cannot be placed on {device.title}: {words.rstrip('.!')}")


def _lacking(line: str) -> str:
    """What a line of nextpnr's table of cells says about too many of them; empty when there are enough."""
    cells = re.match(r"Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", line)
    if cells is None or int(cells[2]) <= int(cells[3]):
        return ""
    return f"it needs {int(cells[2]):,} cells {cells[1]}, of which there are {int(cells[3]):,}"


def _report(harness: Harness, device: str, found: dict[str, Any], asked: float, seed: int) -> PlacementReport:
    known = DEVICES[device]
    clocks = [clock["achieved"] for clock in found["fmax"].values()]
    if not clocks:
        raise PlaceError(f"{harness.name} has no path from a register to a register to time")
    return PlacementReport(
        top=harness.name,
        device=device,
        uses={
            kind: Use(used=cell["used"], available=cell["available"])
            for name, kind in known.cells.items()
            if (cell := found["utilization"].get(name)) is not None
        },
        harness_flops=harness.flops,
        harness_luts=harness.luts,
        clock_hz=min(clocks) * 1e6,
        asked_hz=asked,
        seed=seed,
        verilog_sha256=hashlib.sha256(harness.verilog.encode()).hexdigest(),
        tools=tool_versions() | {known.distribution: version(known.distribution)},
    )
