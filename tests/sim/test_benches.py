"""The benches on the hardware: main configurations, random ones, and faulty ones, which must not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from golden import formats
from golden.multistage import Stage
from hdl.accelerator import Accelerator
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.array import Array, ArrayParameters
from hdl.binary import BinaryElement
from hdl.binary_column import BinaryColumn
from hdl.binary_engine import BinaryEngine
from hdl.cells import FullAdder
from hdl.column import PeColumn
from hdl.compressor import Compressor, CompressorParameters
from hdl.datapath import Datapath
from hdl.elementwise import Elementwise, ElementwiseParameters
from hdl.emit import emit_verilog
from hdl.engine import Engine, EngineParameters
from hdl.group_buffer import GroupBuffer, GroupBufferParameters
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pairs import PairWeights
from hdl.pe import PeParameters, ProcessingElement
from hdl.pipelined_array import PipelinedArrayParameters
from hdl.plane_store import PlaneStore, PlaneStoreParameters
from hdl.weight_store import WeightStore, WeightStoreParameters
from hdl.weights import WeightBuffer
from sim.build import BuildError, available_simulators
from sim.configurations import DRAWS, distinct
from sim.coverage import Coverage
from sim.runner import run_bench
from sim.units import HeapUnit
from sim.verify import bench_of, verify, verify_random
from tests.sim.mutants import mutants

SIMULATORS = available_simulators()
# Icarus builds in no time, so it takes the many small designs; without it Verilator takes fewer of them.
SMALL = "icarus" if "icarus" in SIMULATORS else "verilator"
COUNT = 3 if SMALL == "icarus" else 1
# What is made of the others has few runs by day.
WHOLE = (
    *("array", "binary engine", "engine", "gated engine", "accelerator"),
    *("pipelined array", "pipelined engine"),
)

SMALL_ARRAY = ArrayParameters(
    pe=PeParameters(lanes=8, max_planes=6), rows=6, columns=4, sharing=3, columns_per_load=2
)

SMALL_PAIRS = PeParameters(lanes=8, level_bits=2, max_planes=4, products="pairs")
PIPELINED_ARRAY = PipelinedArrayParameters(
    pe=PeParameters(lanes=8, max_planes=5), rows=3, columns=2, sharing=3
)

MAIN: dict[str, Callable[[], NamedComponent]] = {
    "pe compact": lambda: ProcessingElement(PeParameters()),
    "pe published": lambda: ProcessingElement(
        PeParameters(encoding="sign-magnitude", weights="inside", reduction="tree")
    ),
    "compressor": lambda: Compressor(CompressorParameters()),
    "accumulator": lambda: Accumulator(AccumulatorParameters(sum_bits=20, max_planes=10, slots=16)),
    "multistage": lambda: MultiStageAccumulator(
        MultiStageParameters(
            term_bits=18, stages=(Stage(18, 2, "saturate"), Stage(21, None, "wrap")), slots=4
        )
    ),
}

TINY: dict[str, Callable[[], NamedComponent]] = {
    "pe": lambda: ProcessingElement(PeParameters(lanes=8, level_bits=3, max_planes=5)),
    "column": lambda: PeColumn(PeParameters(lanes=8, level_bits=2, max_planes=4), rows=2),
    "compressor": lambda: Compressor(CompressorParameters(group=8, lanes=3, max_planes=6)),
    "accumulator": lambda: Accumulator(
        AccumulatorParameters(sum_bits=12, max_planes=6, slots=2, output="fp16")
    ),
    "multistage": lambda: MultiStageAccumulator(
        MultiStageParameters(term_bits=4, stages=(Stage(5, 3, "saturate"), Stage(6, None, "wrap")), slots=2)
    ),
    "column of pairs": lambda: PeColumn(SMALL_PAIRS, rows=2),
    "weights": lambda: WeightBuffer(lanes=8, level_bits=2),
    "weights of pairs": lambda: PairWeights(lanes=8, level_bits=2),
    "array": lambda: Array(
        ArrayParameters(pe=PeParameters(lanes=8, level_bits=2, max_planes=4), rows=2, columns=2, sharing=2)
    ),
    "plane store": lambda: PlaneStore(
        PlaneStoreParameters(rows=3, lanes=8, words=33, groups=9, max_planes=4)
    ),
    "weight store": lambda: WeightStore(WeightStoreParameters(array=SMALL_ARRAY, words=40)),
    "group buffer": lambda: GroupBuffer(GroupBufferParameters(array=SMALL_ARRAY, group=16)),
    "elementwise": lambda: Elementwise(
        ElementwiseParameters(groups=GroupBufferParameters(array=SMALL_ARRAY, group=12), words=8)
    ),
    "pipelined elementwise": lambda: Elementwise(
        ElementwiseParameters(
            groups=GroupBufferParameters(array=SMALL_ARRAY, group=12), words=8, pipelined=True
        )
    ),
    "pipelined compressor": lambda: Compressor(CompressorParameters(group=8, max_planes=6, pipelined=True)),
    "pipelined array": lambda: Array(PIPELINED_ARRAY),
    "pipelined engine": lambda: Engine(
        EngineParameters(
            array=PIPELINED_ARRAY,
            plane_words=256,
            plane_groups=64,
            weight_words=512,
            elementwise_words=16,
            pipelined=True,
        )
    ),
    "engine": lambda: Engine(
        EngineParameters(
            array=ArrayParameters(pe=PeParameters(lanes=8, max_planes=5), rows=2, columns=2, sharing=2),
            plane_words=256,
            plane_groups=64,
            weight_words=512,
        )
    ),
    "gated engine": lambda: Engine(
        EngineParameters(
            array=ArrayParameters(pe=PeParameters(lanes=8, max_planes=4), rows=2, columns=4, sharing=1),
            plane_words=256,
            plane_groups=64,
            weight_words=512,
            elementwise_words=16,
            silu=True,
        )
    ),
}


def assert_complete(coverage: Coverage, allowed: tuple[str, ...] = ()) -> None:
    missing = {name: coverage.unreached(name) for name in coverage if coverage.unreached(name)}
    assert set(missing) <= set(allowed), missing


@pytest.mark.parametrize("name", MAIN)
def test_main_configurations_on_verilator(name: str, sim_work: Path) -> None:
    report = verify(MAIN[name](), seed=1, simulator="verilator", quick=True, work=sim_work).check()
    assert_complete(report.coverage)


@pytest.mark.parametrize("kind", DRAWS)
def test_random_configurations(kind: str, sim_work: Path) -> None:
    count = 1 if kind in WHOLE else COUNT
    report = verify_random(kind, count, seed=2026, simulator=SMALL, quick=True, work=sim_work).check()
    assert len({run.top for run in report.runs}) == count


@pytest.mark.parametrize("kind", [kind for kind in TINY if kind not in WHOLE])
def test_faulty_hardware_does_not_pass(kind: str, sim_work: Path) -> None:
    survivors = _survivors(TINY[kind](), 3, sim_work)
    # One in three may be a fault that changes nothing.
    assert len(survivors) <= 1, survivors


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
@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_many_random_configurations(kind: str, simulator: str, sim_work: Path) -> None:
    report = verify_random(kind, 12, simulator=simulator, work=sim_work).check()
    assert_complete(report.coverage, allowed=("compressor: planes", "pe: planes", "datapath: planes"))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", TINY)
def test_mutation_score(kind: str, sim_work: Path) -> None:
    survivors = _survivors(TINY[kind](), 40, sim_work)
    assert len(survivors) <= 4, survivors


def test_configurations_are_different_and_repeatable() -> None:
    for draw in DRAWS.values():
        first = [repr(recipe) for recipe in distinct(draw, 6, Random(4))]
        assert len(set(first)) == 6
        assert first == [repr(recipe) for recipe in distinct(draw, 6, Random(4))]
        assert first != [repr(recipe) for recipe in distinct(draw, 6, Random(5))]


def test_every_kind_of_component_can_be_drawn() -> None:
    kinds = {next(distinct(draw, 1, Random(0))).func for draw in DRAWS.values()}
    wanted = {ProcessingElement, PeColumn, Compressor, Accumulator, Datapath, Array, WeightBuffer, HeapUnit}
    binary = {BinaryElement, BinaryColumn, BinaryEngine}
    assert kinds == wanted | binary | {MultiStageAccumulator, Accelerator}


def test_a_component_without_a_bench_is_refused() -> None:
    cell = FullAdder()
    coded = PairWeights(lanes=8, level_bits=4, format=formats.get("int4"))
    for component in (cell, coded):
        emit_verilog(component)
    with pytest.raises(ValueError, match="there is no bench for a FullAdder"):
        bench_of(cell)
    with pytest.raises(ValueError, match="loads levels, not codes of int4"):
        bench_of(coded)


@pytest.mark.parametrize(
    "name",
    [
        *("plane store", "weight store", "group buffer", "elementwise", "engine", "gated engine"),
        *("pipelined compressor", "pipelined elementwise", "pipelined array", "pipelined engine"),
    ],
)
def test_parts_of_the_engine(name: str, sim_work: Path) -> None:
    report = verify(TINY[name](), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert_complete(report.coverage)


@pytest.mark.parametrize("name", ["e2m1-sp", "int4-zp", "w2-star"])
def test_a_column_of_codes(name: str, sim_work: Path) -> None:
    weights = formats.get(name)
    shape = PeParameters(lanes=8, level_bits=weights.level_bits or 1, max_planes=6)
    column = PeColumn(shape, rows=2, format=weights)
    verify(column, seed=3, simulator=SMALL, quick=True, work=sim_work).check()


PAIRS: dict[str, Callable[[], NamedComponent]] = {
    "element": lambda: ProcessingElement(
        replace(SMALL_PAIRS, planes_per_cycle=2, adder_cells=AdderCells.INVERTING)
    ),
    "lines from outside": lambda: PeColumn(SMALL_PAIRS, rows=2, lines=True),
    "column of codes": lambda: PeColumn(
        replace(SMALL_PAIRS, level_bits=5), rows=1, format=formats.get("int4-zp")
    ),
    "array": lambda: Array(ArrayParameters(pe=SMALL_PAIRS, rows=2, columns=2, sharing=2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_products_of_pairs(name: str, sim_work: Path) -> None:
    report = verify(PAIRS[name](), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert_complete(report.coverage)


@pytest.mark.nightly
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize(("rows", "columns", "group"), [(1, 1, 1), (1, 2, 8), (3, 4, 4), (4, 1, 3)])
def test_shapes_of_the_elementwise_unit(
    rows: int, columns: int, group: int, silu: bool, sim_work: Path
) -> None:
    pe = PeParameters(lanes=8, max_planes=5)
    array = ArrayParameters(pe=pe, rows=rows, columns=columns, sharing=rows)
    groups = GroupBufferParameters(array=array, group=group)
    unit = Elementwise(ElementwiseParameters(groups=groups, words=13, silu=silu))
    verify(unit, simulator=SMALL, quick=True, work=sim_work).check()
