"""A product on the engine with its cycles, on small data and on a real projection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda import fixture
from golden.weights import IntegerWeights
from hdl.array import ArrayParameters
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from sim.build import available_simulators
from sim.projection import run_projection

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


def parameters(**sizes: int) -> EngineParameters:
    array = ArrayParameters(pe=PeParameters(lanes=8, max_planes=6), rows=3, columns=4, sharing=3)
    return EngineParameters(
        array=array, **{"plane_words": 128, "plane_groups": 32, "weight_words": 256} | sizes
    )


def operands(n: int, k: int, c: int) -> tuple[np.ndarray, IntegerWeights]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, k)).astype(np.float16)
    return x, IntegerWeights.quantize(rng.standard_normal((c, k)), block=8)


def test_every_cycle_is_a_beat_or_has_a_reason(sim_work: Path) -> None:
    x, weights = operands(7, 40, 24)
    run = run_projection(parameters(), x, weights, 5, simulator=SMALL, work=sim_work)
    tiles = 3 * 6  # row tiles by column tiles
    assert run.beats == tiles * 5 * 5  # by groups, by planes
    assert run.outputs == 7 * 24
    assert run.cycles == run.beats + sum(run.stalls.values())
    assert run.macs == 7 * 40 * 24
    assert run.macs_per_cycle <= run.peak_macs


def test_operands_that_do_not_fit_are_refused(sim_work: Path) -> None:
    x, weights = operands(7, 40, 24)
    with pytest.raises(ValueError, match="weight_words must be at least 120"):
        run_projection(parameters(weight_words=100), x, weights, 5, work=sim_work)


@pytest.mark.nightly
def test_a_real_projection_keeps_the_array_busy(sim_work: Path) -> None:
    projection = fixture.load()["qkv"]
    array = ArrayParameters(
        pe=PeParameters(lanes=64, max_planes=8), rows=4, columns=4, sharing=4, columns_per_load=2
    )
    engine = EngineParameters(array=array, plane_words=1024, plane_groups=128, weight_words=512)
    run = run_projection(
        engine, projection.x[:16], projection.weights, 7, simulator="verilator", work=sim_work
    )
    assert run.utilization >= 0.9
