"""Bench of the multi-stage accumulator: every result is the golden one, and every flag on time (contract, 6).

Parameters: `terms` (lowest and highest), `stages` (bits, count and policy of each), `ranges` (what each
register may reach), `slots`, `slot_bits`, `flags` (whether there are any), `latency`, and `rows`, how many
random rows each pair of stall patterns gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any

import cocotb
import numpy as np

from golden.multistage import MultiStage
from sim.bench import Bench, coverage, parameters
from sim.benches.multistage_rows import (
    CONFIGURATION,
    SLOTS,
    STAGES,
    cover_row,
    declare_coverage,
    directed_rows,
    overflows,
    random_row,
)
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

P = parameters()
GOLDEN = MultiStage(tuple(STAGES))

Rows = Iterable[tuple[int, list[int]]]


class MultiStageBench(Bench):
    """The accumulator between a stream of terms and a stream of results, and its flags."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        slot = ("slot",) if P["slot_bits"] else ()
        self.terms = Source(self, "terms", ("term", *slot, "first", "last"))
        self.results = Sink(self, "results", ("value", *slot), signed=("value",))
        self._overflows: list[int] = []
        self._moving = [0] * len(STAGES)
        self.flags = StickyFlag(self, "overflow", self._overflowing) if P["flags"] else None
        coverage.hit({"multistage: configuration": CONFIGURATION})

    def _overflowing(self) -> int:
        """The stages that overflow at this edge: those of a term one after the other, unless all wait."""
        assert self.flags is not None
        if int(self.dut.results_valid.value) and not int(self.dut.results_ready.value):
            happens = 0
        else:
            taken = self.terms.taken is not None
            self._moving = [self._overflows.pop(0) if taken else 0, *self._moving[:-1]]
            happens = sum(stages & (1 << index) for index, stages in enumerate(self._moving))
        if self.flags.clearing:
            held = "flags set" if int(self.dut.overflow.value) else "flags clear"
            coverage.hit({"multistage: clear": "in the cycle of an overflow" if happens else held})
        return happens

    async def reset(self, cycles: int = 2) -> None:
        """Reset, and forget what is under way."""
        await super().reset(cycles)
        self._overflows = []
        self._moving = [0] * len(STAGES)

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of both streams."""
        self.terms.stall(source)
        self.results.stall(sink)
        coverage.hit({"multistage: source stalls": source, "multistage: sink stalls": sink})

    def send(self, rows: Rows, note: str = "") -> None:
        """Queue rows, each for a slot, interleaved at random as far as the order in each slot allows."""
        waiting: dict[int, list[list[int]]] = {}
        for slot, row in rows:
            waiting.setdefault(slot, []).append(row)
        under_way: dict[int, Iterator[None]] = {}
        while waiting:
            slot = self.random.choice(list(waiting))
            if slot not in under_way:
                cover_row(slot, waiting[slot][0])
                under_way[slot] = self._terms_of(slot, waiting[slot][0])
            if next(under_way[slot], "ended") is not None:
                del under_way[slot]
                self._expect(slot, waiting[slot].pop(0), note)
                if not waiting[slot]:
                    del waiting[slot]

    def abandon(self, slot: int, row: list[int], length: int) -> None:
        """Queue the first `length` terms of a row that has more of them, and nothing of the rest."""
        for _ in islice(self._terms_of(slot, row), length):
            pass

    def _terms_of(self, slot: int, row: list[int]) -> Iterator[None]:
        """Queue the terms of a row one by one; the iterator ends with the last one."""
        where = (slot,) if P["slot_bits"] else ()
        for place, (term, stages) in enumerate(zip(row, overflows(row), strict=True)):
            last = place == len(row) - 1
            self.terms.send([(term, *where, place == 0, last)])
            self._overflows.append(stages)
            if not last:
                yield

    def _expect(self, slot: int, row: list[int], note: str) -> None:
        value, flags = GOLDEN.accumulate(np.array(row))
        stages = reduce(or_, overflows(row))
        assert flags.tolist() == [bool(stages >> index & 1) for index in range(len(STAGES))], row
        where = (slot,) if P["slot_bits"] else ()
        self.results.expect([(int(value), *where)], note=f"slot {slot} {note}, {len(row)} terms")

    def random_rows(self, count: int) -> list[tuple[int, list[int]]]:
        """Rows for random slots."""
        return [(self.random.randrange(SLOTS), random_row(self.random)) for _ in range(count)]


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Extreme terms in rows of every length that matters, and each stage driven over each of its ends."""
    bench = MultiStageBench(dut)
    await bench.reset()
    for number, (name, row) in enumerate(directed_rows()):
        bench.send([(number % SLOTS, row)], name)
        await bench.run()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows, interleaved over the slots, under every pair of stall patterns."""
    bench = MultiStageBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            bench.send(bench.random_rows(P["rows"]), f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def every_slot(dut: Any) -> None:
    """Rows in all slots at once, their terms in turn."""
    bench = MultiStageBench(dut)
    await bench.reset()
    bench.send([(slot, random_row(bench.random)) for slot in range(SLOTS) for _ in range(2)], "all slots")
    await bench.run()


@cocotb.test()
async def clear_while_overflowing(dut: Any) -> None:
    """Rows that overflow in many cycles, until a clear has met an overflow."""
    bench = MultiStageBench(dut)
    await bench.reset()
    pushed = [row for name, row in directed_rows() if name.startswith("stage ")]
    for _ in range(40):
        if not P["flags"] or not coverage.unreached("multistage: clear"):
            break
        bench.send([(bench.random.randrange(SLOTS), row) for row in pushed], "driven")
        await bench.run()
        await bench.step(30)  # for clears with nothing to clear


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a term is taken every cycle, whatever its slot, and the result comes on time."""
    bench = MultiStageBench(dut)
    await bench.reset()
    rows = [(bench.random.randrange(SLOTS), random_row(bench.random)) for _ in range(12)]
    count = sum(len(row) for _, row in rows)
    bench.send(rows, "full speed")
    await bench.transfer(bench.terms)
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.results.done, patience=count + 100)
    wanted = count + P["latency"]
    assert bench.cycle - begin == wanted, f"{count} terms took {bench.cycle - begin} cycles, not {wanted}"
    await bench.run()


@cocotb.test()
async def abandoned_rows(dut: Any) -> None:
    """A row that begins before the one before it has ended starts at zero in every stage."""
    bench = MultiStageBench(dut)
    await bench.reset()
    rows = [row for _, row in directed_rows() if len(row) > 1]
    for row in rows:
        slot = bench.random.randrange(SLOTS)
        bench.abandon(slot, row, bench.random.randint(1, len(row) - 1))
        bench.send([(slot, random_row(bench.random))], "after a row without an end")
        await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row, or while its result waits, leaves nothing behind."""
    bench = MultiStageBench(dut)
    await bench.reset()
    row = max((row for _, row in directed_rows()), key=len)
    for cycles in range(1, 12):
        bench.stall("never", "late")
        if cycles == 11:
            bench.send([(0, row[:1])])
            await bench.until(lambda: bool(int(dut.results_valid.value)))
        else:
            bench.send([(0, row)])
            await bench.step(cycles)
        waits = bool(int(dut.results_valid.value))
        coverage.hit({"multistage: reset": "while a result waits" if waits else "inside a row"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(bench.random_rows(2), f"after a reset behind cycle {cycles}")
        await bench.run()
