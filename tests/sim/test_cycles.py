"""The cycle model against the counters of the RTL: equal, not close."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from golden.weights import IntegerWeights
from hdl.array import ArrayParameters
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from hdl.pipelined_array import PipelinedArrayParameters
from sim.build import available_simulators
from sim.cycles import Product, product_cycles
from sim.projection import run_projection

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"

# Rows, columns, elements that share an accumulator, columns that are loaded at a time.
ARRAYS = [(3, 4, 3, 1), (4, 2, 2, 2), (2, 8, 1, 8), (4, 4, 4, 4), (6, 2, 3, 2)]


# No elementwise unit, one with ReLU, one with SiLU and gates.
UNITS = [(0, False), (16, False), (16, True)]

# Whether the engine has registers for a faster clock, and its array.
PLAIN, ENGINE_ALONE, BOTH = (
    (False, ArrayParameters),
    (True, ArrayParameters),
    (True, PipelinedArrayParameters),
)
Registers = tuple[bool, type[ArrayParameters]]


def engine(
    rows: int,
    columns: int,
    sharing: int,
    per_load: int,
    unit: tuple[int, bool] = UNITS[0],
    registers: Registers = PLAIN,
) -> EngineParameters:
    pipelined, kind = registers
    array = kind(
        pe=PeParameters(lanes=8, max_planes=6),
        rows=rows,
        columns=columns,
        sharing=sharing,
        columns_per_load=per_load,
    )
    return EngineParameters(
        array=array,
        plane_words=1024,
        plane_groups=512,
        weight_words=2048,
        elementwise_words=unit[0],
        silu=unit[1],
        pipelined=pipelined,
    )


def compare(
    shape: tuple[int, int, int, int],
    product: Product,
    work: Path,
    unit: tuple[int, bool] = UNITS[0],
    registers: Registers = PLAIN,
) -> dict[str, int]:
    parameters = engine(*shape, unit, registers)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((product.n, product.k)).astype(np.float16)
    weights = IntegerWeights.quantize(rng.standard_normal((product.c, product.k)), block=8)
    run = run_projection(
        parameters, x, weights, product.planes, keep=product.keep, simulator=SMALL, work=work
    )
    model = product_cycles(parameters, product)
    counted = {"cycles": run.cycles, "beats": run.beats, **run.stalls}
    assert counted == {
        "cycles": model.total,
        "beats": model.beats,
        "planes": 0,
        "weights": model.weights,
        "sums": model.sums,
        "results": model.results,
    }
    return counted


# Sums that wait, results without room, weights that come late; results that leave and that stay.
@pytest.mark.parametrize(
    ("shape", "product", "unit", "lost"),
    [
        ((4, 4, 4, 4), Product(9, 40, 24, 2), UNITS[0], "sums"),
        ((3, 4, 3, 1), Product(14, 4, 6, 2, 2), UNITS[0], "results"),
        ((2, 8, 1, 8), Product(6, 33, 36, 3, 2), UNITS[0], "weights"),
        ((3, 4, 3, 1), Product(14, 4, 6, 2, 2), UNITS[2], "results"),
        ((4, 2, 2, 2), Product(7, 9, 11, 2, 4), UNITS[1], "results"),
    ],
)
def test_the_model_is_exact(
    shape: tuple[int, int, int, int], product: Product, unit: tuple[int, bool], lost: str, sim_work: Path
) -> None:
    assert compare(shape, product, sim_work, unit)[lost] > 0


@pytest.mark.parametrize(
    ("shape", "product", "unit", "registers", "lost"),
    [
        ((4, 4, 4, 4), Product(9, 40, 24, 2), UNITS[0], BOTH, "sums"),
        ((3, 4, 3, 1), Product(14, 4, 6, 2, 2), UNITS[1], BOTH, "results"),
        ((2, 8, 1, 8), Product(6, 33, 36, 3, 2), UNITS[2], ENGINE_ALONE, "weights"),
    ],
)
def test_the_model_is_exact_with_more_registers(
    shape: tuple[int, int, int, int],
    product: Product,
    unit: tuple[int, bool],
    registers: Registers,
    lost: str,
    sim_work: Path,
) -> None:
    assert compare(shape, product, sim_work, unit, registers)[lost] > 0


@pytest.mark.nightly
@pytest.mark.parametrize("shape", ARRAYS)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("registers", [PLAIN, ENGINE_ALONE, BOTH], ids=["plain", "engine", "both"])
def test_the_model_is_exact_on_random_shapes(
    shape: tuple[int, int, int, int], unit: tuple[int, bool], registers: Registers, sim_work: Path
) -> None:
    if registers == BOTH and shape[2] < 3:
        # Too few elements share an accumulator.
        registers = ENGINE_ALONE
    random = Random(f"{shape} {unit} {registers[0]}")
    for _ in range(12):
        product = Product(
            random.randint(1, 14),
            random.randint(1, 40),
            random.randint(1, 40),
            random.randint(2, 6),
            random.choice((0, 0, 2, 5)),
        )
        compare(shape, product, sim_work, unit, registers)


@pytest.mark.parametrize("shape", ARRAYS)
def test_repeating_row_tiles_are_counted_as_gone_through(shape: tuple[int, int, int, int]) -> None:
    """A long product, the shorter ones before it, and the steady difference between them."""
    parameters = engine(*shape)
    rows = shape[0]
    found = [product_cycles(parameters, Product(tiles * rows, 24, 19, 3, 2)) for tiles in range(1, 41)]
    steps = [later.total - before.total for before, later in pairwise(found)]
    assert len(set(steps[10:])) <= 2
    large = product_cycles(parameters, Product(1000 * rows, 24, 19, 3, 2))
    period = found[39].total - found[29].total
    assert large.total == found[39].total + 96 * period


@pytest.mark.parametrize("registers", [PLAIN, BOTH], ids=["plain", "both"])
def test_a_group_costs_its_planes_in_a_large_product(registers: Registers) -> None:
    pipelined, kind = registers
    array = kind(pe=PeParameters(lanes=64, max_planes=10), rows=16, columns=16, sharing=4, columns_per_load=4)
    parameters = EngineParameters(array=array, pipelined=pipelined)
    cycles = product_cycles(parameters, Product(2048, 4096, 4096, 7))
    assert cycles.utilization > 0.999
