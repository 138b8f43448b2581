"""A real projection of a language model through the bus of an accelerator, with what its counters say."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.weights import IntegerWeights
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.array import STALLS
from hdl.emit import emit_verilog

from .cycles import Product, product_cycles
from .driver import Driver
from .engine_jobs import tiled
from .projection import ProjectionRun
from .runner import run_bench

__all__ = ["SimulatedAccelerator", "accelerator_cycles"]


def accelerator_cycles(parameters: AcceleratorParameters, n: int, k: int, c: int, planes: int) -> int:
    """What the counter `cycles` says after a product whose results leave, and are taken as they come.

    Parameters
    ----------
    parameters : AcceleratorParameters
        A beat of its results is at least the results of a row, so that nothing waits for the bus.
    n, k, c, planes : int
        A product `[N, K] x [K, C]`.

    Raises
    ------
    ValueError
        The stream of results is too narrow.
    """
    engine = parameters.engine
    if parameters.results_bits < engine.groups.part_bits:
        raise ValueError(
            f"the cycles are known when results_bits is at least the {engine.groups.part_bits} bits of a row "
            f"of the array, but it is {parameters.results_bits}"
        )
    check = Driver(parameters.build).check_cycles(n, k, c, planes)
    return check + product_cycles(engine, Product(n, k, c, planes)).total


@dataclass(frozen=True)
class SimulatedAccelerator:
    """An accelerator that is generated once and then multiplies as often as it is asked.

    Attributes
    ----------
    parameters : AcceleratorParameters
    name, verilog : str
        Its top module.
    simulator : str
        "verilator", "icarus", or "auto".
    work : Path
        Where simulations are compiled and run.
    """

    parameters: AcceleratorParameters
    name: str
    verilog: str
    simulator: str
    work: Path

    @classmethod
    def generate(
        cls, parameters: AcceleratorParameters, *, simulator: str = "auto", work: Path = Path("build/sim")
    ) -> SimulatedAccelerator:
        """Print its Verilog."""
        top = Accelerator(parameters)
        return cls(parameters, top.module_name, emit_verilog(top), simulator, work)

    def run(self, x: NDArray[np.float16], weights: IntegerWeights, planes: int) -> ProjectionRun:
        """Load and multiply as a program does, and compare every bit that comes back with the golden model.

        Parameters
        ----------
        x : float16 array [N, K]
            Finite.
        weights : IntegerWeights
            [C, K], without zero points wider than the elements; a scale holds whole groups.
        planes : int
            Of the activations.

        Returns
        -------
        ProjectionRun
            Its figures are the accelerator's own counters, read from its registers.

        Raises
        ------
        ValueError
            An operand does not fit a buffer.
        AssertionError
            A bit is wrong.
        """
        engine, driver = self.parameters.engine, Driver(self.parameters.build)
        n, k, c = *x.shape, weights.channels
        self._require(n, k, c, planes)
        job: dict[str, Any] = {
            "build": asdict(self.parameters.build),
            "shape": [n, k, c],
            "planes": planes,
            "data": str(self._operands(x, weights, planes)),
        }
        result = run_bench(
            "sim.benches.accelerator_projection",
            self.verilog,
            self.name,
            parameters=job,
            simulator=self.simulator,
            seed=1,
            work=self.work,
        ).check()
        counts = json.loads(Path(job["data"]).with_suffix(".json").read_text())
        array = engine.array
        return ProjectionRun(
            result=result,
            outputs=n * c,
            macs=n * k * c,
            cycles=counts["cycles"],
            beats=counts["beats"],
            stalls={reason: counts[f"stall_{reason}"] for reason in STALLS},
            peak_macs=array.rows * array.columns * array.pe.lanes / planes,
            check=driver.check_cycles(n, k, c, planes),
        )

    def _require(self, n: int, k: int, c: int, planes: int) -> None:
        driver = Driver(self.parameters.build)
        needs = {
            "plane_words": driver.plane_words(n, k, planes),
            "plane_groups": driver.group_words(n, k),
            "weight_words": driver.weight_words(k, c),
        }
        for name, need in needs.items():
            if need > getattr(self.parameters.engine, name):
                raise ValueError(f"{name} must be at least {need} for [{n}, {k}] x [{k}, {c}]")

    def _operands(self, x: NDArray[np.float16], weights: IntegerWeights, planes: int) -> Path:
        """What the streams bring, and the results that are right."""
        engine, driver = self.parameters.engine, Driver(self.parameters.build)
        pe = engine.array.pe
        codec = AndaCodec(planes, pe.encoding, engine.rounding, pe.lanes)
        results, _ = round_fp16(gemm(x, weights, codec, "fp32"))
        groups, _ = tiled(weights.length, pe.lanes)
        scales = weights.scales[:, np.arange(groups) * pe.lanes // weights.block]
        self.work.mkdir(parents=True, exist_ok=True)
        data = Path(tempfile.mkdtemp(prefix="projection-", dir=self.work)).resolve() / "data.npz"
        np.savez(
            data,
            activations=np.frombuffer(driver.activations(x), dtype=np.uint8),
            weights=np.frombuffer(driver.weights(weights.levels, scales, bits=pe.level_bits), dtype=np.uint8),
            results=results,
        )
        return data
