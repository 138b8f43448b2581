"""Bench of the elementwise unit: every part leaves as golden has it, and the flags with it.

Parameters: `rows`, `columns`, `tiles` (of a group), `words`, `silu`, `latency`, and `jobs`, how many random
jobs each pair of stall patterns gets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, cycle
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.elementwise import ACTIVATIONS, Activation, elementwise
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

P = parameters()
ROWS, COLUMNS, TILES, WORDS = P["rows"], P["columns"], P["tiles"], P["words"]
CHOICES: tuple[Activation, ...] = ACTIVATIONS if P["silu"] else ("none", "relu")
Words = NDArray[np.uint16]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("elementwise: activation", set(CHOICES))
    coverage.point("elementwise: scaled", [False, True])
    coverage.point("elementwise: gated", {False, True} if P["silu"] else {False})
    coverage.point("elementwise: groups", [1, Interval(2, 99)])
    coverage.point("elementwise: row tiles", [1, Interval(2, 3000)])
    coverage.point("elementwise: last rows", {1, ROWS})
    coverage.point("elementwise: blank", [False, True] if TILES > 1 else [False])
    coverage.point("elementwise: source stalls", STALLS)
    coverage.point("elementwise: sink stalls", STALLS)
    coverage.point("elementwise: nonfinite", [False, True])
    coverage.point("elementwise: overflow", [False, True])
    coverage.point("elementwise: reset", [True])


@dataclass(frozen=True)
class Job:
    """A product, and what happens to it."""

    row_tiles: int
    groups: int
    last_tiles: int
    last_rows: int
    scaled: bool
    base: int
    activation: Activation
    gated: bool
    scales: Words = field(repr=False)
    biases: Words = field(repr=False)

    @property
    def fields(self) -> tuple[int, ...]:
        """As the port has them."""
        common = (self.scaled, self.base, self.groups, self.activation == "relu")
        return (*common, self.activation == "silu", self.gated) if P["silu"] else common


class ElementwiseBench(Bench):
    """The unit between a group buffer, a stream of gates, and its results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        choices = ("silu", "gated") if P["silu"] else ()
        part = ("values", "row", "first", "last", "blank")
        self.jobs = Source(self, "job", ("scaled", "base", "groups", "relu", *choices))
        self.parts = Source(self, "parts", part)
        self.gates = Source(self, "gates") if P["silu"] else None
        self.results = Sink(self, "results", part)
        self._events: deque[tuple[bool, bool]] = deque()
        for index, name in enumerate(("nonfinite", "overflow")):
            StickyFlag(self, name, partial(self._left, index))
        dut.write.value = 0

    def _left(self, flag: int) -> bool:
        """Whether a part leaves that raises the first or the second flag."""
        if self.results.taken is None:
            return False
        return self._events[0][flag] if flag == 0 else self._events.popleft()[flag]

    async def reset(self, cycles: int = 2) -> None:
        """Reset, and forget what is under way."""
        await super().reset(cycles)
        self._events.clear()

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of the streams."""
        self.parts.stall(source)
        self.results.stall(sink)
        if self.gates:
            self.gates.stall(self.random.choice(STALLS))
        coverage.hit({"elementwise: source stalls": source, "elementwise: sink stalls": sink})

    def random_words(self, *shape: int) -> Words:
        """FP16 words: any, or ordinary values around 1, or those of few bits, whose products end in ties."""
        shape, random = (*shape, COLUMNS), self.numpy
        anything = random.integers(0, 1 << 16, shape).astype(np.uint16)
        ordinary = random.normal(0, 1.5, shape).astype(np.float16).view(np.uint16)
        fraction = (1 << random.integers(0, 11, shape) | 1 << random.integers(0, 11, shape)) & 0x3FF
        sparse = (random.integers(0, 2, shape) << 15 | random.integers(0, 16, shape) << 10 | fraction).astype(
            np.uint16
        )
        if self.random.random() < 0.4:
            return sparse
        return np.where(random.random(shape) < self.random.choice((0, 0, 0.05, 0.5)), anything, ordinary)

    async def begin(self, **fixed: Any) -> Job:
        """Draw a job but for what is fixed, write its scales and biases, and have it taken."""
        r = self.random
        last_tiles = fixed.get("last_tiles", r.choice((1, TILES, r.randint(1, TILES))))
        groups = fixed.get("groups", r.randint(1, max(1, min(3, (WORDS - last_tiles) // TILES + 1))))
        tiles = (groups - 1) * TILES + last_tiles
        scaled = fixed.get("scaled", r.random() < 0.8)
        job = Job(
            row_tiles=r.choice((1, 1, 2, 3)),
            groups=groups,
            last_tiles=last_tiles,
            last_rows=r.choice((1, ROWS)),
            scaled=scaled,
            base=r.randint(0, WORDS - tiles),
            activation=r.choice(CHOICES),
            gated=P["silu"] and r.random() < 0.5,
            scales=self.random_words(tiles) if scaled else np.full((tiles, COLUMNS), 0x3C00, np.uint16),
            biases=self.random_words(tiles) if scaled else np.zeros((tiles, COLUMNS), np.uint16),
        )
        job = replace(job, **fixed)
        if scaled:
            await self._write(job)
        self.jobs.send([job.fields])
        await self.transfer(self.jobs)
        coverage.hit({"elementwise: activation": job.activation, "elementwise: gated": job.gated})
        coverage.hit({"elementwise: groups": job.groups, "elementwise: row tiles": job.row_tiles})
        coverage.hit({"elementwise: last rows": job.last_rows, "elementwise: scaled": job.scaled})
        return job

    async def _write(self, job: Job) -> None:
        """Put the scales and biases of a job into the memory."""
        operands = np.stack([job.scales, job.biases], axis=-1).reshape(-1, 2 * COLUMNS)
        self.dut.write.value = 1
        for offset, word in enumerate(pack_lanes(operands, 16)):
            self.dut.write_address.value = job.base + offset
            self.dut.write_word.value = word
            await self.step()
        self.dut.write.value = 0

    def send(self, job: Job, note: str = "", values: Iterator[Words] | None = None) -> int:
        """Queue the parts of a job, of these values or random ones, and what should leave; how many."""
        values = values or (self.random_words(1) for _ in count())
        sent = 0
        for row_tile in range(job.row_tiles):
            for group in range(job.groups):
                for row in range(job.last_rows if row_tile == job.row_tiles - 1 else ROWS):
                    for tile in range(TILES):
                        blank = group == job.groups - 1 and tile >= job.last_tiles
                        told = (row, tile == 0, tile == TILES - 1, blank)
                        where = f"{note} row tile {row_tile}, group {group}, row {row}, tile {tile}"
                        self._send_part(job, group * TILES + tile, next(values), told, f"{where}, {job}")
                        sent += 1
        return sent

    def _send_part(
        self, job: Job, tile: int, value: Words, told: tuple[int, bool, bool, bool], note: str
    ) -> None:
        blank = told[-1]
        gate = self.random_words(1)
        value = np.zeros_like(value) if blank else value
        self.parts.send([(pack_lanes(value, 16)[0], *told)])
        if job.gated and self.gates and not blank:
            self.gates.send([(pack_lanes(gate, 16)[0],)])
        result, events = np.zeros_like(value), (False, False)
        if not blank:
            words = (value[0], job.scales[tile], job.biases[tile], gate[0])
            operands = [sanitize(word.view(np.float16)) for word in words[: 4 if job.gated else 3]]
            x, scale, bias, *rest = (finite for finite, _ in operands)
            y, overflow = elementwise(
                x, scale, bias, activation=job.activation, gate=rest[0] if rest else None
            )
            result, events = y.view(np.uint16)[None], (any(bad for _, bad in operands), overflow)
        self.results.expect([(pack_lanes(result, 16)[0], *told)], note=note)
        self._events.append(events)
        coverage.hit({"elementwise: blank": blank})
        coverage.hit({"elementwise: nonfinite": events[0], "elementwise: overflow": events[1]})


@cocotb.test()
async def random_jobs_and_stalls(dut: Any) -> None:
    """Random jobs under every pair of stall patterns."""
    bench = ElementwiseBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            for _ in range(P["jobs"]):
                bench.send(await bench.begin(), f"stalls {source}/{sink}:")
                await bench.run()


@cocotb.test()
async def every_segment(dut: Any) -> None:
    """Each activation of finite values all over FP16, close enough to visit every entry of a table."""
    bench = ElementwiseBench(dut)
    await bench.reset()
    for activation in CHOICES:
        step = 23 if activation == "silu" else 499
        words = np.arange(bench.random.randrange(step), 0x7C00, step).astype(np.uint16)
        words = np.concatenate([words, words | 0x8000])
        parts = np.resize(words, (-(-len(words) // COLUMNS), 1, COLUMNS))
        row_tiles = -(-len(parts) // (ROWS * TILES))
        fixed = {"groups": 1, "last_tiles": TILES, "last_rows": ROWS, "scaled": False, "gated": False}
        job = await bench.begin(row_tiles=row_tiles, activation=activation, **fixed)
        bench.send(job, values=cycle(parts))
        await bench.run()


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a part is taken every cycle, and its result comes on time."""
    bench = ElementwiseBench(dut)
    await bench.reset()
    for _ in range(4):
        sent = bench.send(await bench.begin(), "full speed:")
        await bench.transfer(bench.parts)
        begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
        await bench.until(lambda: bench.results.done, patience=sent + 100)
        wanted = sent + P["latency"]
        assert bench.cycle - begin == wanted, f"{sent} parts took {bench.cycle - begin} cycles, not {wanted}"
        await bench.run()


@cocotb.test()
async def a_job_waits_for_the_parts_before_it(dut: Any) -> None:
    """The next job is not taken while a part is under way."""
    bench = ElementwiseBench(dut)
    await bench.reset()
    bench.send(await bench.begin())
    await bench.transfer(bench.parts)
    bench.parts.hold = True
    bench.results.stall("often")
    await bench.step()
    while bench.results.transfers < bench.parts.transfers:
        assert not int(dut.job_ready.value), "a job is taken while a part is under way"
        await bench.step()
    bench.parts.hold = False
    await bench.run()
    assert int(dut.job_ready.value)


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a job leaves nothing of it behind."""
    bench = ElementwiseBench(dut)
    await bench.reset()
    for cycles in range(1, 31, 3):
        bench.stall("never", bench.random.choice(("never", "often")))
        bench.send(await bench.begin())
        await bench.step(cycles)
        coverage.hit({"elementwise: reset": True})
        await bench.reset()
        bench.send(await bench.begin(), f"after a reset behind cycle {cycles}:")
        await bench.run()
