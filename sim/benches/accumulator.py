"""Bench of the FP32 accumulator: one rounding a group, bit for bit the golden sums (contract, section 6).

Parameters: `sum_bits`, `max_planes`, `slots`, `slot_bits`, `output`, `latency`, and `rows`, how many random
rows each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32, round_fp16
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.benches.accumulator_coverage import (
    DISTANCES,
    Group,
    cover_group,
    cover_half,
    cover_step,
    declare_coverage,
    leading,
)
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

P = parameters()
SUMS = Interval.of_bits(P["sum_bits"], signed=True)
SLOTS, MOST, HALF = P["slots"], P["max_planes"], P["output"] == "fp16"
SHARED = Interval(1, 30)


def _finite(scale: int) -> NDArray[np.float16]:
    """What the hardware takes a scale for, as an array of one."""
    return sanitize(np.array([scale], dtype=np.uint16).view(np.float16))[0]


class AccumulatorBench(Bench):
    """The accumulator between a stream of group sums and a stream of results, and its flags."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        slot = ("slot",) if P["slot_bits"] else ()
        self.sums = Source(
            self, "sums", ("sum", "exponent", "scale", *slot, "first", "last"), beside=("planes",)
        )
        self.results = Sink(self, "results", ("value", *slot))
        StickyFlag(self, "nonfinite", self._nonfinite_taken)
        if HALF:
            StickyFlag(self, "overflow", self._overflow_given)
        self.planes = MOST
        self._overflows: list[bool] = []
        self._given = 0
        coverage.hit({"accumulator: configuration": f"{P['output']}, slots {SLOTS}"})

    def _nonfinite_taken(self) -> bool:
        return self.sums.taken is not None and self.sums.taken[2] >> 10 & 31 == 31

    def _overflow_given(self) -> bool:
        if self.results.taken is None:
            return False
        self._given += 1
        return self._overflows[self._given - 1]

    async def reset(self, cycles: int = 2) -> None:
        """Reset, and forget which results overflow."""
        await super().reset(cycles)
        self._overflows = []
        self._given = 0

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of both streams."""
        self.sums.stall(source)
        self.results.stall(sink)
        coverage.hit({"accumulator: source stalls": source, "accumulator: sink stalls": sink})

    def unit(self, shared: int) -> int:
        """Power of two of the unit in the last place of a group: `E - 13 - planes` in either encoding."""
        return shared - 13 - int(self.planes)

    def add(self, before: np.float32, group: Group) -> np.float32:
        """One step of the golden accumulator, and what it is like."""
        total, shared, scale = group
        after = self.step_golden(before, group)
        cover_step(float(before), total, float(_finite(scale)[0]), self.unit(shared), float(after))
        return after

    def step_golden(self, before: np.float32, group: Group) -> np.float32:
        """One step of the golden accumulator, not counted."""
        total, shared, scale = group
        unit = np.array([self.unit(shared)])
        after = fused_accumulate_fp32(np.array([total]), _finite(scale), unit, start=np.asarray(before))
        return np.float32(after)

    def send(self, rows: list[tuple[int, list[Group]]], note: str = "") -> None:
        """Queue rows, each for a slot, interleaved at random as far as the order in each slot allows."""
        waiting: dict[int, list[list[Group]]] = {}
        for slot, row in rows:
            waiting.setdefault(slot, []).append(list(row))
        state: dict[int, np.float32] = {}
        coverage.hit({"accumulator: planes": self.planes})
        while waiting:
            slot = self.random.choice(list(waiting))
            row = waiting[slot][0]
            group = row.pop(0)
            first, last = slot not in state, not row
            state[slot] = self.add(state.get(slot, np.float32(0)), group)
            where = (slot,) if P["slot_bits"] else ()
            self.sums.send([(*group, *where, first, last, self.planes)])
            cover_group(group)
            if last:
                self.results.expect([(self._bits(state.pop(slot)), *where)], note=f"slot {slot} {note}")
                waiting[slot].pop(0)
                if not waiting[slot]:
                    del waiting[slot]

    def _bits(self, value: np.float32) -> int:
        if not HALF:
            return int(value.view(np.uint32))
        half, overflow = round_fp16(np.asarray(value))
        self._overflows.append(overflow)
        cover_half(float(value), overflow)
        return int(np.float16(half).view(np.uint16))

    def random_row(self) -> list[Group]:
        """Groups that follow each other: free ones, or aimed at a distance from the sum so far."""
        value = np.float32(0)
        row: list[Group] = []
        for _ in range(self.random.choice((1, 2, 3, 6, 12))):
            group = self._random_group(float(value), row)
            value = self.step_golden(value, group)
            row.append(group)
        return row

    def _random_group(self, value: float, row: list[Group]) -> Group:
        r = self.random
        kind = r.choice(("free", "aimed", "aimed", "aimed", "undo", "tie"))
        if kind == "undo" and row and row[-1][0] != SUMS.min:  # the last product again, negated
            return (-row[-1][0], *row[-1][1:])
        if kind == "free" or value == 0.0:
            total = r.choice((SUMS.min, SUMS.max, 0, r.randint(SUMS.min, SUMS.max), r.randint(-1, 1)))
            return total, r.randint(SHARED.min, SHARED.max), self._random_scale()
        if kind == "tie":
            return self.tie(value)
        goal = r.choice(DISTANCES)
        distance = r.randint(max(goal.min, -60), min(goal.max, 60))
        return self.aim(value, r.choice((-1, 1)) * self._magnitude(), distance, r.getrandbits(10))

    def tie(self, value: float) -> Group:
        """Half a unit of the last place of `value`, or a bit more or less than that."""
        r = self.random
        total = r.choice((-1, 1)) * r.choice((1, 1, 3, (1 << r.randint(1, P["sum_bits"] - 2)) + 1))
        distance = -24 + (abs(total) == 3)
        return self.aim(value, total, distance, r.choice((0, 0, 1 << r.randint(0, 9), 0x3FF)))

    def _magnitude(self, most_bits: int = 40) -> int:
        bits = self.random.randint(1, min(P["sum_bits"] - 1, most_bits))
        return self.random.randrange(1 << (bits - 1), 1 << bits)

    def aim(self, value: float, total: int, distance: int, fraction: int) -> Group:
        """A group whose product has its leading bit `distance` above that of `value`, as far as FP16
        reaches."""
        shared = self.random.randint(SHARED.min, SHARED.max)
        exponent = leading(value) + distance - self.unit(shared) - leading(abs(total))
        # The scale is 1.fraction * 2^exponent; where that is out of reach, the shared exponent makes up for
        # it.
        over = max(exponent - 15, 0) - max(-14 - exponent, 0)
        moved = min(max(shared + over, SHARED.min), SHARED.max) - shared
        shared, exponent = shared + moved, min(max(exponent - moved, -14), 15)
        return total, shared, (exponent + 15) << 10 | fraction

    def aimed_row(self, distance: int, first: int, second: int) -> list[Group]:
        """Two groups at a distance, with the signs of `first` and `second`."""
        start = (1, 30, 0x7BFF) if distance < -20 else (1, 1, 1) if distance > 20 else (1, 15, 0x3C00)
        group = (first, *start[1:])
        value = self.step_golden(np.float32(0), group)
        total = second * self._magnitude(12)  # a wide one would be out of reach from the smallest values
        return [group, self.aim(float(value), total, distance, 0)]

    def _random_scale(self) -> int:
        corner = [0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00]
        bits = self.random.getrandbits(16)
        return self.random.choice((bits, bits, self.random.choice(corner)))

    def random_rows(self, count: int) -> list[tuple[int, list[Group]]]:
        """Rows for random slots."""
        return [(self.random.randrange(SLOTS), self.random_row()) for _ in range(count)]


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Extreme sums with extreme scales and exponents, alone and after each other, for extreme numbers of
    planes."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    scales = [0, 0x8000, 1, 0x8001, 0x3FF, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00]
    for bench.planes in sorted({2, MOST}):
        for total in (SUMS.min, SUMS.max, -1, 0, 1):
            for scale in scales:
                row = [(total, shared, scale) for shared in (1, 30, 1, 30)]
                bench.send([(bench.random.randrange(SLOTS), row)], "extremes")
            bench.send([(0, [(total, 15, scale) for scale in scales])], "all scales")
        await bench.run()


@cocotb.test()
async def every_alignment(dut: Any) -> None:
    """Two products at every distance, with equal and with different signs."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    for distance in range(-60, 61):
        for first in (1, -1):
            row = bench.aimed_row(distance, first, 1)
            bench.send([(bench.random.randrange(SLOTS), row)], f"distance {distance}")
    await bench.run()


@cocotb.test()
async def ties_and_their_neighbours(dut: Any) -> None:
    """Sums halfway between two results, and so near to halfway that only the lowest bits tell.

    At the end the first groups are taken away again, so that the last place shows in an FP16 result too.
    """
    bench = AccumulatorBench(dut)
    await bench.reset()
    for _ in range(60):
        large = [(bench.random.randint(SUMS.min + 1, SUMS.max), shared, 0x3C01) for shared in (20, 12)]
        row = list(large)
        value = np.float32(0)
        for group in row:
            value = bench.step_golden(value, group)
        for _ in range(bench.random.randint(1, 4)):
            row.append(bench.tie(float(value) or 1.0))
            value = bench.step_golden(value, row[-1])
        row += [(-total, shared, scale) for total, shared, scale in large]
        bench.send([(bench.random.randrange(SLOTS), row)], "ties")
    await bench.run()


@cocotb.test()
async def results_of_every_size(dut: Any) -> None:
    """Results from below the smallest FP16 number to above the largest, with few and with many bits.

    The bits of a result are those of one T: some leading ones, zeros behind them, and perhaps a last one,
    which makes ties of FP16, exact results, and what lies just beside.
    """
    bench = AccumulatorBench(dut)
    await bench.reset()
    for power in range(-30, 19):
        for _ in range(8):
            length = bench.random.randint(1, P["sum_bits"] - 1)
            head = bench.random.randint(1, length)
            total = bench.random.randrange(1 << (head - 1), 1 << head) << (length - head)
            total |= bench.random.getrandbits(1)
            row = [bench.aim(2.0**power, bench.random.choice((-1, 1)) * total, 0, 0)]
            bench.send([(bench.random.randrange(SLOTS), row)], f"result of 2^{power}")
    await bench.run()


@cocotb.test()
async def long_rows(dut: Any) -> None:
    """Rows as long as those of a language model, in every slot."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    for bench.planes in range(2, MOST + 1):
        near = bench.random.randint(8, 22)
        rows = []
        for slot in range(min(SLOTS, 4)):
            groups = []
            for _ in range(24):
                total = int(bench.random.gauss(0, SUMS.max / 8))
                scale = bench.random.randint(0x1800, 0x2C00)
                groups.append(
                    (min(max(total, SUMS.min), SUMS.max), near + bench.random.randint(-4, 4), scale)
                )
            rows.append((slot, groups))
        bench.send(rows, "long rows")
        await bench.run()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows, interleaved over the slots, under every pair of stall patterns."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            bench.planes = bench.random.randint(2, MOST)
            bench.send(bench.random_rows(P["rows"]), f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """A sum of another slot every cycle, of the same slot every second one; the result on time."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    rounds = 8
    for used in sorted({1, min(2, SLOTS), SLOTS}):
        for i in range(rounds * used):
            slot = (i % used,) if P["slot_bits"] else ()
            bench.sums.send([(1, 15, 0x3C00, *slot, i < used, 0, MOST)])
        await bench.transfer(bench.sums)
        begin = bench.cycle
        await bench.until(lambda: bench.sums.done)
        spacing = 2 if used == 1 else 1
        taken, wanted = bench.cycle - begin, spacing * (rounds * used - 1)
        assert taken == wanted, f"{rounds * used} sums of {used} slots took {taken} cycles, not {wanted}"
        await bench.reset()
    bench.send([(0, [(SUMS.max, 15, 0x3C00)])])
    await bench.until(lambda: bench.sums.done)
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.results.done)
    assert bench.cycle - begin == P["latency"] + 1, f"a result took {bench.cycle - begin - 1} cycles"
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row, or while a result waits, leaves nothing behind."""
    bench = AccumulatorBench(dut)
    await bench.reset()
    for cycles in range(2, 12):
        bench.stall("never", "late")
        bench.send([(0, [(SUMS.max, 20, 0x3C00)] * 3)])
        await bench.step(cycles)
        waits = bool(int(dut.results_valid.value))
        coverage.hit({"accumulator: reset": "while a result waits" if waits else "while adding"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(bench.random_rows(2), f"after a reset behind cycle {cycles}")
        await bench.run()
