"""Bench of the dot product unit for FP16: every cut and every rounding as the golden model has them.

Parameters: those of `sim.benches.baseline_fp_fp`, and `guard`.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from golden.baseline.fp_fp_dot import aligned_sums, dot_accumulate, window_bits
from golden.interval import Interval
from sim.bench import coverage
from sim.benches.baseline_fp_fp import (
    KINDS,
    LANES,
    FpFpBench,
    P,
    Singles,
    Step,
    run_corners,
    run_full_speed,
    run_resets,
    run_rows,
)

GUARD = int(P["guard"])
#: Top place of the window for the sum of a step, above the leading bit of the accumulator.
DISTANCES = [Interval(-99, -30), Interval(-29, -1), Interval(0, 0), Interval(1, 29), Interval(30, 99)]


class FpFpDotBench(FpFpBench):
    """The element between a stream of operands and a stream of sums, one of all lanes."""

    kind = "fp-fp-dot"
    sums = 1

    def declare(self) -> None:
        """The points of this component."""
        coverage.point("fp-fp-dot: distance", DISTANCES)
        coverage.point("fp-fp-dot: leading bit of a sum below the top", [Interval(0, 5), Interval(6, 40)])
        coverage.point("fp-fp-dot: sum of a step", ["negative", "zero", "positive"])
        coverage.point("fp-fp-dot: cut off", [False, True] if LANES > 1 else [False])
        coverage.point("fp-fp-dot: cancelled", [True])
        coverage.point("fp-fp-dot: minus the last place", [True])
        coverage.point("fp-fp-dot: result", KINDS)

    def added(self, before: Singles, step: Step) -> Singles:
        """One step of the golden sums."""
        x, w = step
        return dot_accumulate(x[None], w[None], LANES, GUARD, start=before)

    def cycles_of(self, steps: int, slots: int) -> int:
        """The second step of one slot waits for the first one behind a register, out of the way."""
        return 2 * (steps - 1) - 1 if slots == 1 else steps - 1

    def cover(self, before: Singles, step: Step, after: Singles) -> None:
        """Count a step of finite values."""
        x, w = step
        if not (np.isfinite(x).all() and np.isfinite(w).all() and np.isfinite(before[0])):
            return
        dot, exponent = (int(part) for part in aligned_sums(x, w, GUARD))
        coverage.hit({"fp-fp-dot: sum of a step": ("negative", "zero", "positive")[int(np.sign(dot)) + 1]})
        exact = (x.astype(np.float64) * w).sum()  # at most 61 bits: what is lost there was cut off before
        coverage.hit({"fp-fp-dot: cut off": bool(np.ldexp(float(dot), exponent - 53 - GUARD) != exact)})
        top = exponent - 29 + (LANES - 1).bit_length()
        below = window_bits(LANES, GUARD) - 2
        if dot:
            coverage.hit({"fp-fp-dot: leading bit of a sum below the top": below + 1 - dot.bit_length()})
        if not (dot and before[0]):
            return
        lead = int(np.frexp(before[0])[1]) - 1
        coverage.hit({"fp-fp-dot: distance": top - lead})
        if after[0] == 0:
            coverage.hit({"fp-fp-dot: cancelled": True})
        if after[0] == -np.ldexp(1.0, top - below) and top >= lead:
            coverage.hit({"fp-fp-dot: minus the last place": True})

    def random_step(self, sums: Singles, special: bool) -> Step:
        """Products aimed at the sum, all or one of them; or such that cancel each other but for a bit."""
        r = self.random
        pairs = [self.pair(float(sums[0]), special) for _ in range(LANES)]
        x, w = (np.array(column, np.float16) for column in zip(*pairs, strict=True))
        kind = r.choice(("all", "all", "one", "cancel", "last"))
        if kind == "one":
            others = np.arange(LANES) != r.randrange(LANES)
            x[others] = 0
            w[others] = r.choice((0, 1)) * w[others]
        if kind == "cancel" and LANES > 1:
            x[1::2], w[1::2] = x[::2], -w[::2]
            if r.random() < 0.7:
                lane = r.randrange(LANES)
                w[lane] = np.nextafter(w[lane], np.float16(0))
        if kind == "last" and sums[0] and np.isfinite(sums[0]) and abs(sums[0]) < 2**12:
            x, w = self._last(float(sums[0]))
        return x, w

    def _last(self, value: float) -> Step:
        """Minus the accumulator, as far as a product reaches, beside larger ones that cancel."""
        x, w = np.zeros(LANES, np.float16), np.zeros(LANES, np.float16)
        x[0], w[0] = np.float16(2), np.float16(-value / 2)
        if LANES > 2:
            big = np.float16(2.0 ** self.random.randint(0, 15))
            x[1:3], w[1:3] = (big, big), (big, -big)
        return x, w


@cocotb.test()
async def corners(dut: Any) -> None:
    """Every pair of extreme operands, alone and twice."""
    await run_corners(FpFpDotBench(dut))


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random sums, interleaved over the slots, under every pair of stall patterns."""
    await run_rows(FpFpDotBench(dut))


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Operands of another slot every cycle, of the same slot every second one; the sums on time."""
    await run_full_speed(FpFpDotBench(dut))


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any point of a sum, or while it waits, leaves nothing behind."""
    await run_resets(FpFpDotBench(dut))
