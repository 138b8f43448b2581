"""Bench of the group buffer: results of column tiles leave as groups, row by row.

Parameters: `rows`, `columns`, `sharing`, `group`, and `jobs`, how many random jobs each stall pattern gets.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb

from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.stream import STALLS, Sink, Source, stall

P = parameters()
ROWS, COLUMNS, SHARING = P["rows"], P["columns"], P["sharing"]
TILES = P["group"] // COLUMNS
PART = 16 * COLUMNS
Tile = list[int]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("group buffer: row tiles", [1, Interval(2, 99)])
    coverage.point("group buffer: groups", [1, Interval(2, 99)])
    coverage.point(
        "group buffer: last tiles", {1, TILES} if TILES < 3 else [1, Interval(2, TILES - 1), TILES]
    )
    coverage.point("group buffer: last rows", {1, ROWS})
    coverage.point("group buffer: sink stalls", STALLS)
    coverage.point("group buffer: room", [False, True])
    coverage.point("group buffer: reset", [True])


class ResultsOfAnArray:
    """Promises tiles while there is room, and gives the results of each a few cycles later."""

    def __init__(self, bench: Bench):
        dut = bench.dut
        self._bench = bench
        self._room, self._promised, self._valid = dut.room, dut.promised, dut.results_valid
        self._values = dut.results_values
        self._slot = dut.results_slot if SHARING > 1 else None
        self.transfers = 0
        self.stall("never")
        self._tiles: deque[Tile] = deque()
        self.reset()
        bench.agents.append(self)

    def stall(self, pattern: str) -> None:
        """How the promises come."""
        self._go = stall(pattern, self._bench.random)

    def send(self, tile: Tile) -> None:
        """Queue a tile: for each slot the results of all banks."""
        self._tiles.append(tile)

    def reset(self) -> None:
        """Forget everything."""
        self._tiles.clear()
        self._coming: deque[tuple[int, int, int]] = deque()
        self._offering = False
        self._promised.value = 0
        self._valid.value = 0

    def step(self) -> None:
        """One cycle."""
        bench = self._bench
        room = bool(int(self._room.value))
        coverage.hit({"group buffer: room": room})
        if self._offering:
            # `promised` was driven in a cycle with room, which holds until a promise.
            start = bench.cycle + 4
            if self._coming:
                start = max(start, self._coming[-1][0] + 1)
            for slot, values in enumerate(self._tiles.popleft()):
                self._coming.append((start + slot, slot, values))
            self._offering = False
            self._promised.value = 0
        elif self._tiles and room and next(self._go):
            self._offering = True
            self._promised.value = 1
        self._valid.value = 0
        self._values.value = bench.random.getrandbits(len(self._values))
        if self._coming and self._coming[0][0] <= bench.cycle:
            _, slot, values = self._coming.popleft()
            self._valid.value, self._values.value = 1, values
            if self._slot is not None:
                self._slot.value = slot
            self.transfers += 1

    @property
    def done(self) -> bool:
        """Whether everything was given."""
        return not self._tiles and not self._coming

    def describe(self) -> str:
        """Progress."""
        return f"results: {len(self._tiles)} tiles to promise, {len(self._coming)} transfers to come"


class GroupBufferBench(Bench):
    """The buffer between the array, its jobs and the parts it gives."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.jobs = Source(self, "job", ("row_tiles", "groups", "last_tiles", "last_rows"))
        self.results = ResultsOfAnArray(self)
        self.parts = Sink(self, "parts", ("values", "row", "first", "last", "blank"))

    def random_job(self, note: str = "") -> None:
        """Queue a job with random results, and what should leave."""
        r = self.random
        row_tiles, groups = r.choice((1, 1, 2, 3)), r.choice((1, 2, 3))
        last_tiles, last_rows = r.choice((1, TILES, r.randint(1, TILES))), r.choice((1, ROWS))
        self.jobs.send([(row_tiles, groups, last_tiles, last_rows)])
        for t in range(row_tiles):
            rows = last_rows if t == row_tiles - 1 else ROWS
            for g in range(groups):
                tiles = last_tiles if g == groups - 1 else TILES
                values = [[r.getrandbits(PART) for _ in range(ROWS)] for _ in range(tiles)]
                for tile in values:
                    self.results.send(
                        [
                            sum(
                                tile[bank * SHARING + slot] << (bank * PART)
                                for bank in range(ROWS // SHARING)
                            )
                            for slot in range(SHARING)
                        ]
                    )
                self.parts.expect(
                    [
                        (values[q][row] if q < tiles else 0, row, q == 0, q == TILES - 1, q >= tiles)
                        for row in range(rows)
                        for q in range(TILES)
                    ],
                    note=f"{note} row tile {t}, group {g}",
                )
        coverage.hit({"group buffer: row tiles": row_tiles, "group buffer: groups": groups})
        coverage.hit({"group buffer: last tiles": last_tiles, "group buffer: last rows": last_rows})


@cocotb.test()
async def random_jobs_and_stalls(dut: Any) -> None:
    """Random jobs under every pair of stall patterns."""
    bench = GroupBufferBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.results.stall(source)
            bench.parts.stall(sink)
            coverage.hit({"group buffer: sink stalls": sink})
            for _ in range(P["jobs"]):
                bench.random_job(f"stalls {source}/{sink}")
                await bench.run(patience=1000)


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a job leaves nothing of it behind."""
    bench = GroupBufferBench(dut)
    await bench.reset()
    for cycles in range(2, 60, 4):
        bench.random_job()
        await bench.step(cycles)
        coverage.hit({"group buffer: reset": True})
        await bench.reset()
        bench.random_job(f"after a reset behind cycle {cycles}")
        await bench.run(patience=1000)
