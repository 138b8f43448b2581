"""What the benches of a row of the datapath and of the array have in common: operands, results, flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.interval import Interval
from sim.bench import Bench, coverage

__all__ = ["FlaggedBench", "Operands"]

#: Activations, levels, scales.
Operands = tuple[NDArray[np.float16], NDArray[Any], NDArray[np.float16]]


class FlaggedBench(Bench):
    """Results in FP32 or FP16, and flags that say what happened, once everything is done.

    Parameters
    ----------
    dut : handle
    half : bool
        Whether results are FP16.

    Attributes
    ----------
    kind, work : str
        What the names of the coverage points begin with, and what one result belongs to.
    flags : dict of bool
        What each flag should say in the end.
    """

    kind: ClassVar[str]
    work: ClassVar[str]

    def __init__(self, dut: Any, *, half: bool):
        super().__init__(dut)
        self._half = half
        self._names = ("nonfinite", "overflow") if half else ("nonfinite",)
        self.flags = dict.fromkeys(self._names, False)
        for name in self._names:
            getattr(dut, f"clear_{name}").value = 0
        coverage.point(f"{self.kind}: reset", [self._quarter(quarter) for quarter in range(4)])
        if half:
            coverage.point(f"{self.kind}: overflow", [False, True])

    def _quarter(self, quarter: int) -> str:
        return f"in quarter {quarter} of a {self.work}"

    async def reset(self, cycles: int = 2) -> None:
        """Hold reset while every agent is idle; no flag is set then."""
        await super().reset(cycles)
        self.flags = dict.fromkeys(self._names, False)

    def words(self, sums: NDArray[np.float32]) -> NDArray[Any]:
        """The bits of the results for these sums; notes whether one was too large."""
        if not self._half:
            return sums.view(np.uint32)
        halves, overflow = round_fp16(sums)
        self.flags["overflow"] |= overflow
        coverage.hit({f"{self.kind}: overflow": overflow})
        return halves.view(np.uint16)

    def random_operands(
        self, activations: tuple[int, ...], scales: tuple[int, int], lanes: int, levels: Interval
    ) -> Operands:
        """Activations and scales of any magnitude and any levels; sometimes extreme, or mostly zeros.

        Parameters
        ----------
        activations, scales : tuple of int
            Shapes; the latter is [groups, columns].
        lanes : int
            Levels of a scale.
        levels : Interval
        """
        r = self.numpy
        x = (r.standard_t(3, activations) * 2.0 ** r.integers(-10, 10)).astype(np.float16)
        factors = (r.random(scales) * 2.0 ** r.integers(-12, 4)).astype(np.float16)
        drawn = r.integers(levels.min, levels.max, (*scales, lanes), endpoint=True)
        kind = self.random.randrange(8)
        if kind == 0:
            factors[r.integers(scales[0]), r.integers(scales[1])] = r.choice([np.inf, -np.inf, np.nan])
        elif kind == 1:
            x, drawn = np.full_like(x, -65504), np.full_like(drawn, levels.min)
        elif kind == 2:
            x = np.where(r.random(x.shape) < 0.9, np.float16(0), x)
        return x, drawn, factors

    async def finish(self) -> None:
        """Run to the end; then the flags say what happened, until they are cleared."""
        await self.run(patience=2000)
        for name, wanted in self.flags.items():
            flag, clear = getattr(self.dut, name), getattr(self.dut, f"clear_{name}")
            assert bool(int(flag.value)) == wanted, f"cycle {self.cycle}: {name} should be {wanted} by now"
            clear.value = 1
            await self.step()
            clear.value = 0
            await self.step(2)
            assert not int(flag.value), f"{name} should be clear"
            self.flags[name] = False

    async def through_resets(
        self, length: int, begin: Callable[[], None], again: Callable[[str], None]
    ) -> None:
        """Reset at some cycles out of `length` of what `begin` queues, then run what `again` does."""
        for cycles in range(2, length, max(1, length // 12)):
            begin()
            await self.step(cycles)
            coverage.hit({f"{self.kind}: reset": self._quarter(min(4 * cycles // length, 3))})
            await self.reset()
            again(f"after a reset behind cycle {cycles}")
            await self.finish()
