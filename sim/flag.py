"""The agent for a sticky flag: an output that an event sets and an input clears."""

from __future__ import annotations

from collections.abc import Callable

from .bench import Bench

__all__ = ["StickyFlag"]


class StickyFlag:
    """Checks `<name>` in every cycle and pulses `clear_<name>` at random.

    The flag is set in the cycle after the event, and an event wins over a clear at the same edge.

    Parameters
    ----------
    bench : Bench
    name : str
        The port of the flag.
    happened : callable
        Whether the event happened at this edge; asked after the agents made before this one have stepped.
    """

    def __init__(self, bench: Bench, name: str, happened: Callable[[], bool]):
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
        self._expected = False
        self._drive(False)

    def _drive(self, clearing: bool) -> None:
        self._clearing = clearing
        self._clear.value = int(clearing)

    def step(self) -> None:
        """One cycle."""
        got = bool(int(self._flag.value))
        assert got == self._expected, f"cycle {self._bench.cycle}: {self.name} should be {self._expected}"
        self._expected = self._happened() or (self._expected and not self._clearing)
        clearing = self._bench.random.random() < 0.1
        if clearing != self._clearing:
            self._drive(clearing)

    @property
    def done(self) -> bool:
        """A flag has nothing to wait for."""
        return True

    def describe(self) -> str:
        """The flag."""
        return f"{self.name} {self._flag.value}"
