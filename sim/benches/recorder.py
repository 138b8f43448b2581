"""An agent that notes what ports do, for timing diagrams."""

from __future__ import annotations

from collections.abc import Sequence

from sim.bench import Bench

__all__ = ["Recorder"]


class Recorder:
    """Notes ports in every cycle, while it is told to.

    Parameters
    ----------
    bench : Bench
    ports : sequence of str

    Attributes
    ----------
    recording : bool
    values : dict of list
        Of each port cycle by cycle, None for unknown ones.
    """

    def __init__(self, bench: Bench, ports: Sequence[str]):
        self._dut = bench.dut
        self._ports = ports
        self.values: dict[str, list[int | None]] = {port: [] for port in ports}
        self.recording = False
        self.transfers = 0
        self.done = True
        bench.agents.append(self)

    def begin(self) -> None:
        """Forget what was noted, and note from now on."""
        self.values = {port: [] for port in self._ports}
        self.recording = True

    def step(self) -> None:
        """One cycle."""
        if self.recording:
            for port, values in self.values.items():
                value = getattr(self._dut, port).value
                values.append(int(value) if value.is_resolvable else None)

    def reset(self) -> None:
        """Nothing is under way."""

    def describe(self) -> str:
        """How much was noted."""
        return f"{len(next(iter(self.values.values())))} cycles"
