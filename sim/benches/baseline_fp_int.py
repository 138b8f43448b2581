"""Bench of the FP-INT element: every product and every scaled sum rounded as the golden model does.

Parameters: `lanes`, `weights`, `latency`, `steps` (beats of a full group), and `rows`, how many random rows
each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_int import fp_int_product
from golden.fp16 import sanitize
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.baseline_halves import halves, random_halves, random_scales
from sim.benches.stream_bench import OperandBench
from sim.flag import StickyFlag

P = parameters()
LANES, STEPS, INSIDE = P["lanes"], P["steps"], P["weights"] == "inside"
SLOTS = 2
Words = NDArray[np.uint16]
#: The FP16 words of a group's activations and its levels [steps, lanes], and the word of its scale.
Group = tuple[Words, NDArray[np.int64], int]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("fp-int: replaced", ["activation", "scale"])
    coverage.point("fp-int: result", ["zero", "other"])
    coverage.point("fp-int: groups", ["one", "several"])


class FpIntBench(OperandBench):
    """The element between streams of operands and of scales, and its results."""

    kind = "fp-int"

    def __init__(self, dut: Any):
        groups = ("scale", "first", "last")
        super().__init__(dut, ("values", "slot", "first", "last"), inside=INSIDE, groups=groups)
        declare_coverage()
        StickyFlag(self, "nonfinite", lambda: self.taken_special(LANES))

    def send(self, rows: list[list[Group]], note: str = "") -> None:
        """Queue rows; the groups of all rows take the slots in turn, two of them overlap at random."""
        for row in rows:
            self._expect(row, note)
        groups = [group for row in rows for group in row]
        waiting: list[tuple[int, list[tuple[int, int]]]] = []
        for number, (words, levels, _) in enumerate(groups):
            packed = zip(pack_lanes(words, 16), pack_lanes(levels, 4), strict=True)
            waiting.append((number % SLOTS, list(packed)))
        sizes = [len(beats) for _, beats in waiting]
        done = 0
        while done < len(waiting):
            # A group may begin as soon as the one before it has begun, but must not end before it.
            number = min(done + self.random.randrange(SLOTS), len(waiting) - 1)
            slot, beats = waiting[number]
            if number > done and len(beats) == 1:
                number, (slot, beats) = done, waiting[done]
            x, w = beats.pop(0)
            first, last = len(beats) == sizes[number] - 1, not beats
            self.send_beat((x, slot, first, last), w)
            done += last

    def _expect(self, row: list[Group], note: str) -> None:
        for number, (_, _, scale) in enumerate(row):
            self.groups.send([(scale, number == 0, number == len(row) - 1)])
            coverage.hit({"fp-int: groups": "several" if len(row) > 1 else "one"})
            if scale >> 10 & 31 == 31:
                coverage.hit({"fp-int: replaced": "scale"})
        x, replaced = sanitize(halves(np.stack([words.reshape(-1) for words, _, _ in row])))
        if replaced:
            coverage.hit({"fp-int: replaced": "activation"})
        levels = np.stack([levels.reshape(-1) for _, levels, _ in row])
        scales = sanitize(halves(np.array([scale for _, _, scale in row])))[0]
        result = fp_int_product(x, levels, scales, LANES)
        self.results.expect([(int(result.view(np.uint32)),)], note=f"{note}, {float(result)}")
        coverage.hit({"fp-int: result": "other" if result else "zero"})

    def random_rows(self, count: int) -> list[list[Group]]:
        """Rows of a few groups, all of one length."""
        rows = []
        for _ in range(count):
            steps = self.random.choice((1, 2, STEPS))
            rows.append([self.random_group(steps) for _ in range(self.random.choice((1, 1, 2, 3)))])
        return rows

    def random_group(self, steps: int) -> Group:
        """Values of one kind, or what cancels; any levels, or those at the ends."""
        words = random_halves(self.numpy, self.random, (steps, LANES))
        levels = self.numpy.integers(-8, 8, (steps, LANES))
        if self.random.random() < 0.2:
            levels = self.numpy.choice(np.array([-8, 0, 7]), (steps, LANES))
        if self.random.random() < 0.2 and steps % 2 == 0:
            words[1::2], levels[::2] = words[::2], levels[::2] // 2
            levels[1::2] = -levels[::2]
        return words, levels, int(random_scales(self.numpy, self.random, 1)[0])


@cocotb.test()
async def corners(dut: Any) -> None:
    """Extreme activations with extreme levels and scales."""
    bench = FpIntBench(dut)
    await bench.reset()
    for word in (0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7E00, 0x8001, 0xFBFF, 0xFC00):
        for scale in (0x8000, 1, 0x3C00, 0x7BFF, 0xFC00, 0x7C01):
            words = np.full((2, LANES), word, np.uint16)
            levels = np.full((2, LANES), bench.random.choice((-8, -1, 1, 7)))
            bench.send([[(words, levels, scale)] * 2], f"corners {word:x} {scale:x}")
    await bench.run()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = FpIntBench(dut)
    await bench.reset()
    await bench.under_every_stall(lambda note: bench.send(bench.random_rows(P["rows"]), note), patience=5000)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Groups that begin when the one before is half done: operands every cycle, and a result on time."""
    bench = FpIntBench(dut)
    await bench.reset()
    groups = [bench.random_group(STEPS) for _ in range(6)]
    bench._expect(groups, "full speed")
    order = sorted(
        (step * 2 + number % 2 + number * STEPS, number, step)
        for number in range(len(groups))
        for step in range(STEPS)
    )
    for _, number, step in order:
        words, levels, _ = groups[number]
        x, w = pack_lanes(words[step : step + 1], 16), pack_lanes(levels[step : step + 1], 4)
        bench.send_beat((x[0], number % 2, step == 0, step == STEPS - 1), w[0])
    # Alone in its half, the last group has operands only every second cycle, and so has the first.
    await bench.keep_pace(order[-1][0] - order[0][0])
    await bench.end_on_time(P["latency"])


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row leaves nothing behind."""
    bench = FpIntBench(dut)
    await bench.reset()
    await bench.through_resets(
        range(2, 40),
        lambda: bench.send([[bench.random_group(2)]] * 3),
        lambda note: bench.send(bench.random_rows(1), note),
        patience=5000,
    )
