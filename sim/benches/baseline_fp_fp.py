"""Bench of the FP16 multiply-adds: every sum is that of IEEE 754, bit for bit.

Parameters: `lanes`, `slots`, `slot_bits`, `weights`, `latency`, and `rows`, how many random sums each pair of
stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_fp import fma_accumulate
from golden.interval import Interval
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.stream_bench import OperandBench

P = parameters()
LANES, SLOTS, INSIDE = P["lanes"], P["slots"], P["weights"] == "inside"
Halves = NDArray[np.float16]
Singles = NDArray[np.float32]
#: Operands of one step: an activation and a weight for each lane.
Step = tuple[Halves, Halves]
#: Leading bit of a product against that of the sum it is added to.
DISTANCES = [
    *(Interval(*ends) for ends in ((-99, -26), (-22, -2), (2, 22), (24, 99))),
    *(Interval(d, d) for d in (-25, -24, -23, -1, 0, 1, 23)),
]
KINDS = ("zero", "finite", "infinite", "nan")


def _half(bits: int) -> np.float16:
    return np.float16(np.uint16(bits).view(np.float16))


def _kind(value: np.float32) -> str:
    if np.isnan(value):
        return "nan"
    return "infinite" if np.isinf(value) else "finite" if value else "zero"


class FpFpBench(OperandBench):
    """The element between a stream of operands and a stream of sums.

    Attributes
    ----------
    sums : int
        Of a result.
    """

    kind = "fp-fp"
    states = ("while adding", "while a result waits")
    sums = LANES

    def __init__(self, dut: Any):
        slot = ("slot",) if P["slot_bits"] else ()
        fields = ("values", *slot, "first", "last")
        super().__init__(dut, fields, inside=INSIDE, results=("values", *slot))
        self.declare()

    def declare(self) -> None:
        """The points of this component."""
        coverage.point("fp-fp: distance", DISTANCES)
        coverage.point("fp-fp: tie", [True])
        coverage.point("fp-fp: cancelled", [True])
        coverage.point("fp-fp: result", KINDS)

    def send(self, rows: list[tuple[int, list[Step]]], note: str = "") -> None:
        """Queue sums, each for a slot, interleaved at random as far as the order in each slot allows."""
        waiting: dict[int, list[list[Step]]] = {}
        for slot, row in rows:
            waiting.setdefault(slot, []).append(list(row))
        state: dict[int, Singles] = {}
        while waiting:
            slot = self.random.choice(list(waiting))
            row = waiting[slot][0]
            step = row.pop(0)
            first, last = slot not in state, not row
            before = state.get(slot, np.zeros(self.sums, np.float32))
            state[slot] = self.added(before, step)
            self.cover(before, step, state[slot])
            self.queue(slot, step, first, last)
            if last:
                sums = state.pop(slot)
                where = (slot,) if P["slot_bits"] else ()
                values = pack_lanes(sums.view(np.uint32)[None], 32)[0]
                self.results.expect([(values, *where)], note=f"slot {slot} {note}, sums {sums.tolist()}")
                for value in sums:
                    coverage.hit({f"{self.kind}: result": _kind(value)})
                waiting[slot].pop(0)
                if not waiting[slot]:
                    del waiting[slot]

    def queue(self, slot: int, step: Step, first: bool, last: bool) -> None:
        """Queue one step."""
        x, w = (pack_lanes(operand.view(np.uint16)[None], 16)[0] for operand in step)
        where = (slot,) if P["slot_bits"] else ()
        self.send_beat((x, *where, first, last), w)

    def added(self, before: Singles, step: Step) -> Singles:
        """One step of the golden sums."""
        x, w = step
        return fma_accumulate(x[:, None], w[:, None], start=before)

    def cycles_of(self, steps: int, slots: int) -> int:
        """From the first to the last of some steps that so many slots take in turn."""
        return (2 if slots == 1 else 1) * (steps - 1)

    def cover(self, before: Singles, step: Step, after: Singles) -> None:
        """Count a step of finite values."""
        x, w = step
        with np.errstate(invalid="ignore"):
            products = x.astype(np.float64) * w
        for old, product, new in zip(before.tolist(), products.tolist(), after.tolist(), strict=True):
            if not (np.isfinite(old) and np.isfinite(product) and old and product):
                continue
            coverage.hit({"fp-fp: distance": int(np.frexp(product)[1] - np.frexp(old)[1])})
            error = abs(product - (new - old))  # exact where it matters: a tie is half a unit of the sum
            if new and error == np.spacing(np.float32(abs(new))) / 2:
                coverage.hit({"fp-fp: tie": True})
            if new == 0:
                coverage.hit({"fp-fp: cancelled": True})

    def random_row(self) -> list[Step]:
        """Steps that follow each other: of any values, ordinary ones, or aimed at the sum so far."""
        sums = np.zeros(self.sums, np.float32)
        row: list[Step] = []
        special = self.random.random() < 0.2
        for _ in range(self.random.choice((1, 2, 3, 6, 12))):
            step = self.random_step(sums, special)
            sums = self.added(sums, step)
            row.append(step)
        return row

    def random_step(self, sums: Singles, special: bool) -> Step:
        """One step, aimed at the sum of each lane."""
        pairs = [self.pair(float(value), special) for value in sums]
        x, w = (np.array(column, np.float16) for column in zip(*pairs, strict=True))
        return x, w

    def pair(self, value: float, special: bool) -> tuple[np.float16, np.float16]:
        """Operands of one product: any, ordinary, or aimed at a sum."""
        r = self.random
        kind = r.choice(("any", "ordinary", "aimed", "undo", "tie"))
        if kind == "any" or not np.isfinite(value) or not value:
            words = [r.getrandbits(16) & (0xFFFF if special else 0xBBFF) for _ in range(2)]
            return _half(words[0]), _half(words[1])
        if kind == "ordinary":
            return np.float16(r.gauss(0, 1)), np.float16(r.gauss(0, 0.1))
        lead = int(np.frexp(value)[1]) - 1
        if kind == "tie":
            return self._powers(lead - 24, r.choice((1, 1, 3)) * r.choice((-1, 1)))
        if kind == "undo":
            first = np.float16(r.choice((1, 2, 0.5, 1.5)))
            with np.errstate(over="ignore"):
                second = np.float16(-value / float(first))
            return first, second if np.isfinite(second) else np.float16(1)
        goal = r.choice(DISTANCES)
        return self._powers(lead + r.randint(max(goal.min, -40), min(goal.max, 40)), r.choice((-1, 1)))

    def _powers(self, power: int, factor: int) -> tuple[np.float16, np.float16]:
        """A product of `factor * 2^power`, as far as FP16 reaches."""
        power = min(max(power, -48), 28)
        first = min(max(power // 2, -24), 14)
        return np.float16(2.0**first), np.float16(factor * 2.0 ** min(max(power - first, -24), 14))

    def random_rows(self, count: int) -> list[tuple[int, list[Step]]]:
        """Sums for random slots."""
        return [(self.random.randrange(SLOTS), self.random_row()) for _ in range(count)]


async def run_corners(bench: FpFpBench) -> None:
    """Every pair of extreme operands, alone and twice."""
    await bench.reset()
    words = [0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7E01]
    words += [word | 0x8000 for word in words]
    for a in words:
        pairs = [(_half(a), _half(b)) for b in words]
        for start in range(0, len(pairs), LANES):
            chosen = (pairs[start:] + pairs)[:LANES]
            x, w = (np.array(column, np.float16) for column in zip(*chosen, strict=True))
            slot = bench.random.randrange(SLOTS)
            bench.send([(slot, [(x, w)]), (slot, [(x, w), (w, -x)])], "corners")
    await bench.run()


async def run_rows(bench: FpFpBench) -> None:
    """Random sums, interleaved over the slots, under every pair of stall patterns."""
    await bench.reset()
    await bench.under_every_stall(lambda note: bench.send(bench.random_rows(P["rows"]), note))


async def run_full_speed(bench: FpFpBench) -> None:
    """Operands of another slot every cycle, of the same slot every second one; the sums on time."""
    await bench.reset()
    one = np.ones(LANES, np.float16)
    rounds = 8
    for used in sorted({1, SLOTS}):
        for i in range(rounds * used):
            bench.queue(i % used, (one, one), i < used, False)
        await bench.keep_pace(bench.cycles_of(rounds * used, used))
        await bench.reset()
    bench.send([(0, [(one, one)])])
    await bench.end_on_time(P["latency"])


async def run_resets(bench: FpFpBench) -> None:
    """A reset at any point of a sum, or while it waits, leaves nothing behind."""
    await bench.reset()
    infinite = np.full(LANES, np.inf, np.float16)
    await bench.through_resets(
        range(2, 12),
        lambda: bench.send([(0, [(infinite, infinite)] * 3)]),
        lambda note: bench.send(bench.random_rows(2), note),
    )


@cocotb.test()
async def corners(dut: Any) -> None:
    """Every pair of extreme operands, alone and twice."""
    await run_corners(FpFpBench(dut))


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random sums, interleaved over the slots, under every pair of stall patterns."""
    await run_rows(FpFpBench(dut))


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Operands of another slot every cycle, of the same slot every second one; the sums on time."""
    await run_full_speed(FpFpBench(dut))


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a sum, or while it waits, leaves nothing behind."""
    await run_resets(FpFpBench(dut))
