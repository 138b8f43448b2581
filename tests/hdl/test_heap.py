"""The bit heap: any bits, signs, constants, polarities and pipelines give the exact sum."""

from __future__ import annotations

import random

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from golden.interval import Interval
from hdl.heap import AdderCells, Bit, BitHeap


def random_heap(rng: random.Random) -> tuple[Module, BitHeap, list[tuple[Signal, int, bool]]]:
    """A module with a heap of random operands: each with a shift and whether it is subtracted."""
    levels = rng.choice([None, None, 1, 2, 3])
    heap = BitHeap(rng.randint(1, 14), rng.choice(list(AdderCells)), levels)
    operands = []
    for i in range(rng.randint(1, 9)):
        width = rng.randint(1, 6)
        signal = Signal(signed(width) if rng.random() < 0.5 else width, name=f"x{i}")
        operands.append((signal, rng.randint(0, 4), rng.random() < 0.4))
        heap.add_number(signal, operands[-1][1], subtract=operands[-1][2])
    heap.constant += rng.randint(-300, 300)
    return Module(), heap, operands


@pytest.mark.parametrize("seed", range(40))
def test_random_heaps(seed: int) -> None:
    rng = random.Random(seed)
    m, heap, operands = random_heap(rng)
    expected_constant = heap.constant + sum(
        # What subtraction and sign bits have put into the constant already is part of the operands' value.
        (1 << shift)
        * sum(1 << i for i in range(len(x)) if subtract != (x.shape().signed and i == len(x) - 1))
        for x, shift, subtract in operands
    )
    result = Signal(heap.width)
    if rng.random() < 0.4:
        first, second, constant = heap.carry_save(m)
        m.d.comb += result.eq(first + second + constant)
    else:
        m.d.comb += result.eq(heap.sum(m))
    m.d.sync += Signal(name="clocked").eq(0)
    checked = []

    async def bench(ctx) -> None:
        for _ in range(15):
            total = expected_constant
            for x, shift, subtract in operands:
                ends = Interval.of_bits(len(x), x.shape().signed)
                value = rng.choice([ends.min, ends.max, rng.randint(ends.min, ends.max)])
                ctx.set(x, value)
                total += (-value if subtract else value) << shift
            await ctx.tick().repeat(heap.latency + 1)
            assert ctx.get(result) == total % (1 << heap.width)
            checked.append(total)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(checked) == 15


def test_every_full_adder_removes_one_bit() -> None:
    heap = BitHeap(7)
    wires = [Signal(name=f"x{i}") for i in range(63)]
    for wire in wires:
        heap.add(0, Bit(wire))
    m = Module()
    m.d.comb += Signal(7, name="count").eq(heap.sum(m))
    Simulator(m)
    # 63 bits become the 6 bits of their count.
    assert (heap.full_adders, heap.half_adders) == (63 - 6, 0)


@pytest.mark.parametrize(("kwargs", "message"), [({"width": 0}, "at least 1 column, not 0")])
def test_bad_parameters(kwargs: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BitHeap(**kwargs)
    with pytest.raises(ValueError, match="at least 1 adder level, not 0"):
        BitHeap(4, levels_per_stage=0)
