"""Bench of the processing element and of a column of them: every group sum is the golden one (contract, 5).

Parameters: the fields of `PeParameters` as JSON, `rows` (0 for an element that stands alone), `format` (of
the codes that a column loads; None where it loads levels), `sum_bits`, `latency`, and `groups`, how many
random groups each pair of stall patterns gets. `lines`: planes come as lines of pairs, and levels at a port
with the sums of pairs (`hdl.pairs`). With a `certified` range (its two ends) levels are those that
cannot leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden import formats
from golden.bitplanes import group_range, pack, plane_words_to_beats
from golden.dot import group_dot, group_dot_range
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.pairs import pair_levels, pair_lines
from sim.replay_data import lanes_to_bits
from sim.stream import STALLS, Sink, Source
from sim.weight_codes import encode

Integers = NDArray[np.int64]

P = parameters()
LANES, PER_CYCLE, ENCODING = P["lanes"], P["planes_per_cycle"], P["encoding"]
FORMAT = formats.get(P["format"]) if P["format"] else None
LEVELS = (FORMAT and FORMAT.level_range) or Interval.of_bits(P["level_bits"], signed=True)
ZERO_POINTS = FORMAT is not None and FORMAT.scaling == "zero-point"
COUNTS = range(2, P["max_planes"] + 1)
ROWS = P["rows"] or 1
LOADED = P["weights"] == "inside" or P["rows"] > 0
KIND = "column" if P["rows"] else "pe"
UNSIGNED = P["activations"] == "unsigned"
CERTIFIED = Interval(*P["certified"]) if P["certified"] else None
#: The ends of the data types are out of reach of certified levels, whose own ends another bench replays.
_KINDS = (
    ["negative", "zero", "positive"] if CERTIFIED else ["lowest", "negative", "zero", "positive", "highest"]
)
CONFIGURATION = f"{ENCODING}, {PER_CYCLE} a cycle, {P['weights']}, {P['reduction']}, {P['products']}"


def declare_coverage() -> None:
    """The points of this component; bins that a configuration cannot reach are not declared for it."""
    coverage.point(f"{KIND}: planes", COUNTS)
    coverage.point(f"{KIND}: padding planes", {_padding(planes) for planes in COUNTS})
    coverage.point(f"{KIND}: sum", _KINDS)
    coverage.point(f"{KIND}: source stalls", STALLS)
    coverage.point(f"{KIND}: sink stalls", STALLS)
    coverage.cross(f"{KIND}: source & sink stalls", (f"{KIND}: source stalls", f"{KIND}: sink stalls"))
    coverage.point(f"{KIND}: reset", ["before the last beat", "while a result waits"])
    coverage.point(f"{KIND}: configuration", [CONFIGURATION])


def beats_of(planes: int) -> int:
    """Cycles a group takes: the signs one of their own, and the padded planes."""
    signs = int(ENCODING == "sign-magnitude")
    return signs + (planes - signs + _padding(planes)) // int(PER_CYCLE)


def integers(planes: int) -> Interval:
    """What a lane of so many planes can hold."""
    return Interval.of_bits(planes, signed=False) if UNSIGNED else group_range(planes, ENCODING)


def _padding(planes: int) -> int:
    return -(int(planes) - int(ENCODING == "sign-magnitude")) % int(PER_CYCLE)


class PeBench(Bench):
    """The element, with a stream of beats, one of weight levels if it loads them, and its results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.planes = Source(self, "planes", ("words", "first", "last"), beside=() if LOADED else ("levels",))
        fields = ("codes", "zero") if ZERO_POINTS else ("payload",)
        self.load = Source(self, "load", fields) if LOADED else None
        self.result = Sink(self, "results" if P["rows"] else "result")
        coverage.hit({f"{KIND}: configuration": CONFIGURATION})

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of all streams."""
        self.planes.stall(source)
        self.result.stall(sink)
        if self.load is not None:
            self.load.stall(self.random.choice(STALLS))
        coverage.hit({f"{KIND}: source stalls": source, f"{KIND}: sink stalls": sink})

    def send(self, q: Integers, levels: Integers, planes: int, note: str = "") -> None:
        """Queue groups of `planes` planes, integers [groups, rows, lanes] and levels [groups, lanes]."""
        levels, sets = encode(levels, FORMAT, P["level_bits"])
        if P["lines"] and not LOADED:
            sets = [(item,) for item in _packed(pair_levels(levels, P["level_bits"]))]
        bounds = group_dot_range(integers(planes), LEVELS, LANES)
        totals = group_dot(q, levels[:, None, :])
        results = pack_lanes(totals, P["sum_bits"])
        for beats, weights, total, result in zip(self._beats(q, planes), sets, totals, results, strict=True):
            last = len(beats) - 1
            beside = () if LOADED else weights
            self.planes.send((word, i == 0, i == last, *beside) for i, word in enumerate(beats))
            if self.load is not None:
                self.load.send([weights])
            self.result.expect([(result,)], note=f"{planes} planes {note}, sums {total.tolist()}")
            coverage.hit({f"{KIND}: planes": planes, f"{KIND}: padding planes": _padding(planes)})
            coverage.hit({f"{KIND}: sum": _kind(int(total[0]), bounds)})

    def _beats(self, q: Integers, planes: int) -> list[list[int]]:
        """For each group its beats, each one integer: row 0 lowest, and in a row word 0 lowest."""
        if UNSIGNED:  # magnitudes without their signs, which are all in the first beat
            signed = pack(q.astype(np.int32), planes + 1, "sign-magnitude")
            words = plane_words_to_beats(signed, PER_CYCLE, "sign-magnitude", LANES)
            words = words[:, :, 1:]
        else:
            packed = pack(q.astype(np.int32), planes, ENCODING)
            words = plane_words_to_beats(packed, PER_CYCLE, ENCODING, LANES)
        words = np.moveaxis(words, 1, 2)  # [groups, beats, rows, planes a cycle(, words a plane)]
        groups, beats = words.shape[:2]
        flat = pack_lanes(words.reshape(groups * beats, -1), min(LANES, 64))
        if P["lines"]:
            flat = _packed(pair_lines(lanes_to_bits(words.reshape(groups * beats, -1), min(LANES, 64))))
        listed = [flat[i * beats : (i + 1) * beats] for i in range(groups)]
        if ENCODING == "sign-magnitude":  # the sign of a zero has no meaning: any will do
            for group, zeros in zip(listed, q == 0, strict=True):
                for row, mask in enumerate(pack_lanes(zeros, 1)):
                    group[0] |= (self.random.getrandbits(LANES) & mask) << (row * LANES * PER_CYCLE)
        return listed

    def random_groups(self, count: int, planes: int) -> tuple[Integers, Integers]:
        """Integers and levels: uniform, or mostly small, or of few values, at random."""
        q = self._random(integers(planes), (count, ROWS, LANES))
        return q, within_certificate(self._random(LEVELS, (count, LANES)))

    def _random(self, interval: Interval, shape: tuple[int, ...]) -> Integers:
        drawn: Integers = self.numpy.integers(interval.min, interval.max, shape, endpoint=True)
        style = self.random.randrange(4)
        if style == 1:
            drawn >>= self.numpy.integers(0, max(interval.bits, 1), (*shape[:-1], 1))
        elif style == 2:
            drawn = np.where(self.numpy.random(shape) < 0.8, 0, drawn)
        elif style == 3:
            drawn = self.numpy.choice([interval.min, interval.max, 0], shape)
        return drawn


def _packed(bits: NDArray[np.bool_]) -> list[int]:
    return pack_lanes(bits.astype(np.uint8), 1)


def within_certificate(levels: Integers) -> Integers:
    """Levels [groups, lanes] with zeros from the first lane on that could leave the certified range."""
    if CERTIFIED is None:
        return levels
    levels, _ = encode(levels, FORMAT, P["level_bits"])
    held = integers(P["max_planes"])
    products = levels[..., None] * np.array([held.min, held.max])
    lowest, highest = products.min(axis=-1).cumsum(axis=-1), products.max(axis=-1).cumsum(axis=-1)
    return np.where((lowest < CERTIFIED.min) | (highest > CERTIFIED.max), 0, levels)


def _kind(total: int, bounds: Interval) -> str:
    if total == bounds.min and "lowest" in _KINDS:
        return "lowest"
    if total == bounds.max and "highest" in _KINDS:
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
        vectors = corners(integers(planes))
        for i, (name, q) in enumerate(vectors):
            rows = [q, *(vectors[(i + row) % len(vectors)][1] for row in range(1, ROWS))]
            for level_name, levels in corners(LEVELS):
                note = f"integers {name}, levels {level_name}"
                bench.send(np.stack(rows)[None], within_certificate(levels[None]), planes, note)
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
        bench.send(*bench.random_groups(1, planes), planes)
        beats += beats_of(planes)
    await bench.transfer(bench.planes)
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.result.done)
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
        await bench.transfer(bench.planes, min(taken, beats_of(planes)))
        waits = bench.planes.done
        coverage.hit({f"{KIND}: reset": "while a result waits" if waits else "before the last beat"})
        await bench.reset()
        bench.stall("never", "never")
        bench.send(*bench.random_groups(2, planes), planes, f"after a reset behind beat {taken}")
        await bench.run()
    bench.stall("never", "late")
    bench.send(*bench.random_groups(1, planes), planes)
    await bench.until(lambda: bench.planes.done)
    coverage.hit({f"{KIND}: reset": "while a result waits"})
    await bench.reset()
    bench.send(*bench.random_groups(2, planes), planes, "after a reset with a result waiting")
    await bench.run()
