"""Bench of the block elements of the comparison: bit for bit the golden FP32 sums of exact integer sums.

Parameters: `bits`, `encoding`, `wires`, `level_bits`, `block`, `lanes`, `weights`, `slots`, `slot_bits`,
`latency`; `exponents` (the ends of the activations' exponents), `weight_exponents` (those of the weights' own
exponents, None where weights have an FP16 scale), `unit` (what is added to the exponents for the power of two
of a unit), and `rows`, how many random rows each pair of stall patterns gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.baseline.align import aligned_range
from golden.dot import group_dot, group_dot_range
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.stream_bench import StreamBench
from sim.flag import StickyFlag
from sim.stream import Sink, Source

Integers = NDArray[np.int64]

P = parameters()
BITS, BLOCK, LANES = int(P["bits"]), int(P["block"]), int(P["lanes"])
BEATS = BLOCK // LANES
SLOTS = int(P["slots"])
VALUES = aligned_range(BITS, P["encoding"])
LEVELS = Interval.of_bits(P["level_bits"], signed=True)
SUMS = group_dot_range(VALUES, LEVELS, BLOCK)
EXPONENTS = Interval(*P["exponents"])
#: Exponents of the weights, or None where they have scales.
WEIGHT_EXPONENTS = Interval(*P["weight_exponents"]) if P["weight_exponents"] else None
INSIDE = P["weights"] == "inside"
CONFIGURATION = f"{P['encoding']} as {P['wires']}, {BEATS} beats, weights {P['weights']}"


@dataclass(frozen=True)
class Group:
    """One block of work: integers, levels, exponent, and the scale or exponent of its weights."""

    values: Integers
    levels: Integers
    exponent: int
    weight: int


def declare_coverage() -> None:
    """The points of this kind of component."""
    coverage.point("block: sum", ["lowest", "negative", "zero", "positive", "highest"])
    within = ["in a block"] if BEATS > 1 else []
    coverage.point("block: reset", [*within, "behind a block", "while a result waits"])
    coverage.point("block: configuration", [CONFIGURATION])


class BlockBench(StreamBench):
    """The element, its streams of beats, of groups, of weights if it loads them, and of results."""

    kind = "block"

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        flags = ("first", "last") if BEATS > 1 else ()
        slot = ("slot",) if P["slot_bits"] else ()
        weight = "scale" if WEIGHT_EXPONENTS is None else "weight_exponent"
        self.beats = Source(self, "activations", ("values", *flags), beside=() if INSIDE else ("levels",))
        self.load = Source(self, "load") if INSIDE else None
        self.groups = Source(self, "groups", ("exponent", weight, *slot, "first", "last"))
        self.sources = [self.beats, self.groups, *([self.load] if self.load else [])]
        self.results = Sink(self, "results", ("value", *slot))
        if WEIGHT_EXPONENTS is None:
            StickyFlag(self, "nonfinite", self._nonfinite_taken)
        coverage.hit({"block: configuration": CONFIGURATION})

    def _nonfinite_taken(self) -> bool:
        return self.groups.taken is not None and self.groups.taken[1] >> 10 & 31 == 31

    def send(self, rows: list[list[Group]], note: str = "") -> None:
        """Queue rows of groups, in two slots those of two rows in turn as long as both have some."""
        for i in range(0, len(rows), SLOTS):
            together = rows[i : i + SLOTS]
            for step in range(max(map(len, together))):
                for slot, row in enumerate(together):
                    if step < len(row):
                        self._send_group(row[step], slot, step == 0, step == len(row) - 1)
            finished = sorted(range(len(together)), key=lambda slot: (len(together[slot]), slot))
            for slot in finished:
                value = self.golden(together[slot])
                where = (slot,) if P["slot_bits"] else ()
                bits = int(value.view(np.uint32))
                self.results.expect([(bits, *where)], note=f"{value} {note}, slot {slot}")

    def golden(self, row: list[Group]) -> np.float32:
        """The FP32 sum of a row."""
        values, levels = (np.stack([getattr(g, name) for g in row]) for name in ("values", "levels"))
        units = np.array([group.exponent for group in row], dtype=np.int64) + int(P["unit"])
        weights = np.array([group.weight for group in row])
        if WEIGHT_EXPONENTS is None:
            scales = sanitize(weights.astype(np.uint16).view(np.float16))[0]
        else:
            scales = np.ones(len(row), dtype=np.float16)
            units += weights
        return np.float32(fused_accumulate_fp32(group_dot(values, levels), scales, units))

    def _send_group(self, group: Group, slot: int, first: bool, last: bool) -> None:
        words = pack_lanes(self._coded(group.values).reshape(BEATS, LANES), BITS)
        levels = pack_lanes(group.levels.reshape(BEATS, LANES), P["level_bits"])
        for i, (word, weights) in enumerate(zip(words, levels, strict=True)):
            flags = (i == 0, i == BEATS - 1) if BEATS > 1 else ()
            self.beats.send([(word, *flags, *(() if INSIDE else (weights,)))])
            if self.load is not None:
                self.load.send([(weights,)])
        where = (slot,) if P["slot_bits"] else ()
        self.groups.send([(group.exponent, group.weight, *where, first, last)])
        coverage.hit({"block: sum": _kind(int(group_dot(group.values, group.levels)))})

    def _coded(self, values: Integers) -> Integers:
        """Integers as they are on the wires; the sign of a zero magnitude may be either."""
        if P["wires"] == "twos-complement":
            return values
        either = self.numpy.integers(0, 2, values.shape)
        sign = np.where(values == 0, either, values < 0)
        return np.asarray(np.abs(values) | sign << (BITS - 1), dtype=np.int64)

    def random_row(self) -> list[Group]:
        """Groups that follow each other."""
        return [self.random_group() for _ in range(self.random.choice((1, 1, 2, 3, 6)))]

    def random_group(self) -> Group:
        """Any integers, levels, exponent and scale; corners among them."""
        values, levels = self._random(VALUES), self._random(LEVELS)
        exponent = self.random.choice((EXPONENTS.min, EXPONENTS.max, *[self._near(EXPONENTS)] * 4))
        return Group(values, levels, exponent, self.random_weight())

    def random_weight(self) -> int:
        """Bits of a scale, or an exponent."""
        r = self.random
        if WEIGHT_EXPONENTS is not None:
            return r.choice((WEIGHT_EXPONENTS.min, WEIGHT_EXPONENTS.max, *[self._near(WEIGHT_EXPONENTS)] * 4))
        corner = r.choice((0, 0x8000, 1, 0x8001, 0x3FF, 0x400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00))
        return r.choice((corner, r.getrandbits(16), r.randint(0x1800, 0x2C00), r.randint(0x1800, 0x2C00)))

    def _near(self, interval: Interval) -> int:
        middle = (interval.min + interval.max) // 2
        return self.random.randint(max(middle - 5, interval.min), min(middle + 5, interval.max))

    def _random(self, interval: Interval) -> Integers:
        drawn: Integers = self.numpy.integers(interval.min, interval.max, BLOCK, endpoint=True)
        style = self.random.randrange(4)
        if style == 1:
            drawn >>= self.random.randrange(interval.bits)
        elif style == 2:
            drawn = np.where(self.numpy.random(BLOCK) < 0.8, 0, drawn)
        elif style == 3:
            drawn = self.numpy.choice([interval.min, interval.max, 0], BLOCK)
        return drawn


def _kind(total: int) -> str:
    if total in (SUMS.min, SUMS.max):
        return "lowest" if total == SUMS.min else "highest"
    return "zero" if total == 0 else "negative" if total < 0 else "positive"


def corners(interval: Interval) -> list[Integers]:
    """Vectors of one value a lane that are likely to be wrong."""
    low, high = interval.min, interval.max
    even = np.arange(BLOCK) % 2 == 0
    last = np.arange(BLOCK) == BLOCK - 1
    shapes = [
        np.full(BLOCK, low),
        np.full(BLOCK, high),
        np.where(even, low, high),
        np.where(last, low, 0),
        np.where(last, high, 0),
        np.zeros(BLOCK),
        np.full(BLOCK, -1),
    ]
    return [np.asarray(values, dtype=np.int64) for values in shapes]


ONE = 0x3C00 if WEIGHT_EXPONENTS is None else 127


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Every pair of extreme integers and extreme levels, alone and one after the other in a row."""
    bench = BlockBench(dut)
    await bench.reset()
    middle = (EXPONENTS.min + EXPONENTS.max) // 2
    row = []
    for values in corners(VALUES):
        for levels in corners(LEVELS):
            group = Group(values, levels, middle, ONE)
            row.append(group)
            bench.send([[group]], "alone")
    bench.send([row, row[::-1]], "all corners in one row")
    await bench.run()


@cocotb.test()
async def every_exponent_gap(dut: Any) -> None:
    """Two groups whose exponents lie apart by every distance there is, either way round."""
    bench = BlockBench(dut)
    await bench.reset()
    low = EXPONENTS.min
    for gap in range(EXPONENTS.max - low + 1):
        row = [
            Group(bench._random(VALUES), bench._random(LEVELS), exponent, bench.random_weight())
            for exponent in (low, low + gap)
        ]
        bench.send([row, row[::-1]], f"gap {gap}")
    await bench.run()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = BlockBench(dut)
    await bench.reset()

    def send(note: str) -> None:
        bench.send([bench.random_row() for _ in range(P["rows"])], note)

    await bench.under_every_stall(send)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a beat goes in every cycle, and a result comes on time."""
    bench = BlockBench(dut)
    await bench.reset()
    groups = 6
    bench.send([[bench.random_group() for _ in range(groups)] for _ in range(SLOTS)])
    await bench.keep_pace(SLOTS * groups * BEATS - 1)
    await bench.run()
    bench.send([[bench.random_group()]])
    await bench.end_on_time(P["latency"])


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a block, behind one, or while a result waits, leaves nothing behind."""
    bench = BlockBench(dut)
    await bench.reset()
    for beats in range(1, 2 * BEATS + 1):
        bench.stall("never", "late")
        bench.groups.stall("never")
        bench.send([[bench.random_group(), bench.random_group()]])
        await bench.transfer(bench.beats, beats)
        coverage.hit({"block: reset": "in a block" if beats % BEATS else "behind a block"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send([bench.random_row()], f"after a reset behind beat {beats}")
        await bench.run()
    bench.stall("never", "late")
    bench.groups.stall("never")
    bench.send([[bench.random_group()]])
    await bench.until(lambda: bool(int(dut.results_valid.value)))
    coverage.hit({"block: reset": "while a result waits"})
    await bench.reset()
    bench.stall("never", "never")
    bench.send([bench.random_row() for _ in range(3)], "after a reset with a result waiting")
    await bench.run()
