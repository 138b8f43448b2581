"""A real projection of a language model through the bus of an accelerator, with what its counters say."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.weights import IntegerWeights
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.emit import emit_verilog

from .cycles import Product, product_cycles
from .driver import Driver
from .engine_jobs import tiled
from .projection import ProjectionRun
from .runner import run_bench

__all__ = ["accelerator_cycles", "run_on_accelerator"]


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
    # The sender is done a cycle after the last results; parts without any, which end a short group, hide it.
    column_tiles, _ = tiled(c, engine.array.columns)
    sender = int(column_tiles % engine.groups.tiles == 0)
    check = Driver(parameters.build).check_cycles(n, k, c, planes)
    return check + product_cycles(engine, Product(n, k, c, planes)).total + sender


def run_on_accelerator(
    parameters: AcceleratorParameters,
    x: NDArray[np.float16],
    weights: IntegerWeights,
    planes: int,
    *,
    simulator: str = "auto",
    verilog: str | None = None,
    work: Path = Path("build/sim"),
) -> ProjectionRun:
    """Load and multiply as a program does, and compare every bit that comes back with the golden model.

    Parameters
    ----------
    parameters : AcceleratorParameters
        Its buffers hold the operands; its weights are levels, not codes.
    x : float16 array [N, K]
        Finite.
    weights : IntegerWeights
        [C, K], without zero points wider than the elements; a scale holds whole groups.
    planes : int
        Of the activations.
    simulator : str
        "verilator", "icarus", or "auto".
    verilog : str, optional
        The accelerator, if it has been generated already.
    work : Path
        Where the simulation is compiled and runs.

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
    engine = parameters.engine
    pe, driver = engine.array.pe, Driver(parameters.build)
    n, k, c = *x.shape, weights.channels
    needs = {
        "plane_words": driver.plane_words(n, k, planes),
        "plane_groups": driver.group_words(n, k),
        "weight_words": driver.weight_words(k, c),
    }
    for name, need in needs.items():
        if need > getattr(engine, name):
            raise ValueError(f"{name} must be at least {need} for [{n}, {k}] x [{k}, {c}]")
    codec = AndaCodec(planes, pe.encoding, engine.rounding, pe.lanes)
    wanted, _ = round_fp16(gemm(x, weights, codec, "fp32"))
    scales = weights.scales[:, np.arange(-(-k // pe.lanes)) * pe.lanes // weights.block]
    work.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="projection-", dir=work)).resolve() / "data.npz"
    np.savez(
        data,
        activations=np.frombuffer(driver.activations(x), dtype=np.uint8),
        weights=np.frombuffer(driver.weights(weights.levels, scales, bits=pe.level_bits), dtype=np.uint8),
        results=wanted,
    )
    job: dict[str, Any] = {
        "build": asdict(parameters.build),
        "shape": [n, k, c],
        "planes": planes,
        "data": str(data),
    }
    top = Accelerator(parameters)
    result = run_bench(
        "sim.benches.accelerator_projection",
        emit_verilog(top) if verilog is None else verilog,
        top.module_name,
        parameters=job,
        simulator=simulator,
        seed=1,
        work=work,
    ).check()
    counts = json.loads(data.with_suffix(".json").read_text())
    lanes = engine.array.rows * engine.array.columns * pe.lanes
    return ProjectionRun(
        result=result,
        outputs=n * c,
        macs=n * k * c,
        cycles=counts["cycles"],
        check=driver.check_cycles(n, k, c, planes),
        beats=counts["beats"],
        stalls={name.removeprefix("stall_"): counts[name] for name in counts if name.startswith("stall_")},
        peak_macs=lanes / planes,
    )
