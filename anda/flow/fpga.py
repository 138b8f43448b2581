"""Look-up tables of a Verilog design on FPGA families, counted by Yosys' own flows for them.

Counts are after synthesis and before packing: a placer merges some, such as a look-up table with the carry
it feeds. There are no delays here, those come with place and route.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rich.table import Table

from anda.flow.synth import read_verilog
from anda.flow.yosys import YosysError, design_name, run_yosys, tool_versions

__all__ = ["FAMILIES", "FpgaReport", "luts"]


@dataclass(frozen=True)
class _Family:
    """How to synthesize for a family, and which of its cells are what."""

    title: str
    passes: str
    luts: str
    carries: str
    flops: str
    multipliers: str
    memories: str


#: No pads and clock buffers: the design is a part of something larger. ECP5's wide multiplexers are off
#: because they trade many look-up tables for depth (743 against 1,188 for a 64-lane bit heap).
FAMILIES: dict[str, _Family] = {
    "ice40": _Family(
        "Lattice iCE40",
        "synth_ice40 -dsp",
        "SB_LUT4",
        "SB_CARRY",
        "SB_DFF.*",
        "SB_MAC16",
        "SB_(SP)?RAM.*",
    ),
    "ecp5": _Family(
        "Lattice ECP5",
        "synth_ecp5 -nowidelut",
        "LUT4",
        "CCU2C",
        "TRELLIS_FF",
        "MULT.*|ALU54B",
        "DP16KD|TRELLIS_DPR.*",
    ),
    "xc7": _Family(
        "Xilinx 7 series",
        "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
        "LUT[1-6]|INV",
        "CARRY4",
        "FD[RSCP]E(_1)?",
        "DSP48E1",
        "RAM.*|SRL.*",
    ),
}


class FpgaReport(BaseModel):
    """What a design takes of an FPGA family.

    Attributes
    ----------
    luts
        Look-up tables, of any number of inputs the family has.
    carries
        Carry cells: one bit each on iCE40, two on ECP5, four on Xilinx 7.
    flops, multipliers, memories
        Flip-flops, hard multipliers, block and distributed memories.
    cells
        Every cell type with its count, most frequent first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["fpga"] = "fpga"
    evidence: Literal["synthesized"] = "synthesized"
    top: str
    family: str
    luts: int
    carries: int
    flops: int
    multipliers: int
    memories: int
    cells: dict[str, int]
    verilog_sha256: str
    tools: dict[str, str]

    def table(self) -> Table:
        """The report for a terminal."""
        table = Table(title=f"{self.top} on {FAMILIES[self.family].title}", title_justify="left")
        table.add_column("cell")
        table.add_column("count", justify="right")
        for name in ("luts", "carries", "flops", "multipliers", "memories"):
            table.add_row(name, f"{getattr(self, name):,}")
        return table


def luts(verilog: Path | str, top: str, family: str) -> FpgaReport:
    """Synthesize a Verilog file for an FPGA family.

    Parameters
    ----------
    verilog
        Path of the file, or its text.
    top
        Module to synthesize.
    family
        ``ice40``, ``ecp5`` or ``xc7``.

    Raises
    ------
    YosysError
        When the family is unknown, or Yosys is missing or refuses the design.
    """
    if family not in FAMILIES:
        raise YosysError(f"Expected an FPGA family among {', '.join(FAMILIES)}, got {family!r}.")
    known = FAMILIES[family]
    text = read_verilog(verilog)
    run = run_yosys(
        ["read_verilog -sv design.v", f"{known.passes} -top {design_name(top)}", "write_json mapped.json"],
        inputs={"design.v": text},
    )
    cells = Counter(_cells(run.netlists["mapped"]["modules"], top))
    return FpgaReport(
        top=top,
        family=family,
        luts=_count(cells, known.luts),
        carries=_count(cells, known.carries),
        flops=_count(cells, known.flops),
        multipliers=_count(cells, known.multipliers),
        memories=_count(cells, known.memories),
        cells=dict(sorted(cells.items(), key=lambda item: (-item[1], item[0]))),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
        tools=tool_versions(),
    )


def _cells(modules: dict[str, dict[str, dict[str, dict[str, str]]]], module: str) -> Iterator[str]:
    """Cell types of a flat module; the names of flattened scopes are no cells."""
    for cell in modules[module]["cells"].values():
        if not cell["type"].startswith("$"):
            yield cell["type"]


def _count(cells: Counter[str], pattern: str) -> int:
    return sum(count for name, count in cells.items() if re.fullmatch(pattern, name))
