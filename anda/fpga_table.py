"""Components on real devices: measured for docs/fpga.md, and its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

from anda.config import load
from anda.flow.devices import DEVICES
from anda.kept import Kept, sources_sha256
from anda.placement import place_design
from hdl.emit import tool_versions

__all__ = ["PLACED", "fpga_rows", "measure_fpga"]

#: What is placed: preset, component, device, and the clock in MHz that is aimed for.
PLACED = (
    ("published", "pe", "ecp5-25k", 100),
    ("compact", "pe", "ecp5-25k", 100),
    ("compact", "column", "ecp5-25k", 100),
    ("compact", "accumulator", "ecp5-25k", 100),
    ("compact", "compressor", "ecp5-25k", 100),
    ("ulx3s", "accelerator", "ecp5-85k", 50),
)

#: Planes whose rates the table shows.
_PLANES = (4, 6, 8)


def measure_fpga(kept: Kept, report: Callable[[str], None]) -> dict[str, Any]:
    """Place and route everything in `PLACED`.

    Parameters
    ----------
    kept
        Where placements are kept: an interrupted run goes on where it stopped.
    report
        Told about each stage before it begins.
    """
    rows = [_row(*what, kept, report) for what in PLACED]
    return {"evidence": "placed", "tools": tool_versions(), "rows": rows}


def _row(
    preset: str, role: str, device: str, mhz: float, kept: Kept, report: Callable[[str], None]
) -> dict[str, Any]:
    design = load(preset)
    depends = {
        "configuration_sha256": design.hash,
        "role": role,
        "device": device,
        "mhz": mhz,
        "sources": sources_sha256("golden", "hdl", "anda.flow.on_pins", "anda.flow.place"),
        "nextpnr": version(DEVICES[device].distribution),
    }
    found = kept.get(depends)
    if found is None:
        tell = partial(_tell, report, preset)
        [placed] = place_design(design, device, roles=[role], asked_hz=mhz * 1e6, progress=tell)
        found = {"design": preset, "configuration_sha256": design.hash, **placed.as_dict()}
        kept.put(depends, found)
    return dict(found)


def _tell(report: Callable[[str], None], preset: str, role: str, stage: str) -> None:
    report(f"{preset} {role}: {stage}")


def fpga_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A row for each component: what it takes, its clock, and its rates."""
    headers = ["component", "device", "LUTs", "flip-flops", "of these around it", "memories", "clock, MHz"]
    headers += [f"GMAC/s, {planes} planes" for planes in _PLANES]
    body = []
    for row in data["rows"]:
        uses, rates = row["uses"], row["gmacs"]
        body.append(
            [
                f"`{row['design']}` {row['role']}",
                row["device"],
                *(f"{uses[kind]['used']:,} ({_share(uses[kind]):.0%})" for kind in ("luts", "flops")),
                f"{row['harness_luts']:,} and {row['harness_flops']:,}",
                f"{uses['memories']['used']:,}",
                f"{row['clock_hz'] / 1e6:.1f}",
                *(f"{rates[str(planes)]:.2f}" if rates else "-" for planes in _PLANES),
            ]
        )
    return headers, body


def _share(use: Mapping[str, int]) -> float:
    return use["used"] / use["available"]
