"""What the benches of components between streams have in common: stalls, speed, latency, resets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from sim.bench import Bench, coverage
from sim.stream import STALLS, Sink, Source

__all__ = ["OperandBench", "StreamBench"]


class StreamBench(Bench):
    """Sources on one side, a sink of results on the other.

    Attributes
    ----------
    kind : str
        What the names of the coverage points begin with.
    states : tuple of str
        What a reset meets: a sum under way, or a result that waits.
    sources : list of Source
        The main one first.
    results : Sink
    """

    kind: ClassVar[str]
    states: ClassVar[tuple[str, str]] = ("before a result", "while a result waits")
    sources: list[Source]
    results: Sink

    def __init__(self, dut: Any):
        super().__init__(dut)
        ends = [f"{self.kind}: {end} stalls" for end in ("source", "sink")]
        for point in ends:
            coverage.point(point, STALLS)
        coverage.cross(f"{self.kind}: source & sink stalls", (ends[0], ends[1]))

    def declare_resets(self) -> None:
        """The points of `through_resets`."""
        coverage.point(f"{self.kind}: reset", self.states)

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of the main source and of the results, and those of other sources at random."""
        main, *others = self.sources
        main.stall(source)
        self.results.stall(sink)
        for other in others:
            other.stall(self.random.choice(STALLS))
        coverage.hit({f"{self.kind}: source stalls": source, f"{self.kind}: sink stalls": sink})

    async def under_every_stall(self, send: Callable[[str], None], patience: int = 500) -> None:
        """Run what `send` queues, which is given a note, under every pair of patterns."""
        for source in STALLS:
            for sink in STALLS:
                self.stall(source, sink)
                send(f"stalls {source}/{sink}")
                await self.run(patience=patience)

    async def keep_pace(self, cycles: int, patience: int = 1000) -> None:
        """Wait until everything is taken: so many cycles behind the first transfer."""
        main = self.sources[0]
        await self.transfer(main)
        begin = self.cycle
        await self.until(lambda: main.done, patience=patience)
        taken = self.cycle - begin
        assert taken == cycles, f"all took {taken} cycles behind the first transfer, not {cycles}"

    async def end_on_time(self, latency: int) -> None:
        """Wait until everything is taken, then for the last result: after `latency` cycles."""
        await self.until(lambda: self.sources[0].done)
        begin = self.cycle - 1  # what an edge takes was on its way in the cycle before it
        await self.until(lambda: self.results.done)
        taken = self.cycle - begin - 1
        assert taken == latency, f"the last result took {taken} cycles, not {latency}"
        await self.run()

    async def through_resets(
        self,
        cycles: Iterable[int],
        begin: Callable[[], None],
        again: Callable[[str], None],
        patience: int = 500,
    ) -> None:
        """Reset at each of these cycles of what `begin` queues; then run what `again` does, given a note."""
        for cycle in cycles:
            self.stall("never", "late")
            begin()
            await self.step(cycle)
            waits = bool(int(self.dut.results_valid.value))
            coverage.hit({f"{self.kind}: reset": self.states[waits]})
            await self.reset()
            self.stall("never", "never")
            again(f"after a reset behind cycle {cycle}")
            await self.run(patience=patience)


class OperandBench(StreamBench):
    """An element of a few lanes: activations and weights, beat by beat, the scales of groups, and results.

    Parameters
    ----------
    dut : handle
    fields : tuple of str
        Of a beat.
    inside : bool
        Whether weights go to a stream of their own.
    groups : tuple of str
        Of what belongs to a group; empty where there is no such stream.
    results : tuple of str
        Of a result.
    """

    def __init__(
        self,
        dut: Any,
        fields: tuple[str, ...],
        *,
        inside: bool,
        groups: tuple[str, ...] = (),
        results: tuple[str, ...] = ("payload",),
    ):
        super().__init__(dut)
        self.declare_resets()
        self.activations = Source(self, "activations", fields, beside=() if inside else ("levels",))
        self.load = Source(self, "load") if inside else None
        self.sources = [self.activations]
        if groups:
            self.groups = Source(self, "groups", groups)
            self.sources.append(self.groups)
        if self.load:
            self.sources.append(self.load)
        self.results = Sink(self, "results", results)

    def send_beat(self, values: tuple[int, ...], weights: int) -> None:
        """Queue a beat and its weights."""
        if self.load:
            self.activations.send([values])
            self.load.send([(weights,)])
        else:
            self.activations.send([(*values, weights)])

    def taken_special(self, lanes: int) -> bool:
        """Whether an activation, or the scale a group begins with, that is not finite is taken."""
        beat, group = self.activations.taken, self.groups.taken
        words = [] if beat is None else [beat[0] >> 16 * lane for lane in range(lanes)]
        return any(word >> 10 & 31 == 31 for word in [*words, *([] if group is None else group[:1])])
