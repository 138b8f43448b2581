"""Bench of iFPU: exact sums of aligned activations, rounded to FP32 and scaled as the golden model does.

Parameters: `lanes`, `mantissa_bits`, `weights`, `latency`, and `rows`, how many random rows each pair of
stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.baseline.align import align, aligned_range
from golden.baseline.ifpu import ifpu_accumulate
from golden.fp16 import sanitize
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.baseline_halves import halves, random_halves, random_scales
from sim.benches.stream_bench import OperandBench
from sim.flag import StickyFlag

P = parameters()
LANES, MANTISSA, INSIDE = P["lanes"], P["mantissa_bits"], P["weights"] == "inside"
VALUES = aligned_range(MANTISSA + 1, "sign-magnitude")
GROUP = 64
#: From here on any integers give sums in the range of the accumulator, not only those of FP16 values.
FREE_EXPONENT = 16
Integers = NDArray[np.int64]
#: Integers and levels [elements], the exponent, and the word of the scale.
Group = tuple[Integers, Integers, int, int]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("ifpu: sum", ["lowest", "negative", "zero", "minus one", "positive", "highest"])
    coverage.point("ifpu: rounded", [False, True] if MANTISSA + 9 > 24 else [False])
    coverage.point("ifpu: replaced", [True])


class IfpuBench(OperandBench):
    """The element between streams of activations and of groups, and its results."""

    kind = "ifpu"

    def __init__(self, dut: Any):
        groups = ("exponent", "scale", "first", "last")
        super().__init__(dut, ("values", "first", "last"), inside=INSIDE, groups=groups)
        declare_coverage()
        StickyFlag(self, "nonfinite", self._replaced)

    def _replaced(self) -> bool:
        return self.groups.taken is not None and self.groups.taken[1] >> 10 & 31 == 31

    def send(self, row: list[Group], note: str = "") -> None:
        """Queue a row of groups of any multiple of `lanes` elements, and its result."""
        for number, (q, levels, exponent, scale) in enumerate(row):
            values = pack_lanes(q.reshape(-1, LANES), MANTISSA + 1)
            sets = pack_lanes(levels.reshape(-1, LANES), 4)
            for i, (x, w) in enumerate(zip(values, sets, strict=True)):
                self.send_beat((x, i == 0, i == len(sets) - 1), w)
            self.groups.send([(exponent, scale, number == 0, number == len(row) - 1)])
            self._cover(q, levels, scale)
        q, levels = (np.stack([group[i] for group in row]) for i in (0, 1))
        exponents = np.array([group[2] for group in row])
        scales = sanitize(halves(np.array([group[3] for group in row])))[0]
        result = ifpu_accumulate(q, exponents, levels, scales, MANTISSA)
        self.results.expect([(int(result.view(np.uint32)),)], note=f"{note}, {float(result)}")

    def _cover(self, q: Integers, levels: Integers, scale: int) -> None:
        total = int((q * levels).sum())
        ends = {GROUP * -8 * VALUES.max: "lowest", GROUP * 8 * VALUES.max: "highest", 0: "zero"}
        ends[-1] = "minus one"
        coverage.hit({"ifpu: sum": ends.get(total, "negative" if total < 0 else "positive")})
        coverage.hit({"ifpu: rounded": int(np.float32(total)) != total})
        if scale >> 10 & 31 == 31:
            coverage.hit({"ifpu: replaced": True})

    def random_row(self, groups: int | None = None) -> list[Group]:
        """Groups that were FP16 values, or any integers."""
        size = self.random.choice((LANES, 2 * LANES, GROUP)) if LANES < GROUP else GROUP
        return [self.random_group(size) for _ in range(groups or self.random.choice((1, 1, 2, 3)))]

    def random_group(self, size: int) -> Group:
        """A group of `size` elements."""
        levels = self.numpy.integers(-8, 8, size)
        scale = int(random_scales(self.numpy, self.random, 1)[0])
        if self.random.random() < 0.6:
            words = random_halves(self.numpy, self.random, (size,))
            q, exponents = align(sanitize(halves(words))[0], MANTISSA + 1, group=size)
            return q[0], levels, int(exponents[0]), scale
        q = self.numpy.integers(VALUES.min, VALUES.max, size, endpoint=True)
        q >>= self.numpy.integers(0, MANTISSA, size)
        return q, levels, self.random.randint(FREE_EXPONENT, 30), scale


@cocotb.test()
async def corners(dut: Any) -> None:
    """The ends of the range, the smallest sums, and ties, in groups of full size."""
    bench = IfpuBench(dut)
    await bench.reset()
    scale = 0x3C00
    for sign in (-1, 1):
        full = np.full(GROUP, sign * VALUES.max)
        bench.send([(full, np.full(GROUP, -8), 20, scale), (full, np.full(GROUP, 7), 20, scale)], "ends")
        for level in range(-8, 8):
            one = np.zeros(GROUP, np.int64)
            one[bench.random.randrange(GROUP)] = sign
            bench.send([(one, np.full(GROUP, level), 25, scale)], f"{sign} times {level}")
    for _ in range(40):  # 1.f and a half of its last place, or next to it
        head = bench.random.randrange(1 << 24, 1 << 25)
        shift = bench.random.randint(0, max(MANTISSA - 27, 0))
        total = min((head << shift) + bench.random.randint(-1, 1), VALUES.max)
        parts = np.zeros(GROUP, np.int64)
        parts[:2] = total, bench.random.choice((0, 1, -1))
        bench.send([(parts, np.ones(GROUP, np.int64), 20, scale)], "ties")
    await bench.run(patience=3000)


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = IfpuBench(dut)
    await bench.reset()

    def send(note: str) -> None:
        for _ in range(P["rows"]):
            bench.send(bench.random_row(), note)

    await bench.under_every_stall(send, patience=5000)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Full groups one after another take four cycles for each set of lanes, and the result is on time."""
    bench = IfpuBench(dut)
    await bench.reset()
    groups = 5
    bench.send([bench.random_group(GROUP) for _ in range(groups)], "full speed")
    await bench.keep_pace(4 * (groups * GROUP // LANES - 1))
    await bench.end_on_time(P["latency"])


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a row leaves nothing behind."""
    bench = IfpuBench(dut)
    await bench.reset()
    await bench.through_resets(
        range(2, 24),
        lambda: bench.send([bench.random_group(LANES)]),
        lambda note: bench.send(bench.random_row(), note),
        patience=3000,
    )
