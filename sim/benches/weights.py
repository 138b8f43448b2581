"""Bench of the weight registers: sets of levels come out once each, in order, two held at a time.

Parameters: `lanes`, `level_bits`, `pairs`, whether the sums of pairs come out as well (`hdl.pairs`), and
`sets`, how many random sets each pair of stall patterns gets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import cocotb
import numpy as np

from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.pairs import pair_levels
from sim.stream import STALLS, Source, stall

P = parameters()
BITS = P["lanes"] * P["level_bits"]


def seen(levels: int) -> int:
    """A set as it comes out."""
    if not P["pairs"]:
        return levels
    low = 1 << (P["level_bits"] - 1)
    lanes = [(levels >> (i * P["level_bits"])) % (2 * low) for i in range(P["lanes"])]
    numbers = np.array([lane - 2 * low * (lane >= low) for lane in lanes])
    (item,) = pack_lanes(pair_levels(numbers[None], P["level_bits"]).astype(np.uint8), 1)
    return item


class User:
    """Uses sets: looks at the levels in every cycle they are valid, and releases them at times."""

    def __init__(self, bench: Bench):
        self.dut = bench.dut
        self.bench = bench
        self.expected: deque[int] = deque()
        self.transfers = 0
        self.holding = False
        self.stall("never")
        bench.agents.append(self)

    def stall(self, pattern: str) -> None:
        """How often a set is released."""
        self._go = stall(pattern, self.bench.random)

    def reset(self) -> None:
        """Expect nothing."""
        self.expected.clear()
        self._release(False)

    def _release(self, releasing: bool) -> None:
        self.releasing = releasing
        self.dut.retire.value = int(releasing)

    def step(self) -> None:
        """One cycle. A release is only allowed while valid, so it is given a cycle after valid was seen."""
        valid = int(self.dut.valid.value)
        if valid:
            assert self.expected, f"cycle {self.bench.cycle}: a set is valid that nobody loaded"
            got = int(self.dut.levels.value)
            wanted = self.expected[0]
            where = f"cycle {self.bench.cycle}: set {self.transfers}"
            assert got == wanted, f"{where} should be {wanted:#x} but is {got:#x}"
        else:
            assert not self.releasing, (
                f"cycle {self.bench.cycle}: set {self.transfers} went before its release"
            )
        if self.releasing:
            self.expected.popleft()
            self.transfers += 1
        self._release(bool(valid and not self.releasing and not self.holding and next(self._go)))

    @property
    def done(self) -> bool:
        """Whether every set has come."""
        return not self.expected

    def describe(self) -> str:
        """Progress and handshake."""
        return f"levels: {self.transfers} used, {len(self.expected)} to come, valid {self.dut.valid.value}"


def send(source: Source, user: User, sets: Iterable[int]) -> None:
    """Queue sets and expect them."""
    for levels in sets:
        source.send([(levels,)])
        user.expected.append(seen(levels))


@cocotb.test()
async def sets_come_out_in_order(dut: Any) -> None:
    """Random sets under every pair of stall patterns."""
    coverage.point("weights: load stalls", STALLS)
    coverage.point("weights: release stalls", STALLS)
    coverage.cross("weights: load & release stalls", ("weights: load stalls", "weights: release stalls"))
    bench = Bench(dut)
    source, user = Source(bench, "load"), User(bench)
    await bench.reset()
    for load in STALLS:
        for release in STALLS:
            coverage.hit({"weights: load stalls": load, "weights: release stalls": release})
            source.stall(load)
            user.stall(release)
            send(source, user, (bench.random.getrandbits(BITS) for _ in range(P["sets"])))
            await bench.run()


@cocotb.test()
async def two_sets_are_held(dut: Any) -> None:
    """Without a release exactly two sets are taken, and a reset empties both banks."""
    bench = Bench(dut)
    source, user = Source(bench, "load"), User(bench)
    await bench.reset()
    for _ in range(3):
        user.holding = True
        before = source.transfers
        send(source, user, (bench.random.getrandbits(BITS) for _ in range(6)))
        await bench.step(20)
        assert source.transfers == before + 2, source.describe()
        await bench.reset()
        user.holding = False
        send(source, user, (bench.random.getrandbits(BITS) for _ in range(3)))
        await bench.run()
