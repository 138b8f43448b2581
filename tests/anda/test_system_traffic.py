"""Cycles and traffic of layers, against the event model and against loops that count byte by byte."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from anda.models import Layer
from anda.system_cycles import steady_cycles
from anda.system_traffic import LayerTraffic, System, plan_layer
from hdl.array import ArrayParameters
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from sim.cycles import Product, product_cycles

# Rows, columns, elements that share an accumulator, columns that are loaded at a time.
ARRAYS = [(3, 4, 3, 1), (4, 2, 2, 2), (2, 8, 1, 8), (4, 4, 4, 4), (6, 2, 3, 2), (16, 8, 4, 4)]


def engine(shape: tuple[int, int, int, int], **sizes: Any) -> EngineParameters:
    rows, columns, sharing, per_load = shape
    pe = PeParameters(lanes=8, max_planes=16)
    array = ArrayParameters(pe=pe, rows=rows, columns=columns, sharing=sharing, columns_per_load=per_load)
    return EngineParameters(array=array, **sizes)


@pytest.mark.parametrize("shape", ARRAYS)
def test_large_products_at_once_take_the_cycles_of_the_model(
    shape: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters, random, gone_through = engine(shape), Random(str(shape)), []

    def model(parameters: EngineParameters, product: Product) -> object:
        gone_through.append(product)
        return product_cycles(parameters, product)

    monkeypatch.setattr("anda.system_cycles.product_cycles", model)
    products = [
        Product(
            random.randint(1, 40),
            random.randint(1, 120),
            random.randint(1, 60),
            random.randint(2, 10),
            random.choice((0, 0, 0, 3)),
        )
        for _ in range(150)
    ]
    for product in products:
        assert steady_cycles(parameters, product) == product_cycles(parameters, product)
    # Many of them were not gone through as they are.
    assert len(set(products) - set(gone_through)) > 25


def counted(system: System, layer: Layer, n: int, length: int, stay: str) -> LayerTraffic:
    """The loops of the module's documentation, one tile after the other."""
    array = system.engine.array
    rows, columns, lanes = array.rows, array.columns, array.pe.lanes
    groups, turns = -(-layer.k // lanes), columns // array.columns_per_load
    words = system.words(length)
    held_rows = system.engine.plane_words // (groups * words)
    held_columns = system.engine.weight_words // (groups * turns)
    row_blocks = _cut(-(-n // rows), held_rows)
    column_blocks = _cut(-(-layer.c // columns), held_columns)
    order = [
        (r, c)
        for r, c in (
            [(r, c) for r in row_blocks for c in column_blocks]
            if stay == "activations stay"
            else [(r, c) for c in column_blocks for r in row_blocks]
        )
    ]
    activation_bits = weight_bits = write_bits = read_bits = 0
    here: list[range | None] = [None, None]
    for r, c in order:
        if here[0] != r:
            here[0] = r
            tokens = sum(min(rows, n - rows * tile) for tile in r)
            activation_bits += tokens * groups * (words * lanes + system.exponent_bits)
        if here[1] != c:
            here[1] = c
            channels = sum(min(columns, layer.c - columns * tile) for tile in c)
            weight_bits += channels * (4 * layer.k + 16 * -(-layer.k // 128))
            write_bits += len(c) * groups * turns * system.engine.weights.word_bits
        for _ in r:
            for _ in c:
                for _ in range(groups):
                    read_bits += rows * (words * lanes + system.exponent_bits)
                    read_bits += turns * system.engine.weights.word_bits
    results = 16 * n * layer.c
    cycles = sum(
        product_cycles(
            system.engine,
            Product(
                sum(min(rows, n - rows * tile) for tile in r),
                layer.k,
                sum(min(columns, layer.c - columns * tile) for tile in c),
                words,
            ),
        ).total
        for r, c in order
    )
    return LayerTraffic(
        dram_read_bytes=(activation_bits + weight_bits) // 8,
        dram_write_bytes=2 * n * layer.outputs,
        sram_read_bytes=(read_bits + results) // 8,
        sram_write_bytes=(activation_bits + write_bits + results) // 8,
        cycles=cycles,
        macs=n * layer.k * layer.c,
    )


def _cut(tiles: int, held: int) -> list[range]:
    return [range(start, min(start + held, tiles)) for start in range(0, tiles, held)]


@pytest.mark.parametrize("seed", range(30))
def test_traffic_is_what_the_loops_move(seed: int) -> None:
    random = Random(seed)
    sizes = {
        "plane_words": random.randint(60, 400),
        "plane_groups": 400,
        "weight_words": random.randint(20, 90),
    }
    # Eight bits of exponent: every figure is then a whole number of bytes.
    system = System("test", engine((4, 4, 4, 2), **sizes), added_words=random.randint(0, 1), exponent_bits=8)
    c = random.randint(1, 50)
    layer = Layer("o", 8 * random.randint(1, 9), c, c)
    n, length = random.randint(1, 60), random.randint(4, 6)
    plan = plan_layer(system, layer, n, length)
    found = {
        order: counted(system, layer, n, length, order) for order in ("activations stay", "weights stay")
    }
    least = min(found.values(), key=lambda traffic: traffic.dram_read_bytes)
    assert plan.total.dram_read_bytes == least.dram_read_bytes
    assert plan.total == found[plan.order]


def test_results_of_the_next_layer_leave_as_its_groups() -> None:
    system = System("test", engine((4, 4, 4, 2)), exponent_bits=5)
    layer = Layer("up_gate", 16, 32, 16)
    assert plan_layer(system, layer, 3, 4, 6).total.dram_write_bytes == 3 * 2 * (6 * 8 + 5) // 8 + 1
    assert plan_layer(system, layer, 3, 4).total.dram_write_bytes == 3 * 16 * 2


def test_traffic_adds_up() -> None:
    one = LayerTraffic(1, 2, 3, 4, 5, 6)
    assert one + one == one * 2 == LayerTraffic(2, 4, 6, 8, 10, 12)
    assert (one.dram_bytes, one.sram_bytes) == (3, 7)


@pytest.mark.parametrize(("buffer", "size"), [("activation", "plane_words"), ("weight", "weight_words")])
def test_tiles_that_do_not_fit_are_refused(buffer: str, size: str) -> None:
    system = System("small", engine((4, 4, 4, 2), **{size: 7}))
    with pytest.raises(ValueError, match=f"the {buffer} buffer of small must hold a .* but it has 7"):
        plan_layer(system, Layer("o", 64, 8, 8), 4, 3)
