"""The main job on real input: activations of a language model through the generated hardware, bit for bit.

Both presets take the same projections of one transformer block. Compressor, processing elements and
accumulators run one by one against the golden model, then all three as one datapath.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anda.accuracy import AccuracyRow, compare_encodings, sqnr_db
from anda.config import Design, load
from anda.files import write_all
from anda.fixture import Projection
from anda.fixture import load as load_fixture
from anda.flow import synth
from anda.flow.library import Library
from anda.generate import Product, generate
from anda.recording import Recording, Workload
from anda.tops import choose, tops
from hdl.heap import AdderCells
from sim.build import available_simulators
from sim.runner import run_bench

__all__ = ["STEPS", "DemoReport", "PresetResult", "StageResult", "run_demo"]

#: Words of a group: M = 7 and P = 7, that is one plane fewer for the same accuracy.
PLANES = {"published": 8, "compact": 7}

CHANNELS = 8
"""Output channels of every projection that are simulated; with 64 tokens they are 26,112 group sums."""

STEPS = {"published": 9, "compact": 10}
"""Calls of `progress` for each preset: Verilog, four simulations, waveform, areas."""

Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class StageResult:
    """One component against the golden model on the real data.

    Attributes
    ----------
    role, module : str
        Which component, and its Verilog module.
    cycles : int
        From the first transfer to the last.
    items, bits : int
        Transfers that left the component, and how many bits of them were compared.
    failures : list of str
        Empty when every bit was equal.
    """

    role: str
    module: str
    simulator: str
    cycles: int
    items: int
    bits: int
    failures: list[str]


@dataclass(frozen=True)
class PresetResult:
    """What one preset did.

    Attributes
    ----------
    design : str
    planes : int
        Words, and cycles, of a group.
    stages : list of StageResult
    sqnr_db : dict of float
        Signal to noise of the results against float64, by projection, over all channels of the data: those
        in simulation and, from the golden model that equals it, the others.
    cycles_per_group : float
        Of one processing element, measured.
    areas : dict of float
        By component.
    element_area : float
        One processing element with its share of the weight registers and of the accumulator.
    area_unit : str
    files : list of str
        Verilog, sidecars, waveform.
    """

    design: str
    planes: int
    stages: list[StageResult]
    sqnr_db: dict[str, float]
    cycles_per_group: float
    areas: dict[str, float]
    element_area: float
    area_unit: str
    files: list[str]

    @property
    def ok(self) -> bool:
        """Whether every stage ran and every bit was equal."""
        return bool(self.stages) and all(not stage.failures for stage in self.stages)


@dataclass(frozen=True)
class DemoReport:
    """Both presets side by side, and the two formats on the same activations."""

    published: PresetResult
    compact: PresetResult
    accuracy: list[AccuracyRow]

    @property
    def ok(self) -> bool:
        """Whether every bit of everything was equal."""
        return self.published.ok and self.compact.ok

    @property
    def area_efficiency(self) -> float | None:
        """Groups a cycle and unit of area of `compact` relative to `published`; None if a bit is wrong."""
        if not self.ok:
            return None
        published, compact = (p.cycles_per_group * p.element_area for p in (self.published, self.compact))
        return published / compact

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {"ok": self.ok, "area_efficiency": self.area_efficiency, **asdict(self)}


def run_demo(output: Path, library: Library, *, seed: int, simulator: str, progress: Progress) -> DemoReport:
    """Run both presets on the real data and leave everything in a directory.

    Parameters
    ----------
    output : Path
        Gets a directory for each preset, `results.json`, and the compiled simulations in `sim`.
    library : Library
        Where areas are taken from.
    seed : int
        Of the values that registers hold before they are written.
    simulator : str
        "verilator", "icarus", or "auto" for the first one that is here.
    progress : callable
        Called with the preset and what was done, as often as `STEPS` says.

    Raises
    ------
    ValueError
        When the real data or a tool is missing.
    """
    projections = load_fixture()
    presets = [
        _Preset(load(name), projections, output, library, seed, simulator, partial(progress, name))
        for name in PLANES
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(preset.simulate) for preset in presets]
        # Component by component, so that both cores are busy to the end.
        areas = [{role: pool.submit(preset.area, role) for role in preset.parts} for preset in presets]
        published, compact = (
            preset.result(run.result(), {role: task.result() for role, task in found.items()})
            for preset, run, found in zip(presets, runs, areas, strict=True)
        )
    report = DemoReport(published, compact, compare_encodings(projections))
    write_all(output, {"results.json": json.dumps(report.as_dict(), indent=2) + "\n"})
    return report


@dataclass(frozen=True)
class _Simulated:
    stages: list[StageResult]
    cycles_per_group: float
    files: list[Path]


@dataclass(frozen=True)
class _Preset:
    design: Design
    projections: dict[str, Projection]
    output: Path
    library: Library
    seed: int
    simulator: str
    progress: Callable[[str], None]

    @property
    def planes(self) -> int:
        """Words of a group."""
        return PLANES[self.design.name]

    @property
    def parts(self) -> list[str]:
        """Components whose area is of interest: the datapath consists of them."""
        return [top.role for top in tops(self.design) if top.role != "datapath"]

    def simulate(self) -> _Simulated:
        """Generate everything, run the stages and then all of them together."""
        work = Workload(self.design, _spread(self.projections, CHANNELS), self.planes)
        products = {top.role: generate(self.design, top) for top in tops(self.design)}
        directory = self.output / self.design.name
        files = [path for product in products.values() for path in product.write(directory)]
        self.progress("Verilog")
        stages = []
        for recording in (work.compress(), work.dot(), work.accumulate(), work.datapath()):
            stages.append(self._play(products[recording.role], recording))
            self.progress(f"{recording.role} in simulation")
        files.append(self._waveform(products["datapath"], directory))
        self.progress("waveform")
        return _Simulated(stages, stages[1].cycles * work.rows / work.products, files)

    def area(self, role: str) -> float:
        """Area of one component, its adders made for the library."""
        inverting = self.library.adder_style == "inverting"
        found = tops(self.design, AdderCells.INVERTING if inverting else AdderCells.PLAIN)
        product = generate(self.design, choose(found, [role])[0])
        area = synth.area(product.verilog, product.name, self.library).area
        self.progress(f"area of {role}")
        return area

    def result(self, simulated: _Simulated, areas: dict[str, float]) -> PresetResult:
        """Put everything together."""
        work = Workload(self.design, self.projections, self.planes)
        element = areas["column"] / work.rows if "column" in areas else areas["pe"]
        return PresetResult(
            design=self.design.name,
            planes=self.planes,
            stages=simulated.stages,
            sqnr_db={
                name: sqnr_db(p.x.astype(float) @ p.weights.decode().T, work.results(name))
                for name, p in work.projections.items()
            },
            cycles_per_group=simulated.cycles_per_group,
            areas=areas,
            element_area=element + areas["accumulator"] / work.slots,
            area_unit=self.library.area_unit,
            files=[str(path) for path in simulated.files],
        )

    def _play(self, product: Product, recording: Recording) -> StageResult:
        """Run one component on its recording; every item that leaves it is compared."""
        report = self.output / f"cycles-{self.design.name}-{recording.role}.json"
        result = run_bench(
            "anda.replay",
            product.verilog,
            product.name,
            parameters={**asdict(recording), "report": str(report.resolve())},
            simulator=self.simulator,
            seed=self.seed,
            work=self.output / "sim",
        )
        cycles = json.loads(report.read_text())["cycles"] if result.ok else 0
        report.unlink(missing_ok=True)
        widths = {port["name"]: port["width"] for port in product.sidecar["ports"]}
        bits = sum(widths[f"{recording.sink.name}_{field}"] for field in recording.sink.fields)
        items = len(recording.sink.items)
        return StageResult(
            recording.role, product.name, result.simulator, cycles, items, bits * items, result.failures
        )

    def _waveform(self, product: Product, directory: Path) -> Path:
        """Record two tokens of one projection through the datapath."""
        few = _spread({"o": self.projections["o"]}, CHANNELS)["o"]
        few = Projection(few.x[:2], few.levels, few.scales)
        recording = Workload(self.design, {"o": few}, self.planes).datapath()
        # Icarus needs no compilation and writes FST, a tenth of the size.
        simulator = "icarus" if "icarus" in available_simulators() else self.simulator
        result = run_bench(
            "anda.replay",
            product.verilog,
            product.name,
            parameters={**asdict(recording), "report": str((directory / "cycles.json").resolve())},
            simulator=simulator,
            seed=self.seed,
            waves=True,
            work=self.output / "sim",
        )
        (directory / "cycles.json").unlink(missing_ok=True)
        if result.waves is None:
            raise ValueError(f"{simulator} was expected to record waves, but left none; see {result.log}")
        return Path(shutil.copy(result.waves, directory / f"datapath{result.waves.suffix}"))


def _spread(projections: dict[str, Projection], channels: int) -> dict[str, Projection]:
    """So many output channels of each projection, evenly spread."""
    step = {name: len(p.levels) // channels for name, p in projections.items()}
    return {
        name: Projection(p.x, p.levels[:: step[name]], p.scales[:: step[name]])
        for name, p in projections.items()
    }
