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
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.benches.baseline_halves import halves, random_halves, random_scales
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

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
    coverage.point("fp-int: source stalls", STALLS)
    coverage.point("fp-int: sink stalls", STALLS)
    coverage.cross("fp-int: source & sink stalls", ("fp-int: source stalls", "fp-int: sink stalls"))
    coverage.point("fp-int: reset", ["before a result", "while a result waits"])


class FpIntBench(Bench):
    """The element between streams of operands and of scales, and its results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        beside = () if INSIDE else ("levels",)
        self.activations = Source(self, "activations", ("values", "slot", "first", "last"), beside=beside)
        self.load = Source(self, "load") if INSIDE else None
        self.groups = Source(self, "groups", ("scale", "first", "last"))
        self.results = Sink(self, "results")
        StickyFlag(self, "nonfinite", self._replaced)

    def _replaced(self) -> bool:
        """Whether an activation or a scale that is not finite is taken."""
        item, group = self.activations.taken, self.groups.taken
        values = [] if item is None else [item[0] >> 16 * lane for lane in range(LANES)]
        return any(value >> 10 & 31 == 31 for value in [*values, *([] if group is None else group[:1])])

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of the streams."""
        self.activations.stall(source)
        self.groups.stall(self.random.choice(STALLS))
        self.results.stall(sink)
        if self.load:
            self.load.stall(self.random.choice(STALLS))
        coverage.hit({"fp-int: source stalls": source, "fp-int: sink stalls": sink})

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
            self.activations.send([(x, slot, first, last, *(() if INSIDE else (w,)))])
            if self.load:
                self.load.send([(w,)])
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
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            bench.send(bench.random_rows(P["rows"]), f"stalls {source}/{sink}")
            await bench.run(patience=5000)


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
        tail = () if INSIDE else (w[0],)
        bench.activations.send([(x[0], number % 2, step == 0, step == STEPS - 1, *tail)])
        if bench.load:
            bench.load.send([(w[0],)])
    await bench.transfer(bench.activations)
    begin = bench.cycle
    await bench.until(lambda: bench.activations.done, patience=1000)
    # Alone in its half, the last group has operands only every second cycle, and so has the first.
    wanted = order[-1][0] - order[0][0]
    assert bench.cycle - begin == wanted, (
        f"{len(order)} beats took {bench.cycle - begin} cycles, not {wanted}"
    )
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.results.done)
    assert bench.cycle - begin == P["latency"] + 1, f"a result took {bench.cycle - begin - 1} cycles"
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row leaves nothing behind."""
    bench = FpIntBench(dut)
    await bench.reset()
    for cycles in range(2, 40):
        bench.stall("never", "late")
        bench.send([[bench.random_group(2)]] * 3)
        await bench.step(cycles)
        waits = bool(int(dut.results_valid.value))
        coverage.hit({"fp-int: reset": "while a result waits" if waits else "before a result"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(bench.random_rows(1), f"after a reset behind cycle {cycles}")
        await bench.run(patience=5000)
