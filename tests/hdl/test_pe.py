# amaranth: UnusedElaboratable=no
"""The processing element and the column of elements against exact sums, in Amaranth's own simulator."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden import formats
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
    interval = replace(p, max_planes=planes, certified=None, accumulator_bits=None).activation_range
    return group_of(p, random_vector(rng, interval, p.lanes), levels, planes)


def group_of(p: PeParameters, q: np.ndarray, levels: np.ndarray, planes: int) -> Group:
    if p.activations == "unsigned":  # magnitudes without the beat of their signs
        beat_words = plane_words_to_beats(
            pack(q, planes + 1, "sign-magnitude"), p.planes_per_cycle, "sign-magnitude"
        )[1:]
    else:
        beat_words = plane_words_to_beats(pack(q, planes, p.encoding), p.planes_per_cycle, p.encoding)
    beats = [
        sum(int(word) << (k * p.lanes) for k, word in enumerate(np.atleast_1d(beat))) for beat in beat_words
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
    assert sums(p, rng, groups) == [group.total for group in groups]


def sums(p: PeParameters, rng: random.Random, groups: list[Group]) -> list[int]:
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
    return received


@pytest.mark.parametrize("p", CONFIGURATIONS, ids=lambda p: p.name)
def test_sums_are_exact_under_random_stalls(p: PeParameters) -> None:
    run(p, seed=p.max_planes)


@pytest.mark.parametrize("reduction", ["heap", "tree"])
@pytest.mark.parametrize("rate", [1, 2, 4])
def test_unsigned_activations_take_a_plane_less(rate: int, reduction: str) -> None:
    p = PeParameters(
        lanes=8, max_planes=7, planes_per_cycle=rate, reduction=reduction, activations="unsigned"
    )
    assert p.type_range == Interval(-8 * 8 * 127, 7 * 8 * 127)
    assert p.beats(7) == -(-7 // rate)
    run(p, seed=rate)


@pytest.mark.parametrize("activations", ["signed", "unsigned"])
@pytest.mark.parametrize("reduction", ["heap", "tree"])
@pytest.mark.parametrize("rate", [1, 2])
def test_certified_elements_are_exact_to_their_last_bit(activations: str, reduction: str, rate: int) -> None:
    p = PeParameters(
        lanes=16, max_planes=6, planes_per_cycle=rate, reduction=reduction, activations=activations
    )
    rng = random.Random(rate)
    # Small levels of both signs, so that the sums need fewer bits than any weights would.
    levels = np.array([rng.choice([-2, -1, 0, 1, 1]) for _ in range(p.lanes)])
    ends = p.activation_range
    highest = np.where(levels > 0, ends.max, ends.min)
    lowest = np.where(levels > 0, ends.min, ends.max)
    reached = Interval(int(lowest @ levels), int(highest @ levels))
    certified = replace(p, certified=reached)
    assert certified.sum_range == reached
    assert certified.sum_bits == reached.bits < p.sum_bits
    groups = [group_of(p, q, levels, 6) for q in (highest, lowest, highest, -levels % 3)]
    groups += [make_group(rng, p, levels, rng.randint(2, 6)) for _ in range(6)]
    assert sums(certified, rng, groups) == [group.total for group in groups]
    # One bit less does not hold the end that needs it, and the same inputs show it.
    half = 1 << (reached.bits - 2)
    narrow = replace(p, certified=Interval(max(reached.min, -half), min(reached.max, half - 1)))
    assert narrow.sum_bits == certified.sum_bits - 1
    assert sums(narrow, rng, groups[:2]) != [group.total for group in groups[:2]]


def test_certificates_that_cannot_be() -> None:
    p = PeParameters(lanes=8, max_planes=4)
    with pytest.raises(RangeError, match="certified range -449 to 512 is not within -448 to 512"):
        replace(p, certified=Interval(-449, 512))
    with pytest.raises(RangeError, match="certified range 1 to 2 lacks 0"):
        replace(p, certified=Interval(1, 2))
    with pytest.raises(RangeError, match="accumulator_bits must be at least 6 for sums from -7 to 16, not 5"):
        replace(p, certified=Interval(-7, 16), accumulator_bits=5)
    # A register is signed even where no sum is negative.
    assert replace(p, certified=Interval(0, 15)).sum_bits == 5
    assert replace(p, certified=Interval(0, 0)).sum_bits == 1


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


@pytest.mark.parametrize("activations", ["signed", "unsigned"])
@pytest.mark.parametrize("products", ["lanes", "pairs"])
def test_a_column_shares_its_weights(products: str, activations: str) -> None:
    p = PeParameters(lanes=8, max_planes=6, products=products, activations=activations)
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
        ({"products": "triples"}, "products must be lanes or pairs, not 'triples'"),
        (
            {"products": "pairs", "weights": "inside"},
            "need twos-complement planes, a heap and weights outside, not twos-complement, heap and inside",
        ),
        (
            {"products": "pairs", "reduction": "tree", "encoding": "sign-magnitude"},
            "weights outside, not sign-magnitude, tree and outside",
        ),
        ({"activations": "odd"}, "activations must be signed or unsigned, not 'odd'"),
        (
            {"activations": "unsigned", "encoding": "sign-magnitude"},
            "unsigned activations have no sign-magnitude encoding",
        ),
        (
            {"activations": "unsigned", "max_planes": 17},
            "unsigned activations have up to 16 planes, not 17",
        ),
    ],
)
def test_bad_parameters(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PeParameters(**change)


def test_bad_columns() -> None:
    with pytest.raises(ValueError, match="codes of int4 are decoded for elements with their weights outside"):
        PeColumn(PeParameters(weights="inside"), rows=2, format=formats.get("int4"))
    with pytest.raises(ValueError, match="at least 1 row, not 0"):
        PeColumn(PeParameters(), rows=0)
