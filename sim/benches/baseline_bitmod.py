"""Bench of the term-serial element of the comparison: bit for bit the golden sums.

Parameters: `lanes`, `terms`, `guard`, `group`, `latency`, and `rows`, how many random rows each pair of stall
patterns gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.baseline.bitmod import LARGEST_SHIFT, group_sums
from golden.fp16 import EXPONENT_BIAS, sanitize
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.stream_bench import StreamBench
from sim.flag import StickyFlag
from sim.stream import Sink, Source

Integers = NDArray[np.int64]

P = parameters()
LANES, TERMS, GUARD, GROUP = (int(P[name]) for name in ("lanes", "terms", "guard", "group"))
BEATS = GROUP // LANES * TERMS
_CORNERS = [0, 0x8000, 1, 0x8001, 0x3FF, 0x83FF, 0x400, 0x3C00, 0xBC00, 0x3BFF, 0x7BFF, 0xFBFF]
_SPECIAL = [0x7C00, 0xFC00, 0x7E00]


@dataclass(frozen=True)
class Group:
    """FP16 words [group], terms [group, terms], and the bits of a scale."""

    words: NDArray[np.uint16]
    terms: Integers
    scale: int


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("bitmod: sum", ["negative", "zero", "positive"])


class BitModBench(StreamBench):
    """The element, its streams of beats, of groups and of results, and its flag."""

    kind = "bitmod"
    states = ("in a group", "behind a group")

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.declare_resets()
        self.beats = Source(self, "activations", ("values", "first", "last"), beside=("terms",))
        self.groups = Source(self, "groups", ("scale", "first", "last"))
        self.sources = [self.beats, self.groups]
        self.results = Sink(self, "results", ("value",))
        StickyFlag(self, "nonfinite", self._nonfinite_taken)

    def _nonfinite_taken(self) -> bool:
        values = self.beats.taken[0] if self.beats.taken else 0
        words = [values >> (16 * i) for i in range(LANES)]
        scale = self.groups.taken[0] if self.groups.taken else 0
        return any(word >> 10 & 31 == 31 for word in (*words, scale))

    def send(self, row: list[Group], note: str = "") -> None:
        """Queue a row of groups."""
        words = np.stack([group.words for group in row])
        terms = np.stack([group.terms for group in row])
        scales = np.array([group.scale for group in row], dtype=np.uint16)
        sums, exponents = group_sums(sanitize(words.view(np.float16))[0], terms, LANES, GUARD)
        units = exponents - EXPONENT_BIAS - GUARD
        value = fused_accumulate_fp32(sums, sanitize(scales.view(np.float16))[0], units)
        self.results.expect([(int(np.float32(value).view(np.uint32)),)], note=f"{value} {note}")
        for i, group in enumerate(row):
            self._send_beats(group)
            self.groups.send([(group.scale, i == 0, i == len(row) - 1)])
            total = int(sums[i])
            kind = "zero" if total == 0 else "negative" if total < 0 else "positive"
            coverage.hit({"bitmod: sum": kind})

    def _send_beats(self, group: Group) -> None:
        values = pack_lanes(group.words.astype(np.int64).reshape(-1, LANES), 16)
        shift = np.maximum(np.frexp(np.abs(group.terms).astype(np.float64))[1].astype(np.int64) - 1, 0)
        coded = shift | (group.terms < 0).astype(np.int64) << 3 | (group.terms == 0).astype(np.int64) << 4
        # [group, terms] as [beats of lanes, terms, lanes].
        words = pack_lanes(np.moveaxis(coded.reshape(-1, LANES, TERMS), 2, 1).reshape(-1, LANES), 5)
        for i, word in enumerate(words):
            self.beats.send([(values[i // TERMS], i == 0, i == BEATS - 1, word)])

    def random_row(self) -> list[Group]:
        """Groups that follow each other."""
        return [self.random_group() for _ in range(self.random.choice((1, 1, 2, 4)))]

    def random_group(self) -> Group:
        """Activations of near or of far exponents, any terms and scales, corners among them."""
        r, n = self.random, self.numpy
        low = r.randint(0, 30)
        field = n.integers(low, r.randint(low, 30) + 1, GROUP)
        words = n.integers(0, 1 << 16, GROUP) & 0x83FF | field << 10
        if r.random() < 0.3:
            words = np.where(n.random(GROUP) < 0.3, n.choice(_CORNERS, GROUP), words)
        if r.random() < 0.1:
            words[r.randrange(GROUP)] = r.choice(_SPECIAL)
        scale = r.choice((*_CORNERS, *_SPECIAL, *[r.randint(0x1800, 0x2C00)] * 12))
        return Group(words.astype(np.uint16), self.random_terms(), scale)

    def random_terms(self) -> Integers:
        """Powers of two with signs, and zeros."""
        terms = 1 << self.numpy.integers(0, LARGEST_SHIFT + 1, (GROUP, TERMS))
        return np.asarray(terms * self.numpy.integers(-1, 2, (GROUP, TERMS)), dtype=np.int64)


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Every pair of extreme activations and terms, and every gap between exponents, up and down."""
    bench = BitModBench(dut)
    await bench.reset()
    for word in (*_CORNERS, *_SPECIAL):
        words = np.full(GROUP, word, dtype=np.uint16)
        for term in (0, 1, -1, 16, -16):
            bench.send([Group(words, np.full((GROUP, TERMS), term), 0x3C00)], f"{word:#x} by {term}")
    for gap in range(30):
        words = bench.numpy.integers(0, 1 << 16, GROUP).astype(np.uint16) & np.uint16(0x83FF)
        words[: GROUP // 2] |= np.uint16(30 << 10)
        words[GROUP // 2 :] |= np.uint16((30 - gap) << 10)
        for ordered in (words, words[::-1]):
            bench.send([Group(ordered.copy(), bench.random_terms(), 0x3C01)], f"gap {gap}")
    await bench.run()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = BitModBench(dut)
    await bench.reset()

    def send(note: str) -> None:
        for _ in range(P["rows"]):
            bench.send(bench.random_row(), note)

    await bench.under_every_stall(send)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a beat goes in every cycle, and the result comes on time."""
    bench = BitModBench(dut)
    await bench.reset()
    bench.send([bench.random_group() for _ in range(4)])
    await bench.keep_pace(4 * BEATS - 1)
    await bench.end_on_time(P["latency"])


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a group, or while its sum or result waits, leaves nothing behind."""
    bench = BitModBench(dut)
    await bench.reset()
    for beats in range(1, 2 * BEATS + 1):
        bench.stall("never", "late")
        bench.send([bench.random_group(), bench.random_group()])
        await bench.transfer(bench.beats, beats)
        coverage.hit({"bitmod: reset": bench.states[beats % BEATS == 0]})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(bench.random_row(), f"after a reset behind beat {beats}")
        await bench.run()
