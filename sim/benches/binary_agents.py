"""What the benches of the binary engine share: its shape, memories, jobs and results.

Parameters: `shape`, the fields of `sim.binary_jobs.BinaryShape` (`rate` as four numbers), `memories` (depth
by name) and `job_fields`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from golden.binary_order import Rate
from sim.bench import Bench, parameters
from sim.binary_jobs import BinaryShape, Program
from sim.stream import Sink, Source

__all__ = ["SHAPE", "EngineBench", "P"]

P = parameters()
SHAPE = BinaryShape(**(P["shape"] | {"rate": Rate(*P["shape"]["rate"])}))


class Writer:
    """Writes words into the memories, one of each in a cycle."""

    def __init__(self, bench: Bench):
        self._ports = {
            name: [getattr(bench.dut, port) for port in (f"write_{name}", f"{name}_address", f"{name}_word")]
            for name in P["memories"]
        }
        self._queues: dict[str, deque[tuple[int, int]]] = {name: deque() for name in self._ports}
        self.transfers = 0
        bench.agents.append(self)

    def send(self, memories: dict[str, list[int]]) -> None:
        """Queue words, from address 0 on."""
        for name, words in memories.items():
            self._queues[name].extend(enumerate(words))

    def reset(self) -> None:
        """Write nothing."""
        for name, (write, address, word) in self._ports.items():
            self._queues[name].clear()
            write.value = address.value = word.value = 0

    def step(self) -> None:
        """One cycle."""
        for name, (write, address, word) in self._ports.items():
            queue = self._queues[name]
            write.value = int(bool(queue))
            if queue:
                address.value, word.value = queue.popleft()
                self.transfers += 1

    @property
    def done(self) -> bool:
        """Whether every word is written."""
        return not any(self._queues.values())

    def describe(self) -> str:
        """How much there is to write."""
        return f"{sum(map(len, self._queues.values()))} words to write"


class EngineBench(Bench):
    """The engine, its memories, jobs and results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        self.writer = Writer(self)
        self.jobs = Source(self, "job", P["job_fields"])
        self.results = Sink(self, "results", ("values", "last"))

    async def load(self, product: Program) -> None:
        """Fill the memories."""
        for name, words in product.memories.items():
            assert len(words) <= P["memories"][name], f"{name}: {len(words)} words do not fit"
        self.writer.send(product.memories)
        await self.until(lambda: self.writer.done, patience=100_000)
        await self.step(2)

    def start(self, product: Program, note: str) -> None:
        """Queue the job and its results."""
        self.results.expect(product.results, note)
        self.jobs.send([product.job])

    async def finish(self) -> None:
        """Run until the results are there."""
        await self.run(patience=5000)
