"""A product through the bus of an accelerator: its bits, its counters, and the cycles that are foretold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from golden.gemm import gemm
from golden.weights import IntegerWeights
from hdl.accelerator import AcceleratorParameters
from hdl.array import ArrayParameters
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from sim.accelerator_projection import SimulatedAccelerator, accelerator_cycles
from sim.build import available_simulators

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


def parameters(columns: int = 4, results_bits: int = 64) -> AcceleratorParameters:
    pe = PeParameters(lanes=8, max_planes=6)
    array = ArrayParameters(pe=pe, rows=4, columns=columns, sharing=4, columns_per_load=columns // 2)
    engine = EngineParameters(array=array, plane_words=512, plane_groups=64, weight_words=512)
    return AcceleratorParameters(engine=engine, results_bits=results_bits)


def operands(n: int, k: int, c: int) -> tuple[np.ndarray, IntegerWeights]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, k)).astype(np.float16)
    return x, IntegerWeights.quantize(rng.standard_normal((c, k)), block=8)


@pytest.fixture(scope="module")
def generated() -> SimulatedAccelerator:
    return SimulatedAccelerator.generate(parameters(), simulator=SMALL)


@pytest.fixture
def accelerator(generated: SimulatedAccelerator, sim_work: Path) -> SimulatedAccelerator:
    return replace(generated, work=sim_work)


# The last group of results full, and cut short; sums that wait.
@pytest.mark.parametrize(
    ("n", "k", "c", "planes"), [(7, 40, 24, 5), (9, 24, 19, 2)], ids=["full", "short, sums wait"]
)
def test_counters_are_as_foretold(
    n: int, k: int, c: int, planes: int, accelerator: SimulatedAccelerator
) -> None:
    x, weights = operands(n, k, c)
    run = accelerator.run(x, weights, planes)
    assert (run.outputs, run.macs) == (n * c, n * k * c)
    assert run.beats == -(-n // 4) * -(-c // 4) * -(-k // 8) * planes
    assert run.cycles == run.check + run.beats + sum(run.stalls.values())
    assert run.cycles == accelerator_cycles(accelerator.parameters, n, k, c, planes)
    assert (run.stalls["sums"] > 0) == (planes < 4)


@pytest.mark.nightly
def test_counters_are_as_foretold_on_random_shapes(accelerator: SimulatedAccelerator) -> None:
    random = Random(7)
    for _ in range(20):
        n, k, c, planes = (random.randint(low, high) for low, high in ((1, 14), (1, 40), (1, 40), (2, 6)))
        run = accelerator.run(*operands(n, k, c), planes)
        assert run.cycles == accelerator_cycles(accelerator.parameters, n, k, c, planes), (n, k, c, planes)


def test_a_wrong_bit_is_found(accelerator: SimulatedAccelerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*operands: Any) -> np.ndarray:
        values = gemm(*operands)
        values[-1, -1] *= 2
        return values

    monkeypatch.setattr("sim.accelerator_projection.gemm", wrong)
    with pytest.raises(AssertionError, match=r"1 of 30 results are wrong, the first one at \[4 5\]"):
        accelerator.run(*operands(5, 9, 6), 3)


def test_operands_that_do_not_fit_are_refused(sim_work: Path) -> None:
    accelerator = SimulatedAccelerator(parameters(), "unused", "", SMALL, sim_work)
    with pytest.raises(ValueError, match=r"plane_words must be at least 600 for \[80, 40\] x \[40, 8\]"):
        accelerator.run(*operands(80, 40, 8), 6)


def test_cycles_of_a_narrow_bus_are_not_foretold() -> None:
    with pytest.raises(ValueError, match="results_bits is at least the 128 bits of a row"):
        accelerator_cycles(parameters(columns=8), 4, 8, 8, 3)
