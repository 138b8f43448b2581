"""Run a cocotb bench on Verilog and say what came of it.

The bench is a Python module with `cocotb.test` functions; it runs inside the simulator's process. What it
needs to know travels in a JSON file (`sim.bench.parameters` reads it there), what it found out comes back
as cocotb's results file and a coverage file.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cocotb_tools.runner import get_runner

from .build import build, pick_simulator
from .coverage import Coverage

__all__ = ["BenchResult", "BenchTest", "run_bench"]

_LOG_TAIL = 40


@dataclass(frozen=True)
class BenchTest:
    """What came of one test of a bench; `failure` is None when it passed."""

    name: str
    seconds: float
    failure: str | None


@dataclass(frozen=True)
class BenchResult:
    """What came of one run.

    Attributes
    ----------
    bench, top, simulator : str
    seed : int
        Given again, it repeats the run exactly.
    tests : tuple of BenchTest
    build_seconds, run_seconds : float
    coverage : Coverage
    log : Path
        Everything the simulator and the bench printed.
    waves : Path or None
    """

    bench: str
    top: str
    simulator: str
    seed: int
    tests: tuple[BenchTest, ...]
    build_seconds: float
    run_seconds: float
    coverage: Coverage = field(repr=False)
    log: Path
    waves: Path | None

    @property
    def failures(self) -> list[str]:
        """One message a failure; a run without any test is one."""
        if not self.tests:
            return [f"{self.bench} on {self.top}: no test ran; the end of {self.log} is\n{self.log_tail()}"]
        return [
            f"{self.bench}.{t.name} on {self.top}: {t.failure}" for t in self.tests if t.failure is not None
        ]

    @property
    def ok(self) -> bool:
        """Whether at least one test ran and all passed."""
        return not self.failures

    def log_tail(self, lines: int = _LOG_TAIL) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> BenchResult:
        """Return the result itself, or raise.

        Raises
        ------
        AssertionError
            With every failure, the seed, and the end of the log.
        """
        if not self.ok:
            parts = [str(self), *self.failures, f"end of {self.log}:", self.log_tail()]
            raise AssertionError("\n".join(parts))
        return self

    def __str__(self) -> str:
        bad = sum(test.failure is not None for test in self.tests)
        return (
            f"{self.bench} on {self.top} ({self.simulator}): {len(self.tests)} tests, {bad} failed, "
            f"seed {self.seed}, build {self.build_seconds:.1f} s, run {self.run_seconds:.1f} s"
        )


def run_bench(
    bench: str,
    verilog: str | Path,
    top: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    simulator: str = "auto",
    seed: int | None = None,
    waves: bool = False,
    tests: Sequence[str] | None = None,
    work: Path = Path("build/sim"),
) -> BenchResult:
    """Compile the Verilog if need be, run the bench on it, and collect the results.

    Parameters
    ----------
    bench : str
        Importable name of the bench module.
    verilog : str or Path
        The text, or the file that holds it.
    top : str
        Name of the module to simulate.
    parameters : mapping
        Anything JSON can hold; `sim.bench.parameters()` gives it to the bench.
    simulator : str
        "verilator", "icarus", or "auto" for the first of these that is installed.
    seed : int or None
        Seed of everything random in the run; None draws one.
    waves : bool
        Record every signal: `waves.vcd` from Verilator, `waves.fst` from Icarus, in the directory of the run.
    tests : sequence of str or None
        Only these tests of the bench.
    work : Path
        Where compiled simulations (shared, kept) and the directory of this run go.

    Returns
    -------
    BenchResult

    Raises
    ------
    BuildError
        When the simulator refuses the Verilog.
    ValueError
        When the simulator is unknown or not installed.
    """
    simulator = pick_simulator(simulator)
    seed = secrets.randbits(32) if seed is None else seed
    text = verilog.read_text() if isinstance(verilog, Path) else verilog
    started = time.perf_counter()
    compiled = build(text, top, simulator=simulator, waves=waves, cache=work / "cache")
    built = time.perf_counter()

    work.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{bench.rpartition('.')[2]}-{seed}-", dir=work)).resolve()
    (directory / "bench.json").write_text(json.dumps(parameters or {}, indent=1))
    trace = directory / f"waves.{'vcd' if simulator == 'verilator' else 'fst'}" if waves else None
    arguments: list[str] = []
    options = [f"+bench={directory}"]
    if simulator == "verilator":
        # Registers without a reset start with random values, another set for every seed.
        options += ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (1 << 31) or 1}"]
        arguments += ["--trace-file", str(trace)] if waves else []
    elif waves:
        options.append(f"+waves={trace}")

    runner = get_runner(simulator)
    log = directory / "log.txt"
    results = directory / "results.xml"
    environment = {"COCOTB_ANSI_OUTPUT": "0"}
    # A run started by pytest is none of pytest's business: without this, cocotb would end the process.
    outer = os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        runner.test(
            bench,
            top,
            hdl_toplevel_lang="verilog",
            testcase=tests,
            seed=seed,
            test_args=arguments,
            plusargs=options,
            extra_env=environment,
            waves=waves,
            build_dir=compiled.directory,
            test_dir=directory,
            results_xml=str(results),
            log_file=log,
        )
    except (RuntimeError, SystemExit):
        pass  # the simulator ended with an error code: the results, or their absence, tell
    finally:
        if outer is not None:
            os.environ["PYTEST_CURRENT_TEST"] = outer
    coverage = directory / "coverage.json"
    return BenchResult(
        bench=bench,
        top=top,
        simulator=simulator,
        seed=seed,
        tests=_read_results(results),
        build_seconds=built - started,
        run_seconds=time.perf_counter() - built,
        coverage=Coverage.load(coverage) if coverage.exists() else Coverage(),
        log=log,
        waves=trace if trace is not None and trace.exists() else None,
    )


def _read_results(path: Path) -> tuple[BenchTest, ...]:
    if not path.exists():
        return ()
    tests = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        bad = [child for kind in ("failure", "error") for child in case.findall(kind)]
        message = "; ".join(_message(each) for each in bad) or None
        tests.append(BenchTest(str(case.get("name")), float(case.get("time", 0)), message))
    return tuple(tests)


def _message(failure: ElementTree.Element) -> str:
    kind, text = failure.get("type") or "failed", failure.get("message") or ""
    return text if kind == "AssertionError" and text else f"{kind}: {text}"
