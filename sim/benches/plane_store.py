"""Bench of the activation buffer: every word of every job in its order, rows beyond the end as zeros.

Parameters: `rows`, `lanes`, `words`, `groups`, `max_planes`, and `jobs`, how many random jobs each pair of
stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb

from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.stream import STALLS, Sink, Source

P = parameters()
ROWS, LANES, WORDS, GROUPS, MOST = P["rows"], P["lanes"], P["words"], P["groups"], P["max_planes"]
MASK = (1 << LANES) - 1


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("plane store: planes", range(2, MOST + 1))
    for loop in ("row tiles", "column tiles", "groups"):
        coverage.point(f"plane store: {loop}", [1, Interval(2, 1 << 16)])
    coverage.point("plane store: last rows", {1, ROWS} if ROWS < 3 else [1, Interval(2, ROWS - 1), ROWS])
    coverage.point("plane store: source stalls", STALLS)
    coverage.point("plane store: sink stalls", STALLS)
    coverage.point("plane store: reset", [True])


class PlaneStoreBench(Bench):
    """The buffer between its stream of jobs, its write ports and the planes it gives."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        fields = ("base", "exponent_base", "row_tiles", "column_tiles", "groups", "planes", "last_rows")
        self.jobs = Source(self, "job", fields)
        self.planes = Sink(self, "planes", ("words", "exponents", "first", "last", "tile_last"))
        for port in ("write", "write_exponents"):
            getattr(dut, port).value = 0
        self.words = [0] * WORDS
        self.exponents = [0] * GROUPS

    async def fill(self) -> None:
        """Write random rows of random words until every row of every word was written once."""
        for ports, content, width in (
            (("write", "write_address", "write_word"), self.words, LANES),
            (("write_exponents", "write_group", "write_exponent"), self.exponents, 5),
        ):
            enable, address, word = (getattr(self.dut, port) for port in ports)
            todo = [(a, 1 << row) for a in range(len(content)) for row in range(ROWS)]
            self.random.shuffle(todo)
            todo += [(a, self.random.getrandbits(ROWS)) for a in range(len(content))]
            for at, rows in todo:
                value = self.random.getrandbits(ROWS * width)
                enable.value, address.value, word.value = rows, at, value
                mask = sum(((1 << width) - 1) << (row * width) for row in range(ROWS) if rows >> row & 1)
                content[at] = (content[at] & ~mask) | (value & mask)
                await self.step()
            enable.value = 0

    def random_job(self, note: str = "") -> None:
        """Queue a job that fits the memories, and what it should give."""
        r = self.random
        planes = r.randint(2, MOST)
        row_tiles, column_tiles = r.choice((1, 2, 3)), r.choice((1, 2, 3))
        most = min(WORDS // planes, GROUPS) // row_tiles
        groups = r.randint(1, max(min(most, 4), 1))
        if row_tiles * groups * planes > WORDS or row_tiles * groups > GROUPS:
            row_tiles = groups = 1
        base = r.randint(0, WORDS - row_tiles * groups * planes)
        exponent_base = r.randint(0, GROUPS - row_tiles * groups)
        last_rows = r.choice((1, ROWS, r.randint(1, ROWS)))
        self.jobs.send([(base, exponent_base, row_tiles, column_tiles, groups, planes, last_rows)])
        for t in range(row_tiles):
            rows = last_rows if t == row_tiles - 1 else ROWS
            mask = (1 << rows * LANES) - 1
            # Beyond the end there are groups of zeros, of the smallest exponent.
            shared, ones = (1 << rows * 5) - 1, sum(1 << row * 5 for row in range(rows, ROWS))
            for _ in range(column_tiles):
                for g in range(groups):
                    at = t * groups + g
                    self.planes.expect(
                        [
                            (
                                self.words[base + at * planes + p] & mask,
                                self.exponents[exponent_base + at] & shared | ones,
                                p == 0,
                                p == planes - 1,
                                g == groups - 1,
                            )
                            for p in range(planes)
                        ],
                        note=f"{note} row tile {t} of {row_tiles}, group {g} of {groups}, {planes} planes",
                    )
        coverage.hit({"plane store: planes": planes, "plane store: last rows": last_rows})
        for loop, count in (("row tiles", row_tiles), ("column tiles", column_tiles), ("groups", groups)):
            coverage.hit({f"plane store: {loop}": count})


@cocotb.test()
async def random_jobs_and_stalls(dut: Any) -> None:
    """Random jobs under every pair of stall patterns."""
    bench = PlaneStoreBench(dut)
    await bench.reset()
    await bench.fill()
    for source in STALLS:
        for sink in STALLS:
            bench.jobs.stall(source)
            bench.planes.stall(sink)
            coverage.hit({"plane store: source stalls": source, "plane store: sink stalls": sink})
            for _ in range(P["jobs"]):
                bench.random_job(f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def a_word_every_cycle(dut: Any) -> None:
    """While nothing stalls, the words of a job leave without a gap."""
    bench = PlaneStoreBench(dut)
    await bench.reset()
    await bench.fill()
    bench.planes.stall("never")
    for _ in range(20):
        bench.random_job("steady")
        await bench.until(lambda: bench.planes.transfers > 0 and bench.planes.taken is not None)
        while not bench.planes.done:
            before = bench.planes.transfers
            await bench.step()
            assert bench.planes.transfers == before + 1, f"cycle {bench.cycle}: a cycle without a word"
        await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a job leaves nothing of it behind; the memories keep what they hold."""
    bench = PlaneStoreBench(dut)
    await bench.reset()
    await bench.fill()
    for cycles in range(2, 40, 3):
        bench.random_job()
        await bench.step(cycles)
        coverage.hit({"plane store: reset": True})
        await bench.reset()
        bench.random_job(f"after a reset behind cycle {cycles}")
        await bench.run()
