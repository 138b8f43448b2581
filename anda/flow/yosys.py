"""Yosys from PyPI, run where it can do no harm.

The `pyosys` wheel is a Python module, but an error inside Yosys ends the whole process, and every pass
prints to the terminal. So it always runs in a process of its own, and what it says goes to a log.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "Netlist",
    "YosysError",
    "YosysRun",
    "design_name",
    "quoted",
    "run_yosys",
    "tool_versions",
    "yosys_version",
]

#: Passes the child runs; the last line of its log is the error when there is one.
_CHILD = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1], ys.Design())"
_ERROR = re.compile(r"^(?:.*: )?ERROR: (.*)$", re.MULTILINE)

#: A design as `write_json` prints it: modules, their ports, cells and netnames.
Netlist = dict[str, Any]


class YosysError(ValueError):
    """Yosys is not there, or refused the design; the message holds its own words."""


@dataclass(frozen=True)
class YosysRun:
    """What a run left behind: everything it printed, and the netlists it wrote, by name."""

    log: str
    netlists: dict[str, Netlist]
    rtlil: dict[str, str]


def run_yosys(
    passes: Sequence[str], *, inputs: dict[str, str] | None = None, timeout: float | None = None
) -> YosysRun:
    """Run passes in a fresh process and a fresh folder.

    Parameters
    ----------
    passes
        One command each. Files they write to relative names ``*.json`` and ``*.il`` are returned.
    inputs
        Files to put into the folder first, name to contents.
    timeout
        Seconds after which the run is given up; None waits.

    Raises
    ------
    YosysError
        When pyosys is not installed, Yosys reports an error, or the time is over.
    """
    yosys_version()
    with tempfile.TemporaryDirectory(prefix="anda-") as name:
        folder = Path(name)
        for file, text in (inputs or {}).items():
            (folder / file).write_text(text, encoding="utf-8")
        (folder / "run.ys").write_text("\n".join(passes) + "\n", encoding="utf-8")
        log = _run_child(folder, timeout)
        return YosysRun(
            log,
            {file.stem: json.loads(file.read_bytes()) for file in folder.glob("*.json")},
            {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.il")},
        )


def _run_child(folder: Path, timeout: float | None) -> str:
    """Run the script in `folder`; the child leads its own process group, so that ABC ends with it."""
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, "run.ys"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # ABC leaves its folder behind when it crashes; here it goes with the rest.
        env={**os.environ, "TMPDIR": str(folder)},
    ) as child:
        try:
            log, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise YosysError(f"Expected Yosys to end within {timeout:g} s, it did not.") from error
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    if child.returncode:
        raise YosysError(_reason(log, folder))
    return log


def yosys_version() -> str:
    """Version of the installed pyosys.

    Raises
    ------
    YosysError
        When it is not installed.
    """
    try:
        found = version("pyosys")
    except PackageNotFoundError:
        found = ""
    if not found or importlib.util.find_spec("pyosys") is None:
        raise YosysError(
            "Expected the Python package pyosys for synthesis, it is not installed: pip install 'anda[flow]'."
        )
    return found


def tool_versions() -> dict[str, str]:
    """Versions of pyosys and of the ABC inside it, for reports.

    Raises
    ------
    YosysError
        When pyosys is not installed.
    """
    versions = {"pyosys": yosys_version()}
    spec = importlib.util.find_spec("pyosys")
    for place in (spec.submodule_search_locations or []) if spec else []:
        program = Path(place) / "yosys-abc"
        if program.exists():
            said = subprocess.run([program, "-c", "version"], capture_output=True, text=True, check=False)
            if found := re.search(r"ABC \S+ \(.*\)", said.stdout):
                versions["abc"] = found[0].removeprefix("ABC ")
    return versions


def design_name(name: str) -> str:
    """A module name as one word of a Yosys script.

    Raises
    ------
    YosysError
        When it is no plain Verilog identifier.
    """
    if not re.fullmatch(r"[A-Za-z_][\w$]*", name):
        raise YosysError(f"Expected the name of a Verilog module, got {name!r}.")
    return name


def quoted(path: Path | str) -> str:
    """A path as one word of a Yosys script."""
    text = str(path)
    if '"' in text or "\n" in text:
        raise YosysError(f"Expected a path without quotes and line ends, got {text!r}.")
    return f'"{text}"'


def _reason(log: str, folder: Path) -> str:
    errors = _ERROR.findall(log)
    words = errors[-1] if errors else (log.strip().splitlines() or ["nothing"])[-1]
    words = words.strip().replace(f"{folder}/", "").rstrip(".!")
    return f"Yosys refused the design: {words}."
