"""The compressor against the golden codec, in Amaranth's own simulator."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden.anda import AndaCodec
from golden.fp16 import sanitize
from hdl.compressor import Compressor, CompressorParameters
from tests.hdl.activations import activations, as_words

MODES = list(itertools.product(("twos-complement", "sign-magnitude"), ("nearest", "truncate")))
CONFIGURATIONS = [
    CompressorParameters(group=8, lanes=lanes, max_planes=max_planes, encoding=encoding, rounding=rounding)
    for (encoding, rounding), (lanes, max_planes) in itertools.product(
        MODES, [(1, 17), (1, 3), (1, 16), (2, 11), (3, 7)]
    )
]


@dataclass
class Batch:
    """Groups under one number of planes, and what should come out for them."""

    groups: np.ndarray
    asked: int
    beats: list[dict[str, int]]
    nonfinite: bool


def make_batch(rng: random.Random, p: CompressorParameters, *, finite: bool = False) -> Batch:
    asked = rng.choice([0, 1, 2, p.max_planes, *range(32)]) % (1 << p.planes_range.bits)
    groups = np.stack(
        [activations(rng, p.group, finite=finite) for _ in range(rng.randint(1, 2 * p.lanes + 1))]
    )
    clean, nonfinite = sanitize(groups)
    planes = min(max(asked, 2), p.max_planes)
    block = AndaCodec(planes, p.encoding, p.rounding, p.group).encode(clean)
    beats = []
    for start in range(0, len(groups), p.lanes):
        words, exponents = (
            block.words[start : start + p.lanes, 0],
            block.exponents[start : start + p.lanes, 0],
        )
        missing = p.lanes - len(words)
        for plane in range(planes):
            beats.append(
                {
                    "words": as_words(words[:, plane], p.group),
                    "exponents": as_words([*exponents, *[1] * missing], 5),
                    "lanes_valid": (1 << len(words)) - 1,
                    "first": int(plane == 0),
                    "last": int(plane == planes - 1),
                }
            )
    return Batch(groups, asked, beats, nonfinite)


class Bench:
    """A compressor, a source and a sink."""

    def __init__(self, p: CompressorParameters, rng: random.Random, pauses: tuple[int, ...] = (0, 0, 1, 4)):
        self.p, self.rng, self.pauses = p, rng, pauses
        self.dut = Compressor(p)
        self.received: list[dict[str, int]] = []

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

    async def receive(self, ctx) -> None:
        stream = self.dut.planes
        await self.pause(ctx)
        ctx.set(stream.ready, 1)
        (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
        ctx.set(stream.ready, 0)
        self.received.append(
            {name: int(payload[name]) for name in ("words", "exponents", "lanes_valid", "first", "last")}
        )

    def run(self, *processes) -> None:
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        for process in processes:
            simulator.add_testbench(process)
        simulator.run()


@pytest.mark.parametrize("p", CONFIGURATIONS, ids=lambda p: f"{p.lanes}x{p.name}")
def test_planes_are_golden_under_random_stalls(p: CompressorParameters) -> None:
    rng = random.Random(p.max_planes * 4 + MODES.index((p.encoding, p.rounding)))
    batches = [make_batch(rng, p) for _ in range(12)]
    bench = Bench(p, rng)

    async def drive(ctx) -> None:
        for batch in batches:
            await bench.send(ctx, batch)

    async def collect(ctx) -> None:
        for batch in batches:
            for beat in batch.beats:
                await bench.receive(ctx)
                assert bench.received[-1] == beat

    bench.run(drive, collect)
