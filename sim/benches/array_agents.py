"""The agent for results that are promised a tile at a time and then taken without asking."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from sim.bench import Bench

__all__ = ["PromisedResults"]


class PromisedResults:
    """Grants room for tiles, counts the promises, and compares what comes with what is expected.

    Ports: `results_valid` and `results_<field>` without a ready; `room` and `promised`.

    Parameters
    ----------
    bench : Bench
    fields : sequence of str
        Of a transfer.
    transfers_a_tile : int
        After so many transfers a tile is complete; its room is free again up to `hold` cycles later.

    Attributes
    ----------
    capacity : int
        Tiles there is room for.
    hold : int
        Most cycles that a complete tile keeps its room.
    """

    def __init__(self, bench: Bench, fields: Sequence[str], transfers_a_tile: int):
        self._bench = bench
        self._valid = bench.dut.results_valid
        self._payload = [getattr(bench.dut, f"results_{field}") for field in fields]
        self._room, self._promised = bench.dut.room, bench.dut.promised
        self._a_tile = transfers_a_tile
        self.capacity, self.hold = 1, 24
        self._expected: deque[tuple[tuple[int, ...], str]] = deque()
        self.transfers = 0
        self.reset()
        bench.agents.append(self)

    def expect(self, item: tuple[int, ...], note: str) -> None:
        """Queue what should come next."""
        self._expected.append((item, note))

    def reset(self) -> None:
        """Forget everything."""
        self._expected.clear()
        self._promises = 0
        self._in_tile = 0
        self._leaving: list[int] = []
        self._room.value = 0

    def step(self) -> None:
        """One cycle."""
        bench = self._bench
        if int(self._promised.value):
            assert int(self._room.value), f"cycle {bench.cycle}: a tile was promised without room for it"
            self._promises += 1
        if int(self._valid.value):
            self._take()
        self._leaving = [left - 1 for left in self._leaving]
        while self._leaving and self._leaving[0] <= 0:
            self._leaving.pop(0)
            self._promises -= 1
        self._room.value = int(self._promises < self.capacity)

    def _take(self) -> None:
        assert self._promises > len(self._leaving), (
            f"cycle {self._bench.cycle}: a result came that was not promised"
        )
        got = tuple(int(handle.value) for handle in self._payload)
        assert self._expected, f"cycle {self._bench.cycle}: a result came that nobody expected"
        wanted, note = self._expected.popleft()
        assert got == wanted, (
            f"cycle {self._bench.cycle}: result {self.transfers} should be "
            f"{[hex(v) for v in wanted]}, not {[hex(v) for v in got]} ({note})"
        )
        self.transfers += 1
        self._in_tile += 1
        if self._in_tile == self._a_tile:
            self._in_tile = 0
            last = max(self._leaving, default=0)
            self._leaving.append(max(last, self._bench.random.randint(0, self.hold)))

    @property
    def done(self) -> bool:
        """Whether everything came and every promise was kept."""
        return not self._expected and not self._promises

    def describe(self) -> str:
        """Progress."""
        return f"results: {self.transfers} taken, {len(self._expected)} to come, {self._promises} promised"
