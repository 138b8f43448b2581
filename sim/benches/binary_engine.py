"""Bench of the binary engine: whole products of any pair of formats, every result the golden one.

Parameters: those of `sim.benches.binary_agents`, `terms`, `formats` (of activations and of weights, as the
fields of `BinaryFormat`), and `jobs`, how many random products each pattern of stalls gets.
"""

from __future__ import annotations

from typing import Any

import cocotb

from golden.binary import BinaryFormat, BinaryOperand
from sim.bench import coverage
from sim.benches.binary_agents import SHAPE, EngineBench, P
from sim.binary_jobs import Program, program
from sim.stream import STALLS


def formats(side: str) -> list[BinaryFormat]:
    """All that the engine takes on one side."""
    return [BinaryFormat(*fields) for fields in P["formats"][side]]


ACTIVATIONS, WEIGHTS = formats("activations"), formats("weights")


def random_operand(bench: EngineBench, form: BinaryFormat, rows: int, length: int) -> BinaryOperand:
    """Random codes and zero points."""
    low, high = form.range.min, form.range.max
    codes = bench.numpy.integers(low, high, (rows, length), endpoint=True)
    if bench.random.random() < 0.3:
        codes = bench.numpy.choice([low, high], (rows, length))
    reach = (1 << SHAPE.zero_bits) // 2
    zeros = bench.numpy.integers(-reach, reach, rows) if SHAPE.zero_bits else None
    return BinaryOperand(codes, form, zeros)


def random_product(bench: EngineBench) -> tuple[Program, str]:
    """A product that fits the memories."""
    x, w = bench.random.choice(ACTIVATIONS), bench.random.choice(WEIGHTS)
    length = bench.random.randint(1, P["terms"])
    while True:
        rows, channels = bench.random.randint(1, 2 * SHAPE.rows), bench.random.randint(1, 3 * SHAPE.columns)
        made = program(
            SHAPE, random_operand(bench, x, rows, length), random_operand(bench, w, channels, length)
        )
        if all(len(words) <= P["memories"][name] for name, words in made.memories.items()):
            coverage.hit({"binary engine: activations": str(x), "binary engine: weights": str(w)})
            return made, f"{x} by {w}, {rows} x {length} x {channels}"
        length = max(1, length // 2)


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("binary engine: stalls", STALLS)
    coverage.point("binary engine: activations", [str(form) for form in ACTIVATIONS])
    coverage.point("binary engine: weights", [str(form) for form in WEIGHTS])


@cocotb.test()
async def random_products(dut: Any) -> None:
    """Products of every format, with random sizes and zero points, under every pattern of stalls."""
    declare_coverage()
    bench = EngineBench(dut)
    await bench.reset()
    for pattern in STALLS:
        coverage.hit({"binary engine: stalls": pattern})
        bench.results.stall(pattern)
        for _ in range(P["jobs"]):
            made, note = random_product(bench)
            await bench.load(made)
            bench.start(made, note)
            await bench.finish()


@cocotb.test()
async def every_format_in_turn(dut: Any) -> None:
    """Each format of either side at least once."""
    declare_coverage()
    bench = EngineBench(dut)
    await bench.reset()
    for turn in range(max(len(ACTIVATIONS), len(WEIGHTS))):
        x, w = ACTIVATIONS[turn % len(ACTIVATIONS)], WEIGHTS[turn % len(WEIGHTS)]
        length = min(P["terms"], SHAPE.lanes)
        made = program(
            SHAPE,
            random_operand(bench, x, SHAPE.rows, length),
            random_operand(bench, w, SHAPE.columns, length),
        )
        coverage.hit({"binary engine: activations": str(x), "binary engine: weights": str(w)})
        await bench.load(made)
        bench.start(made, f"{x} by {w}")
        await bench.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any moment of a product leaves nothing behind."""
    bench = EngineBench(dut)
    await bench.reset()
    for cycles in (1, 2, 3, 7, 20):
        made, note = random_product(bench)
        await bench.load(made)
        bench.start(made, note)
        await bench.transfer(bench.jobs)
        await bench.step(cycles)
        await bench.reset()
        made, note = random_product(bench)
        await bench.load(made)
        bench.start(made, f"{note}, after a reset {cycles} cycles into a product")
        await bench.finish()
