# amaranth: UnusedElaboratable=no
"""The processing element and the column of elements against exact sums, in Amaranth's own simulator."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden.bitplanes import group_range, pack, plane_words_to_beats
from golden.interval import Interval
from hdl.column import PeColumn
from hdl.heap import AdderCells
from hdl.pe import PeParameters, ProcessingElement
from hdl.ranges import RangeError

CONFIGURATIONS = [
    PeParameters(
        lanes=8,
        level_bits=1 + (5 * n) % 8,
        max_planes=2 + (7 * n) % 10,
        encoding=encoding,
        planes_per_cycle=planes_per_cycle,
        weights=weights,
        reduction=reduction,
        adder_cells=list(AdderCells)[n % 2] if reduction == "heap" else AdderCells.PLAIN,
    )
    for n, (encoding, planes_per_cycle, weights, reduction) in enumerate(
        itertools.product(
            ("twos-complement", "sign-magnitude"), (1, 2, 4), ("outside", "inside"), ("heap", "tree")
        )
    )
]


@dataclass
class Group:
    """One group of work: its beats, its levels packed, and the exact sum."""

    beats: list[int]
    levels: int
    total: int


def random_vector(rng: random.Random, interval: Interval, lanes: int) -> np.ndarray:
    kind = rng.choice(["least", "most", "ends", "single", "uniform", "uniform"])
    if kind in ("least", "most"):
        return np.full(lanes, interval.min if kind == "least" else interval.max)
    if kind == "single":
        return np.eye(1, lanes, rng.randrange(lanes), dtype=int)[0] * interval.min
    if kind == "ends":
        return np.array([rng.choice([interval.min, interval.max]) for _ in range(lanes)])
    return np.array([rng.randint(interval.min, interval.max) for _ in range(lanes)])


def make_group(rng: random.Random, p: PeParameters, levels: np.ndarray, planes: int) -> Group:
    q = random_vector(rng, group_range(planes, p.encoding), p.lanes)
    words = pack(q, planes, p.encoding)
    beats = [
        sum(int(word) << (k * p.lanes) for k, word in enumerate(np.atleast_1d(beat)))
        for beat in plane_words_to_beats(words, p.planes_per_cycle, p.encoding)
    ]
    assert len(beats) == p.beats(planes)
    mask = (1 << p.level_bits) - 1
    packed = sum((int(level) & mask) << (i * p.level_bits) for i, level in enumerate(levels))
    return Group(beats, packed, int(q @ levels))


async def stall(ctx, rng: random.Random) -> None:
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        await ctx.tick()


async def send_beats(ctx, rng, stream, beats: list[int], levels=None) -> None:
    for i, words in enumerate(beats):
        await stall(ctx, rng)
        if i == 0 and levels is not None:
            ctx.set(*levels)
        ctx.set(stream.valid, 1)
        ctx.set(stream.payload.words, words)
        ctx.set(stream.payload.first, i == 0)
        ctx.set(stream.payload.last, i == len(beats) - 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, rng, stream):
    await stall(ctx, rng)
    ctx.set(stream.ready, 1)
    (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
    ctx.set(stream.ready, 0)
    return payload


def run(p: PeParameters, seed: int, count: int = 12) -> None:
    rng = random.Random(seed)
    groups = [
        make_group(rng, p, random_vector(rng, p.level_range, p.lanes), rng.randint(2, p.max_planes))
        for _ in range(count)
    ]
    pe = ProcessingElement(p)
    received = []

    async def drive(ctx) -> None:
        for group in groups:
            levels = (pe.levels.as_value(), group.levels) if p.weights == "outside" else None
            await send_beats(ctx, rng, pe.planes, group.beats, levels)

    async def load(ctx) -> None:
        for group in groups:
            await stall(ctx, rng)
            ctx.set(pe.load.valid, 1)
            ctx.set(pe.load.payload.as_value(), group.levels)
            await ctx.tick().until(pe.load.ready)
            ctx.set(pe.load.valid, 0)

    async def collect(ctx) -> None:
        for _ in groups:
            received.append(await receive(ctx, rng, pe.result))

    simulator = Simulator(pe)
    simulator.add_clock(1e-6)
    for process in [drive, collect] + [load] * (p.weights == "inside"):
        simulator.add_testbench(process)
    simulator.run()
    assert received == [group.total for group in groups]


@pytest.mark.parametrize("p", CONFIGURATIONS, ids=lambda p: p.name)
def test_sums_are_exact_under_random_stalls(p: PeParameters) -> None:
    run(p, seed=p.max_planes)


@pytest.mark.parametrize("lanes", [16, 64])
def test_more_lanes(lanes: int) -> None:
    run(PeParameters(lanes=lanes), seed=lanes, count=5)


def test_groups_follow_each_other_without_a_gap() -> None:
    p = PeParameters(lanes=8, max_planes=5)
    pe = ProcessingElement(p)
    cycles = []

    async def bench(ctx) -> None:
        ctx.set(pe.planes.valid, 1)
        ctx.set(pe.result.ready, 1)
        for cycle in range(20):
            ctx.set(pe.planes.payload.first, cycle % 5 == 0)
            ctx.set(pe.planes.payload.last, cycle % 5 == 4)
            assert ctx.get(pe.planes.ready)
            if ctx.get(pe.result.valid):
                cycles.append(cycle)
            await ctx.tick()

    simulator = Simulator(pe)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    # A result every 5 cycles, `latency` cycles after each last beat.
    assert cycles == [4 + p.latency, 9 + p.latency, 14 + p.latency]


def test_a_column_shares_its_weights() -> None:
    p = PeParameters(lanes=8, max_planes=6)
    rng = random.Random(5)
    column = PeColumn(p, rows=3)
    work = []
    for _ in range(8):
        levels, planes = random_vector(rng, p.level_range, p.lanes), rng.randint(2, 6)
        work.append([make_group(rng, p, levels, planes) for _ in range(3)])
    received = []

    async def drive(ctx) -> None:
        for rows in work:
            together = zip(*(group.beats for group in rows), strict=True)
            beats = [sum(word << (row * p.lanes) for row, word in enumerate(words)) for words in together]
            await send_beats(ctx, rng, column.planes, beats)

    async def load(ctx) -> None:
        for rows in work:
            await stall(ctx, rng)
            ctx.set(column.load.valid, 1)
            ctx.set(column.load.payload.as_value(), rows[0].levels)
            await ctx.tick().until(column.load.ready)
            ctx.set(column.load.valid, 0)

    async def collect(ctx) -> None:
        for _ in work:
            payload = await receive(ctx, rng, column.results)
            received.append([payload[row] for row in range(3)])

    simulator = Simulator(column)
    simulator.add_clock(1e-6)
    for process in (drive, load, collect):
        simulator.add_testbench(process)
    simulator.run()
    assert received == [[group.total for group in rows] for rows in work]


def test_the_accumulator_is_as_wide_as_it_must_be_and_no_wider() -> None:
    for p in CONFIGURATIONS:
        largest = p.sum_range
        # Reached by the extreme activation in every lane against the extreme level in every lane.
        q = group_range(p.max_planes, p.encoding)
        ends = [p.lanes * a * b for a in (q.min, q.max) for b in (p.level_range.min, p.level_range.max)]
        assert (min(ends), max(ends)) == (largest.min, largest.max)
        assert replace(p, accumulator_bits=largest.bits).sum_bits == largest.bits
        with pytest.raises(RangeError, match=f"accumulator_bits must be at least {largest.bits}"):
            replace(p, accumulator_bits=largest.bits - 1)
    assert PeParameters().sum_bits == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lanes": 12}, "group must be a power of two from 8 to 256, not 12"),
        ({"level_bits": 9}, "level_bits must be from 1 to 8, not 9"),
        ({"planes_per_cycle": 3}, "planes_per_cycle must be 1, 2 or 4, not 3"),
        ({"weights": "nearby"}, "weights must be outside or inside, not 'nearby'"),
        ({"reduction": "bush"}, "reduction must be heap or tree, not 'bush'"),
    ],
)
def test_bad_parameters(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PeParameters(**change)


def test_bad_columns() -> None:
    with pytest.raises(ValueError, match="have their weights outside, not inside"):
        PeColumn(PeParameters(weights="inside"), rows=2)
    with pytest.raises(ValueError, match="at least 1 row, not 0"):
        PeColumn(PeParameters(), rows=0)
