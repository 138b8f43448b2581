"""Bench of the processing element: every group sum equals the golden one (contract, section 5).

Parameters: the fields of `PeParameters` as JSON, `latency`, and `groups`, how many random groups each pair of
stall patterns gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.bitplanes import group_range, pack, plane_words_to_beats
from golden.dot import group_dot, group_dot_range
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.stream import STALLS, Sink, Source

Integers = NDArray[np.int64]

P = parameters()
LANES, PER_CYCLE, ENCODING = P["lanes"], P["planes_per_cycle"], P["encoding"]
LEVELS = Interval.of_bits(P["level_bits"], signed=True)
COUNTS = range(2, P["max_planes"] + 1)
INSIDE = P["weights"] == "inside"
CONFIGURATION = f"{ENCODING}, {PER_CYCLE} a cycle, {P['weights']}, {P['reduction']}"


def declare_coverage() -> None:
    """The points of this component; bins a configuration cannot reach are not declared for it."""
    coverage.point("pe: planes", COUNTS)
    coverage.point("pe: padding planes", {_padding(planes) for planes in COUNTS})
    coverage.point("pe: sum", ["lowest", "negative", "zero", "positive", "highest"])
    coverage.point("pe: source stalls", STALLS)
    coverage.point("pe: sink stalls", STALLS)
    coverage.cross("pe: source & sink stalls", ("pe: source stalls", "pe: sink stalls"))
    coverage.point("pe: reset", ["before the last beat", "while a result waits"])
    coverage.point(
        "pe: configuration", [f"{ENCODING}, {PER_CYCLE} a cycle, {P['weights']}, {P['reduction']}"]
    )


def _padding(planes: int) -> int:
    return -(int(planes) - int(ENCODING == "sign-magnitude")) % int(PER_CYCLE)


class PeBench(Bench):
    """The element, with a stream of beats, one of weight levels if they are kept inside, and its results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        fields = ("words", "first", "last")
        self.planes = Source(self, "planes", fields, beside=() if INSIDE else ("levels",))
        self.load = Source(self, "load") if INSIDE else None
        self.result = Sink(self, "result", signed=("payload",))
        coverage.hit({"pe: configuration": CONFIGURATION})

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of all streams."""
        self.planes.stall(source)
        self.result.stall(sink)
        if self.load is not None:
            self.load.stall(self.random.choice(STALLS))
        coverage.hit({"pe: source stalls": source, "pe: sink stalls": sink})

    def send(self, q: Integers, levels: Integers, planes: int, note: str = "") -> None:
        """Queue groups `q` [groups, lanes] of `planes` planes each, their levels, and what should come."""
        words = plane_words_to_beats(pack(q.astype(np.int32), planes, ENCODING), PER_CYCLE, ENCODING, LANES)
        rows = words.reshape(words.shape[0] * words.shape[1], -1)
        flat = pack_lanes(rows, min(LANES, 64))
        beats = [flat[i : i + words.shape[1]] for i in range(0, len(flat), words.shape[1])]
        if ENCODING == "sign-magnitude":  # the sign of a zero has no meaning: any will do
            for group, zeros in zip(beats, pack_lanes(q == 0, 1), strict=True):
                group[0] |= self.random.getrandbits(LANES) & zeros
        totals = group_dot(q, levels)
        bounds = group_dot_range(group_range(planes, ENCODING), LEVELS, LANES)
        for group, level, total in zip(beats, pack_lanes(levels, P["level_bits"]), totals, strict=True):
            last = len(group) - 1
            beside = () if INSIDE else (level,)
            self.planes.send((word, i == 0, i == last, *beside) for i, word in enumerate(group))
            if self.load is not None:
                self.load.send([(level,)])
            self.result.expect([(total,)], note=f"{planes} planes {note}")
            coverage.hit({"pe: planes": planes, "pe: sum": _kind(int(total), bounds)})
            coverage.hit({"pe: padding planes": _padding(planes)})

    def random_groups(self, count: int, planes: int) -> tuple[Integers, Integers]:
        """Integers and levels: uniform, or mostly small, or of few values, at random."""
        return self._random(group_range(planes, ENCODING), count), self._random(LEVELS, count)

    def _random(self, interval: Interval, count: int) -> Integers:
        drawn = self.numpy.integers(interval.min, interval.max, (count, LANES), endpoint=True)
        style = self.random.randrange(4)
        if style == 1:
            drawn >>= self.numpy.integers(0, max(interval.bits, 1), (count, 1))
        elif style == 2:
            drawn = np.where(self.numpy.random((count, LANES)) < 0.8, 0, drawn)
        elif style == 3:
            drawn = self.numpy.choice([interval.min, interval.max, 0], (count, LANES))
        return drawn


def _kind(total: int, bounds: Interval) -> str:
    if total == bounds.min:
        return "lowest"
    if total == bounds.max:
        return "highest"
    return "zero" if total == 0 else "negative" if total < 0 else "positive"


def corners(interval: Interval) -> list[tuple[str, Integers]]:
    """Vectors of one value a lane that are likely to be wrong."""
    low, high = interval.min, interval.max
    even = np.arange(LANES) % 2 == 0
    one_hot = np.zeros(LANES, dtype=np.int64)
    one_hot[LANES - 1] = low
    shapes: list[tuple[str, Sequence[int] | Integers]] = [
        ("all lowest", np.full(LANES, low)),
        ("all highest", np.full(LANES, high)),
        ("alternating", np.where(even, low, high)),
        ("one lane lowest", one_hot),
        ("one lane highest", np.where(one_hot != 0, high, 0)),
        ("all zero", np.zeros(LANES)),
        ("all minus one", np.full(LANES, max(-1, low))),
    ]
    return [(name, np.asarray(values, dtype=np.int64)) for name, values in shapes]


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Every pair of extreme integers and extreme levels, for the fewest, a middle and the most planes."""
    bench = PeBench(dut)
    await bench.reset()
    for planes in sorted({2, (2 + P["max_planes"]) // 2, P["max_planes"]}):
        for q_name, q in corners(group_range(planes, ENCODING)):
            for level_name, levels in corners(LEVELS):
                bench.send(q[None], levels[None], planes, f"integers {q_name}, levels {level_name}")
    await bench.run()


@cocotb.test()
async def random_groups_and_stalls(dut: Any) -> None:
    """Random groups of random sizes follow each other under every pair of stall patterns."""
    bench = PeBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            for _ in range(P["groups"]):
                planes = bench.random.choice(COUNTS)
                bench.send(*bench.random_groups(1, planes), planes, f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def every_plane_count(dut: Any) -> None:
    """Groups of every size, back to back."""
    bench = PeBench(dut)
    await bench.reset()
    for planes in COUNTS:
        bench.send(*bench.random_groups(2, planes), planes)
    await bench.run()


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a group takes its beats and not a cycle more, and the result comes on time."""
    bench = PeBench(dut)
    await bench.reset()
    beats = 0
    for planes in COUNTS:
        q, levels = bench.random_groups(1, planes)
        bench.send(q, levels, planes)
        magnitude = planes - (ENCODING == "sign-magnitude")
        beats += -(-magnitude // PER_CYCLE) + (ENCODING == "sign-magnitude")
    while bench.planes.transfers == 0:
        await bench.step()
    begin = bench.cycle - 1  # the first beat was taken at the edge before the one that showed it
    while not bench.result.done:
        await bench.step()
        assert bench.cycle - begin <= beats + P["latency"] + 1, bench.result.describe()
    assert bench.cycle - begin == beats + P["latency"], (
        f"{beats} beats took {bench.cycle - begin} cycles with a latency of {P['latency']}"
    )
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in any beat of a group, or while its result waits, leaves nothing behind."""
    bench = PeBench(dut)
    await bench.reset()
    planes = P["max_planes"]
    for taken in range(1, 7):
        bench.stall("never", "late")
        bench.send(*bench.random_groups(1, planes), planes)
        goal = bench.planes.transfers + taken
        while bench.planes.transfers < goal and not bench.planes.done:
            await bench.step()
        coverage.hit({"pe: reset": "while a result waits" if bench.planes.done else "before the last beat"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(*bench.random_groups(2, planes), planes, f"after a reset behind beat {taken}")
        await bench.run()
    bench.stall("never", "late")
    bench.send(*bench.random_groups(1, planes), planes)
    while not bench.planes.done:
        await bench.step()
    coverage.hit({"pe: reset": "while a result waits"})
    await bench.reset()
    bench.send(*bench.random_groups(2, planes), planes, "after a reset with a result waiting")
    await bench.run()
