"""A cocotb bench that plays recorded items into a design and compares what comes out with recorded answers.

Parameters, as `sim.runner.run_bench` passes them: those of `Recording`, and `report`, the file that receives
the number of cycles from the first transfer to the last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cocotb

from sim.bench import Agent, Bench, parameters
from sim.stream import Sink, Source

__all__ = ["replay"]


class Stopwatch:
    """An agent that notes when the first and the last transfer of the others happened."""

    def __init__(self, bench: Bench):
        self._bench = bench
        self._watched: Sequence[Agent] = list(bench.agents)
        self._seen = 0
        self._first: int | None = None
        self._last = 0
        self.transfers = 0
        self.done = True
        bench.agents.append(self)

    def step(self) -> None:
        """One cycle."""
        now = sum(agent.transfers for agent in self._watched)
        if now != self._seen:
            self._first = self._bench.cycle if self._first is None else self._first
            self._last = self._bench.cycle
            self._seen = now

    def reset(self) -> None:
        """Nothing to drive."""

    def describe(self) -> str:
        """How long it ran."""
        return f"{self.cycles} cycles"

    @property
    def cycles(self) -> int:
        """From the first transfer to the last, both included."""
        return 0 if self._first is None else self._last - self._first + 1


@cocotb.test()
async def replay(dut: Any) -> None:
    """Every expected item comes, in order and bit for bit, and nothing else does."""
    given = parameters()
    bench = Bench(dut)
    sources = [Source(bench, stream["name"], stream["fields"]) for stream in given["sources"]]
    sink = Sink(bench, given["sink"]["name"], given["sink"]["fields"])
    stopwatch = Stopwatch(bench)
    for port, value in given["constants"].items():
        getattr(dut, port).value = value
    await bench.reset()
    for source, stream in zip(sources, given["sources"], strict=True):
        source.send(stream["items"])
    sink.expect(given["sink"]["items"])
    await bench.run()
    Path(given["report"]).write_text(json.dumps({"cycles": stopwatch.cycles}))
