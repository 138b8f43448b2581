"""Bench of the AxCore-like element: every approximate product and every cut as the golden model has them.

Parameters: `lanes`, `weights`, `latency`, and `rows`, how many random rows each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.baseline.axcore import axcore_product
from golden.fp16 import sanitize
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.baseline_halves import halves, random_halves, random_scales
from sim.benches.stream_bench import OperandBench
from sim.flag import StickyFlag

P = parameters()
LANES, INSIDE = P["lanes"], P["weights"] == "inside"
GROUP = 64
#: The FP16 words of a group's activations and its codes [elements], and the word of its scale.
Group = tuple[NDArray[np.uint16], NDArray[np.int64], int]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("axcore: code", range(16))
    coverage.point("axcore: replaced", ["activation", "scale"])
    coverage.point("axcore: result", ["negative", "zero", "positive"])


class AxCoreBench(OperandBench):
    """The element between streams of operands and of scales, and its results."""

    kind = "axcore"

    def __init__(self, dut: Any):
        groups = ("scale", "first", "last")
        super().__init__(dut, ("values", "first", "last"), inside=INSIDE, groups=groups)
        declare_coverage()
        StickyFlag(self, "nonfinite", lambda: self.taken_special(LANES))

    def send(self, row: list[Group], note: str = "") -> None:
        """Queue a row of groups of one length, and its result."""
        for number, (words, own, scale) in enumerate(row):
            values = pack_lanes(words.reshape(-1, LANES), 16)
            sets = pack_lanes(own.reshape(-1, LANES), 4)
            for i, (beat, w) in enumerate(zip(values, sets, strict=True)):
                self.send_beat((beat, i == 0, i == len(sets) - 1), w)
            self.groups.send([(scale, number == 0, number == len(row) - 1)])
            for code in np.unique(own).tolist():
                coverage.hit({"axcore: code": code})
            if scale >> 10 & 31 == 31:
                coverage.hit({"axcore: replaced": "scale"})
        x, replaced = sanitize(halves(np.stack([words for words, _, _ in row])))
        if replaced:
            coverage.hit({"axcore: replaced": "activation"})
        codes = np.stack([codes for _, codes, _ in row])
        finite = sanitize(halves(np.array([scale for _, _, scale in row])))[0]
        result = axcore_product(x, codes, finite, LANES)
        self.results.expect([(int(result.view(np.uint32)),)], note=f"{note}, {float(result)}")
        sign = int(np.sign(float(result)))
        coverage.hit({"axcore: result": ("negative", "zero", "positive")[sign + 1]})

    def random_row(self) -> list[Group]:
        """A few groups of one length."""
        size = self.random.choice((LANES, 2 * LANES, GROUP))
        return [self.random_group(size) for _ in range(self.random.choice((1, 1, 2, 3)))]

    def random_group(self, size: int) -> Group:
        """Values of one kind, any codes."""
        words = random_halves(self.numpy, self.random, (size,))
        codes = self.numpy.integers(0, 16, size)
        return words, codes, int(random_scales(self.numpy, self.random, 1)[0])


@cocotb.test()
async def corners(dut: Any) -> None:
    """Extreme activations with every code, alone and a whole group of them."""
    bench = AxCoreBench(dut)
    await bench.reset()
    for word in (0, 0x8001, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7E00, 0xFBFF, 0xFC00):
        for code in range(16):
            words = np.zeros(LANES, np.uint16)
            words[bench.random.randrange(LANES)] = word
            bench.send([(words, np.full(LANES, code), 0x3C00)], f"corners {word:x} {code}")
        codes = np.full(GROUP, bench.random.choice((7, 15)))
        bench.send([(np.full(GROUP, word, np.uint16), codes, 0x7BFF)] * 2, f"{word:x} everywhere")
    await bench.run(patience=3000)


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = AxCoreBench(dut)
    await bench.reset()

    def send(note: str) -> None:
        for _ in range(P["rows"]):
            bench.send(bench.random_row(), note)

    await bench.under_every_stall(send, patience=5000)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Full groups one after another take a beat a cycle, and the result is on time."""
    bench = AxCoreBench(dut)
    await bench.reset()
    groups = 5
    bench.send([bench.random_group(GROUP) for _ in range(groups)], "full speed")
    await bench.keep_pace(groups * GROUP // LANES - 1)
    await bench.end_on_time(P["latency"])


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row leaves nothing behind."""
    bench = AxCoreBench(dut)
    await bench.reset()
    await bench.through_resets(
        range(2, 24),
        lambda: bench.send([bench.random_group(2 * LANES)]),
        lambda note: bench.send(bench.random_row(), note),
        patience=3000,
    )
