"""Binary hardware against the golden model: every pair of widths, zero points, packed weights, real data."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest

from anda.abq_projection import fixture_operands, measure_abq_projection
from golden.binary import BinaryFormat, BinaryOperand
from hdl.binary import BinaryElement, BinaryParameters, Signs
from hdl.binary_array import BinaryArrayParameters
from hdl.binary_column import BinaryColumn
from hdl.binary_engine import BinaryEngine, BinaryEngineParameters
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from sim.binary_jobs import program
from sim.binary_projection import binary_shape, run_binary_product
from sim.build import BuildError, available_simulators
from sim.coverage import Coverage
from sim.runner import run_bench
from sim.verify import bench_of, verify
from tests.sim.mutants import mutants

# Icarus builds small designs in no time.
SMALL = "icarus" if "icarus" in available_simulators() else "verilator"

PAIRS = list(product(range(1, 9), repeat=2))
SAMPLED = [(1, 1), (2, 8), (3, 5), (8, 4)]


def parallel(
    weight_bits: int, activation_bits: int, *, activations_too: bool, signs: Signs = "either"
) -> BinaryElement:
    parameters = BinaryParameters(
        lanes=4,
        activation_planes=activation_bits,
        weight_planes=weight_bits,
        activation_planes_per_cycle=activation_bits if activations_too else 1,
        weight_planes_per_cycle=weight_bits,
        activations=signs,
        weights=signs,
        terms=12,
    )
    return BinaryElement(parameters)


def assert_complete(coverage: Coverage) -> None:
    missing = {name: coverage.unreached(name) for name in coverage if coverage.unreached(name)}
    assert not missing


def test_one_serial_build_takes_every_pair_of_widths(sim_work: Path) -> None:
    """The bench sends all 16 formats of either side to one element: 64 pairs in four kinds of sign."""
    element = BinaryElement(BinaryParameters(lanes=8, terms=24))
    report = verify(element, seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert_complete(report.coverage)
    assert {test.name for run in report.runs for test in run.tests} >= {
        "every_pair_of_formats",
        "directed_corners",
    }


@pytest.mark.parametrize(("weight_bits", "activation_bits"), SAMPLED)
def test_parallel_elements(weight_bits: int, activation_bits: int, sim_work: Path) -> None:
    element = parallel(weight_bits, activation_bits, activations_too=weight_bits == activation_bits)
    verify(element, seed=2, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("activations_too", [False, True])
@pytest.mark.parametrize(("weight_bits", "activation_bits"), PAIRS)
def test_parallel_elements_of_every_pair(
    weight_bits: int, activation_bits: int, activations_too: bool, sim_work: Path
) -> None:
    element = parallel(weight_bits, activation_bits, activations_too=activations_too)
    verify(element, seed=3, simulator=SMALL, quick=True, work=sim_work).check()


def small_engine(*, packed: bool = False, zero_bits: int = 5) -> BinaryEngineParameters:
    element = BinaryParameters(
        lanes=8,
        activation_planes=4,
        weight_planes=3,
        weights="unsigned" if packed else "either",
        terms=24,
    )
    array = BinaryArrayParameters(element=element, rows=2, columns=2, zero_bits=zero_bits)
    return BinaryEngineParameters(
        array=array, activation_words=80, weight_words=100, channel_words=4, row_words=3, packed=packed
    )


def test_an_engine_with_packed_weights(sim_work: Path) -> None:
    engine = BinaryEngine(small_engine(packed=True))
    verify(engine, seed=4, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("zero_bits", [0, 2, 16])
def test_engines_of_all_planes(zero_bits: int, sim_work: Path) -> None:
    engine = BinaryEngine(small_engine(zero_bits=zero_bits))
    report = verify(engine, simulator=SMALL, work=sim_work).check()
    assert_complete(report.coverage)


def test_a_product_takes_its_beats_and_little_more(sim_work: Path) -> None:
    rng = np.random.default_rng(5)
    x = BinaryOperand(rng.integers(0, 16, (4, 24)), BinaryFormat(4), rng.integers(0, 16, 4))
    w = BinaryOperand(rng.integers(0, 5, (6, 24)), BinaryFormat(2, balanced=True), rng.integers(0, 5, 6))
    run = run_binary_product(small_engine(packed=True), x, w, simulator=SMALL, work=sim_work)
    tiles, steps, groups = 2 * 3, 4 * 3, 3
    assert run.beats == tiles * steps * groups
    # The fill of three stages, and the results of the last tile, which nothing hides.
    assert run.cycles - run.beats <= 3 + small_engine().array.drain + 4
    assert run.macs == 4 * 24 * 6
    assert run.outputs == 24
    assert run.macs_per_cycle <= run.peak_macs


def test_operands_that_do_not_fit_are_refused(sim_work: Path) -> None:
    p = small_engine()
    long = BinaryOperand(np.zeros((1, 25), int), BinaryFormat(4))
    with pytest.raises(ValueError, match="a sum of the engine has up to 24 terms, but K is 25"):
        run_binary_product(p, long, long, work=sim_work)
    many = BinaryOperand(np.zeros((20, 24), int), BinaryFormat(3))
    with pytest.raises(ValueError, match="the memory of activations must hold 90 words"):
        run_binary_product(p, many, many, work=sim_work)
    shifted = BinaryOperand(np.zeros((1, 24), int), BinaryFormat(2), np.array([1]))
    with pytest.raises(ValueError, match="an engine without zero points"):
        program(binary_shape(small_engine(zero_bits=0)), shifted, shifted)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BinaryElement(BinaryParameters(lanes=4, terms=8, activation_planes=4, weight_planes=3)),
        lambda: BinaryColumn(BinaryParameters(lanes=2, terms=4, weight_planes=2), rows=2),
    ],
)
def test_faulty_hardware_does_not_pass(make: object, sim_work: Path) -> None:
    assert callable(make)
    survivors = _survivors(make(), 3, sim_work)
    # One in three may be a fault that changes nothing.
    assert len(survivors) <= 1, survivors


@pytest.mark.nightly
def test_mutation_score_of_an_engine(sim_work: Path) -> None:
    survivors = _survivors(BinaryEngine(small_engine()), 30, sim_work)
    assert len(survivors) <= 4, survivors


def _survivors(component: NamedComponent, count: int, work: Path) -> list[str]:
    verilog = emit_verilog(component)
    bench, parameters = bench_of(component, quick=True)
    survivors = []
    for change, text in mutants(verilog, count, Random(1)):
        try:
            result = run_bench(
                bench, text, component.module_name, parameters=parameters, simulator=SMALL, seed=1, work=work
            )
        except BuildError:
            continue
        if result.ok:
            survivors.append(change)
    return survivors


@pytest.mark.nightly
def test_a_slice_of_a_real_projection(sim_work: Path) -> None:
    measured = measure_abq_projection(
        fixture_operands(6), print, rates={"weights parallel": (3, 4)}, columns=8, work=sim_work
    )
    (run,) = measured["runs"]
    assert measured["shape"] == [6, 576, 32]
    assert run["outputs"] == 6 * 32
    assert run["utilization"] > 0.95
