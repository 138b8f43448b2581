"""Bench of the weight buffer: every word of every job in its order, scales beyond the end as zeros.

Parameters: `columns`, `columns_per_load`, `weight_bits`, `words`, and `jobs`, how many random jobs each pair
of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb

from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.stream import STALLS, Sink, Source

P = parameters()
COLUMNS, PER_LOAD, WEIGHT_BITS, WORDS = P["columns"], P["columns_per_load"], P["weight_bits"], P["words"]
SET_BITS = WEIGHT_BITS + 16
TURNS = COLUMNS // PER_LOAD


def declare_coverage() -> None:
    """The points of this component."""
    for loop in ("row tiles", "column tiles", "groups"):
        coverage.point(f"weight store: {loop}", [1, Interval(2, 1 << 16)])
    coverage.point(
        "weight store: last columns", {1, COLUMNS} if COLUMNS < 3 else [1, Interval(2, COLUMNS - 1), COLUMNS]
    )
    coverage.point("weight store: source stalls", STALLS)
    coverage.point("weight store: sink stalls", STALLS)
    coverage.point("weight store: reset", [True])


class WeightStoreBench(Bench):
    """The buffer between its stream of jobs, its write port and the weights it gives."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.jobs = Source(self, "job", ("base", "row_tiles", "column_tiles", "groups", "last_columns"))
        self.weights = Sink(self, "weights")
        dut.write.value = 0
        self.words = [0] * WORDS

    async def fill(self) -> None:
        """Write every word, in any order."""
        dut = self.dut
        order = list(range(WORDS))
        self.random.shuffle(order)
        for at in order:
            self.words[at] = self.random.getrandbits(SET_BITS * PER_LOAD)
            dut.write.value, dut.write_address.value, dut.write_word.value = 1, at, self.words[at]
            await self.step()
        dut.write.value = 0

    def random_job(self, note: str = "") -> None:
        """Queue a job that fits the memory, and what it should give."""
        r = self.random
        row_tiles, column_tiles, groups = r.choice((1, 2, 3)), r.choice((1, 2, 3)), r.choice((1, 2, 5))
        if column_tiles * groups * TURNS > WORDS:
            column_tiles = groups = 1
        size = column_tiles * groups * TURNS
        base = r.randint(0, WORDS - size)
        last = r.choice((1, COLUMNS, r.randint(1, COLUMNS)))
        self.jobs.send([(base, row_tiles, column_tiles, groups, last)])
        for _ in range(row_tiles):
            for at in range(size):
                tile, turn = at // (groups * TURNS), at % TURNS
                end = last if tile == column_tiles - 1 else COLUMNS
                keep = 0
                for place in range(PER_LOAD):
                    scale = 0xFFFF if turn * PER_LOAD + place < end else 0
                    keep |= ((1 << WEIGHT_BITS) - 1 | scale << WEIGHT_BITS) << (place * SET_BITS)
                self.weights.expect([(self.words[base + at] & keep,)], note=f"{note} word {at} of {size}")
        coverage.hit({"weight store: last columns": last})
        for loop, count in (("row tiles", row_tiles), ("column tiles", column_tiles), ("groups", groups)):
            coverage.hit({f"weight store: {loop}": count})


@cocotb.test()
async def random_jobs_and_stalls(dut: Any) -> None:
    """Random jobs under every pair of stall patterns."""
    bench = WeightStoreBench(dut)
    await bench.reset()
    await bench.fill()
    for source in STALLS:
        for sink in STALLS:
            bench.jobs.stall(source)
            bench.weights.stall(sink)
            coverage.hit({"weight store: source stalls": source, "weight store: sink stalls": sink})
            for _ in range(P["jobs"]):
                bench.random_job(f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a job leaves nothing of it behind; the memory keeps what it holds."""
    bench = WeightStoreBench(dut)
    await bench.reset()
    await bench.fill()
    for cycles in range(2, 30, 3):
        bench.random_job()
        await bench.step(cycles)
        coverage.hit({"weight store: reset": True})
        await bench.reset()
        bench.random_job(f"after a reset behind cycle {cycles}")
        await bench.run()
