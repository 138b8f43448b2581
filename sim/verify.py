"""Check a component against the golden model: build it, run its bench, and report."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from amaranth.hdl import Shape
from rich.table import Table

from hdl.accelerator import Accelerator
from hdl.accumulator import Accumulator
from hdl.array import Array
from hdl.array_column import weights_layout
from hdl.column import PeColumn
from hdl.compressor import Compressor
from hdl.datapath import Datapath
from hdl.elementwise import Elementwise
from hdl.emit import emit_verilog
from hdl.engine import Engine
from hdl.group_buffer import GroupBuffer
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator
from hdl.pe import ProcessingElement
from hdl.plane_store import PlaneStore
from hdl.weight_store import WeightStore
from hdl.weights import WeightBuffer

from .configurations import DRAWS, distinct
from .coverage import Coverage
from .proofs.catalog import theorems_of
from .proofs.theorem import Theorem, Verdict, prove_all
from .runner import BenchResult, run_bench
from .units import HeapUnit

__all__ = ["VerificationReport", "bench_of", "verify", "verify_random"]


@dataclass(frozen=True)
class VerificationReport:
    """What came of checking one or more components.

    Attributes
    ----------
    runs : tuple of BenchResult
        One a component.
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
        for column in ("component", "simulator", "seed", "tests", "failed", "seconds"):
            table.add_column(column, justify="left" if column in ("component", "simulator") else "right")
        for run in self.runs:
            failed = sum(test.failure is not None for test in run.tests)
            seconds = f"{run.build_seconds + run.run_seconds:.1f}"
            table.add_row(run.top, run.simulator, str(run.seed), str(len(run.tests)), str(failed), seconds)
        return table


def bench_of(component: NamedComponent, *, quick: bool = False) -> tuple[str, dict[str, Any]]:
    """The bench for a component, and the parameters it needs.

    Parameters
    ----------
    component : NamedComponent
    quick : bool
        A tenth of the random data.

    Raises
    ------
    ValueError
        When there is no bench for this kind of component.
    """
    for kind, (bench, parameters) in _BENCHES.items():
        if isinstance(component, kind):
            return f"sim.benches.{bench}", parameters(component, 1 if quick else 10)
    raise ValueError(f"there is no bench for a {type(component).__name__}")


def _pe(component: Any, effort: int) -> dict[str, Any]:
    shape = ("lanes", "level_bits", "max_planes", "encoding", "planes_per_cycle", "weights", "reduction")
    p = component.parameters
    given = {name: getattr(p, name) for name in (*shape, "activations", "sum_bits", "latency")}
    form = getattr(component, "format", None)
    return given | {
        "certified": [p.certified.min, p.certified.max] if p.certified else None,
        "rows": getattr(component, "rows", 0),
        "format": form.name if form else None,
        "groups": 3 * effort,
    }


def _compressor(component: Any, effort: int) -> dict[str, Any]:
    shape = ("group", "lanes", "max_planes", "encoding", "rounding", "latency")
    p = component.parameters
    given = {name: getattr(p, name) for name in shape}
    cycles = {planes: p.cycles(planes) for planes in range(2, p.max_planes + 1)}
    return given | {"cycles": cycles, "planes_bits": len(component.group_planes), "batches": effort}


def _accumulator(component: Any, effort: int) -> dict[str, Any]:
    shape = ("sum_bits", "max_planes", "slots", "slot_bits", "output", "latency")
    given = {name: getattr(component.parameters, name) for name in shape}
    return given | {"rows": 3 * effort}


def _multistage(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    given = {name: getattr(p, name) for name in ("slots", "slot_bits", "latency")}
    return given | {
        "terms": [p.terms.min, p.terms.max],
        "stages": [[stage.bits, stage.count, stage.policy] for stage in p.stages],
        "ranges": [[reached.min, reached.max] for reached in p.stage_ranges],
        "flags": p.has_flags,
        "rows": 3 * effort,
    }


def _datapath(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    return {
        "group": p.pe.lanes,
        "max_planes": p.pe.max_planes,
        "encoding": p.pe.encoding,
        "rounding": p.compressor.rounding,
        "level_bits": p.pe.level_bits,
        "columns": p.columns,
        "column_bits": p.column_bits,
        "output": p.accumulator.output,
        "rows": effort,
    }


def _array(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    shape = ("rows", "columns", "sharing", "columns_per_load", "output")
    of_element = ("lanes", "level_bits", "max_planes", "encoding", "planes_per_cycle")
    return {name: getattr(p, name) for name in shape} | {
        **{name: getattr(p.pe, name) for name in of_element},
        "weight_bits": Shape.cast(weights_layout(p)["weights"].shape).width,
        "format": p.format.name if p.format else None,
        "tiles": effort,
    }


def _plane_store(component: Any, effort: int) -> dict[str, Any]:
    return asdict(component.parameters) | {"jobs": effort}


def _weight_store(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    return {
        "columns": array.columns,
        "columns_per_load": array.columns_per_load,
        "weight_bits": Shape.cast(weights_layout(array)["weights"].shape).width,
        "words": p.words,
        "jobs": effort,
    }


def _group_buffer(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    shape = {name: getattr(array, name) for name in ("rows", "columns", "sharing")}
    return {**shape, "group": p.group, "jobs": effort}


def _elementwise(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    shape = {name: getattr(p, name) for name in ("columns", "words", "silu", "latency")}
    return {**shape, "rows": p.groups.array.rows, "tiles": p.groups.tiles, "jobs": effort}


def _engine(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    of_element = ("lanes", "level_bits", "max_planes", "encoding")
    return {
        **{name: getattr(array, name) for name in ("rows", "columns", "columns_per_load")},
        **{name: getattr(array.pe, name) for name in of_element},
        **{name: getattr(p, name) for name in ("rounding", "plane_words", "plane_groups", "weight_words")},
        "weight_bits": Shape.cast(weights_layout(array)["weights"].shape).width,
        "format": array.format.name if array.format else None,
        "chains": effort,
    }


def _accelerator(component: Any, effort: int) -> dict[str, Any]:
    p, pe = component.parameters, component.parameters.engine.array.pe
    return {
        "build": asdict(p.build),
        "sharing": p.engine.array.sharing,
        "level_bits": pe.level_bits,
        "encoding": pe.encoding,
        "format": p.engine.array.format.name if p.engine.array.format else None,
        "rounding": p.engine.rounding,
        "chains": effort,
    }


def _weights(component: Any, effort: int) -> dict[str, Any]:
    return {"lanes": component.lanes, "level_bits": component.level_bits, "sets": 3 * effort}


def _heap(component: Any, effort: int) -> dict[str, Any]:
    terms = [[t.bits, t.signed, t.shift, t.subtract] for t in component.terms]
    shape = {"width": component.width, "constant": component.constant, "latency": component.latency}
    return {**shape, "terms": terms, "cycles": 300 * effort}


_BENCHES: dict[type[NamedComponent], tuple[str, Callable[[Any, int], dict[str, Any]]]] = {
    ProcessingElement: ("pe", _pe),
    PeColumn: ("pe", _pe),
    Compressor: ("compressor", _compressor),
    Accumulator: ("accumulator", _accumulator),
    MultiStageAccumulator: ("multistage", _multistage),
    Datapath: ("datapath", _datapath),
    Array: ("array", _array),
    PlaneStore: ("plane_store", _plane_store),
    WeightStore: ("weight_store", _weight_store),
    GroupBuffer: ("group_buffer", _group_buffer),
    Elementwise: ("elementwise", _elementwise),
    Engine: ("engine", _engine),
    Accelerator: ("accelerator", _accelerator),
    WeightBuffer: ("weights", _weights),
    HeapUnit: ("heap", _heap),
}


def verify(
    components: NamedComponent | Iterable[NamedComponent],
    *,
    seed: int | None = None,
    simulator: str = "auto",
    waves: bool = False,
    quick: bool = False,
    proofs: bool = False,
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
        bench, parameters = bench_of(component, quick=quick)
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
        theorems |= {theorem.name: theorem for theorem in theorems_of(component)}
        if progress is not None:
            progress(result)
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
