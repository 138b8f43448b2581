"""Check a component against the golden model: build it, run its bench, and report."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.table import Table

from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent

from .bench_table import bench_of
from .chain import Chain, chain_bench
from .configurations import DRAWS, distinct
from .coverage import Coverage
from .proofs.catalog import theorems_of
from .proofs.theorem import Theorem, Verdict, prove_all
from .runner import BenchResult, run_bench

__all__ = ["VerificationReport", "bench_of", "soak", "verify", "verify_random"]


@dataclass(frozen=True)
class VerificationReport:
    """What came of checking one or more components.

    Attributes
    ----------
    runs : tuple of BenchResult
        One a component, and one more for each chain of products.
    coverage : Coverage
        Of all runs together.
    seconds : float
    proofs : tuple of Verdict
        The theorems about the sizes of the components, if they were asked for.
    """

    runs: tuple[BenchResult, ...]
    coverage: Coverage
    seconds: float
    proofs: tuple[Verdict, ...] = ()

    @property
    def failures(self) -> list[str]:
        """One message a failure; no run at all is one."""
        if not self.runs:
            return ["no component was checked"]
        found = [
            f"{failure} (simulator {run.simulator}, seed {run.seed})"
            for run in self.runs
            for failure in run.failures
        ]
        return found + [str(verdict) for verdict in self.proofs if not verdict.ok]

    @property
    def ok(self) -> bool:
        """Whether there was a run, every test of every run passed, and every proof came out as it should."""
        return not self.failures

    def check(self) -> VerificationReport:
        """Return the report itself, or raise.

        Raises
        ------
        AssertionError
            With every failure.
        """
        for run in self.runs:
            run.check()
        if not self.ok:
            raise AssertionError("\n".join(self.failures))
        return self

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            "ok": self.ok,
            "failures": self.failures,
            "seconds": round(self.seconds, 2),
            "runs": [
                {
                    "component": run.top,
                    "bench": run.bench.rpartition(".")[2],
                    "simulator": run.simulator,
                    "seed": run.seed,
                    "ok": run.ok,
                    "tests": [asdict(test) for test in run.tests],
                    "seconds": round(run.build_seconds + run.run_seconds, 2),
                    "waves": str(run.waves) if run.waves else None,
                    "log": str(run.log),
                }
                for run in self.runs
            ],
            "coverage": {
                name: {
                    "percent": round(self.coverage.percent(name), 1),
                    "unreached": self.coverage.unreached(name),
                }
                for name in self.coverage
            },
            "proofs": [verdict.as_dict() for verdict in self.proofs],
        }

    def table(self) -> Table:
        """For people: a row a run."""
        table = Table(title="benches against the golden model")
        for column in ("component", "bench", "simulator"):
            table.add_column(column, overflow="fold")
        for column in ("seed", "tests", "failed", "seconds"):
            table.add_column(column, justify="right")
        for run in self.runs:
            failed = sum(test.failure is not None for test in run.tests)
            seconds = f"{run.build_seconds + run.run_seconds:.1f}"
            names = run.top, run.bench.rpartition(".")[2], run.simulator
            table.add_row(*names, str(run.seed), str(len(run.tests)), str(failed), seconds)
        return table


def verify(
    components: NamedComponent | Iterable[NamedComponent],
    *,
    seed: int | None = None,
    simulator: str = "auto",
    waves: bool = False,
    quick: bool = False,
    proofs: bool = False,
    chain: Callable[[AcceleratorParameters], Chain] | None = None,
    work: Path = Path("build/sim"),
    progress: Callable[[BenchResult], None] | None = None,
) -> VerificationReport:
    """Run the benches of components on their generated Verilog.

    Parameters
    ----------
    components : NamedComponent or iterable of them
    seed : int or None
        Seed of all random data; None draws one for each run, and the report says which.
    simulator : str
        "verilator", "icarus" or "auto".
    waves : bool
        Record every signal of every run.
    quick : bool
        A tenth of the random data; directed tests are never left out.
    proofs : bool
        Prove the theorems about the sizes of these components as well (seconds to minutes each).
    chain : callable
        Gives products with their data for an accelerator, which they are run on as well.
    work : Path
        Where compiled simulations and the runs' files go.
    progress : callable
        Called with each result as it comes.

    Returns
    -------
    VerificationReport
    """
    started = time.perf_counter()
    runs = []
    coverage = Coverage()
    theorems: dict[str, Theorem] = {}
    for component in [components] if isinstance(components, NamedComponent) else components:
        verilog = emit_verilog(component)
        benches = [bench_of(component, quick=quick)]
        if chain is not None and isinstance(component, Accelerator):
            benches.append(chain_bench(component.parameters, chain(component.parameters), work))
        for bench, parameters in benches:
            result = run_bench(
                bench,
                verilog,
                component.module_name,
                parameters=parameters,
                simulator=simulator,
                seed=seed,
                waves=waves,
                work=work,
            )
            runs.append(result)
            coverage.merge(result.coverage)
            if progress is not None:
                progress(result)
        theorems |= {theorem.name: theorem for theorem in theorems_of(component)}
    verdicts = prove_all(theorems.values(), work / "proofs") if proofs else []
    return VerificationReport(tuple(runs), coverage, time.perf_counter() - started, tuple(verdicts))


def verify_random(kind: str, count: int, *, seed: int | None = None, **options: Any) -> VerificationReport:
    """Draw random configurations of one kind of component, all different, and verify each.

    Parameters
    ----------
    kind : str
        One of `sim.configurations.DRAWS`.
    count : int
        How many.
    seed : int or None
        Of the configurations and of the data; None draws one.
    options
        As for `verify`.
    """
    if kind not in DRAWS:
        raise ValueError(f"random configurations can be drawn of {', '.join(DRAWS)}, not of {kind!r}")
    seed = secrets.randbits(32) if seed is None else seed
    recipes = distinct(DRAWS[kind], count, Random(seed))
    return verify((recipe() for recipe in recipes), seed=seed, **options)


def soak(
    kind: str,
    minutes: float,
    *,
    seed: int | None = None,
    report: Callable[[VerificationReport], None] | None = None,
    **options: Any,
) -> VerificationReport:
    """Draw random configurations of one kind of component and verify each, until the time is over.

    Parameters
    ----------
    kind : str
        One of `sim.configurations.DRAWS`.
    minutes : float
        After so many no more configuration is begun; there is at least one.
    seed : int or None
        Of the configurations and of all data; None draws one. The same seed tries the same things in the same
        order.
    report : callable
        Called with the report on each configuration.
    options
        As for `verify`.

    Returns
    -------
    VerificationReport
        On all of them. It ends with the first configuration that fails.
    """
    if kind not in DRAWS:
        raise ValueError(f"random configurations can be drawn of {', '.join(DRAWS)}, not of {kind!r}")
    started = time.perf_counter()
    random = Random(secrets.randbits(32) if seed is None else seed)
    runs: list[BenchResult] = []
    coverage = Coverage()
    while not runs or time.perf_counter() - started < 60 * minutes:
        found = verify(DRAWS[kind](random)(), seed=random.getrandbits(32), **options)
        runs += found.runs
        coverage.merge(found.coverage)
        if report is not None:
            report(found)
        if not found.ok:
            break
    return VerificationReport(tuple(runs), coverage, time.perf_counter() - started)
