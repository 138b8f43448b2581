"""The inside of a bench: clock, reset, and agents that step once a cycle.

One coroutine waits for the clock and calls every agent in turn, so a cycle costs one switch into Python
however many streams there are. At that moment every signal still has the value it had before the edge,
which is what the registers of the design see; what the agents write takes effect after the edge.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from .coverage import Coverage

__all__ = ["Agent", "Bench", "coverage", "pack_lanes", "parameters"]

#: Shared by all tests of a bench; saved beside the results.
coverage = Coverage()

#: Cycles that a bench goes on after its last expected result, to catch results nobody asked for.
_EXTRA_CYCLES = 12


def _directory() -> Path:
    return Path(str(cocotb.plusargs["bench"]))


def parameters() -> Any:
    """What the runner was given as `parameters`."""
    return json.loads((_directory() / "bench.json").read_text())


def pack_lanes(values: NDArray[Any], bits: int) -> list[int]:
    """Rows of integers as one wide integer each: element i at bit `i * bits`, its lowest `bits` bits."""
    planes = values[..., None] >> np.arange(bits, dtype=values.dtype) & values.dtype.type(1)
    packed = np.packbits(planes.reshape(len(values), -1).astype(bool), axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


class Agent(Protocol):
    """Something that acts once a cycle."""

    def step(self) -> None:
        """Look at the values before this edge; write those after it."""

    def reset(self) -> None:
        """Drive idle values and forget what was under way."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""

    @property
    def transfers(self) -> int:
        """How much was done so far."""

    def describe(self) -> str:
        """The state in a few words, for messages."""


class Bench:
    """Clock, reset and the agents of one design.

    Parameters
    ----------
    dut : handle
        The top of the design, as cocotb gives it to a test.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.cycle = 0
        self.random = random.Random(cocotb.RANDOM_SEED)
        self.numpy = np.random.default_rng(cocotb.RANDOM_SEED)
        self.agents: list[Agent] = []
        Clock(dut.clk, 10, unit="ns", impl="gpi").start(start_high=False)
        self._edge = RisingEdge(dut.clk)

    async def reset(self, cycles: int = 2) -> None:
        """Hold reset while every agent is idle."""
        self.dut.rst.value = 1
        for agent in self.agents:
            agent.reset()
        for _ in range(cycles):
            await self._edge
        self.dut.rst.value = 0
        self.cycle += cycles

    async def step(self, cycles: int = 1) -> None:
        """Let every agent act in each of the next cycles."""
        for _ in range(cycles):
            await self._edge
            self.cycle += 1
            for agent in self.agents:
                agent.step()

    async def until(self, condition: Callable[[], bool], patience: int = 500) -> None:
        """Step until `condition` is true.

        Raises
        ------
        AssertionError
            From an agent, or when it takes more than `patience` cycles.
        """
        for _ in range(patience):
            if condition():
                return
            await self.step()
        raise AssertionError(f"waited {patience} cycles up to cycle {self.cycle} in vain: {self._states()}")

    async def transfer(self, agent: Agent, count: int = 1) -> None:
        """Step until an agent has made so many transfers more."""
        goal = agent.transfers + count
        await self.until(lambda: agent.transfers >= goal)

    async def run(self, patience: int = 500) -> None:
        """Step until every agent is done, and a little longer.

        Parameters
        ----------
        patience : int
            Cycles without a single transfer after which the design is taken to hang.

        Raises
        ------
        AssertionError
            From an agent, or when the design hangs.
        """
        edge, steps = self._edge, [agent.step for agent in self.agents]
        before, quiet = -1, 0
        try:
            while True:
                await edge
                self.cycle += 1
                for step in steps:
                    step()
                now = sum(agent.transfers for agent in self.agents)
                quiet = quiet + 1 if now == before else 0
                before = now
                if quiet >= _EXTRA_CYCLES and all(agent.done for agent in self.agents):
                    return
                if quiet >= patience:
                    where = f"no transfer in {quiet} cycles up to cycle {self.cycle}"
                    raise AssertionError(f"{where}: {self._states()}")
        finally:
            if coverage:
                coverage.save(_directory() / "coverage.json")

    def _states(self) -> str:
        return "; ".join(agent.describe() for agent in self.agents)
