"""The agent for sticky flags: outputs that events set and an input clears."""

from __future__ import annotations

from collections.abc import Callable

from .bench import Bench

__all__ = ["StickyFlag"]


class StickyFlag:
    """Checks `<name>` in every cycle and pulses `clear_<name>` at random.

    The flag is set in the cycle after the event, and an event wins over a clear at the same edge. A port of
    several bits holds as many flags, which are cleared together.

    Parameters
    ----------
    bench : Bench
    name : str
        The port of the flag.
    happened : callable
        Whether the event happened at this edge, or for several flags the bits of those whose events did;
        asked after the agents made before this one have stepped.

    Attributes
    ----------
    clearing : bool
        Whether the flag is being cleared at this edge.
    """

    def __init__(self, bench: Bench, name: str, happened: Callable[[], int]):
        self._bench = bench
        self.name = name
        self._flag = getattr(bench.dut, name)
        self._clear = getattr(bench.dut, f"clear_{name}")
        self._happened = happened
        self.transfers = 0
        self.reset()
        bench.agents.append(self)

    def reset(self) -> None:
        """Expect the flag to be clear."""
        self._expected = 0
        self._drive(False)

    def _drive(self, clearing: bool) -> None:
        self.clearing = clearing
        self._clear.value = int(clearing)

    def step(self) -> None:
        """One cycle."""
        got = int(self._flag.value)
        assert got == self._expected, (
            f"cycle {self._bench.cycle}: {self.name} should be {self._expected:b} but is {got:b}"
        )
        self._expected = int(self._happened()) | (0 if self.clearing else self._expected)
        clearing = self._bench.random.random() < 0.1
        if clearing != self.clearing:
            self._drive(clearing)

    @property
    def done(self) -> bool:
        """A flag has nothing to wait for."""
        return True

    def describe(self) -> str:
        """The flag."""
        return f"{self.name} {self._flag.value}"
