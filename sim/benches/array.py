"""Bench of the array: tiles of plane words and weights in, FP32 or FP16 results out, bit for bit.

Parameters: `rows`, `columns`, `sharing`, `columns_per_load`, `lanes`, `level_bits`, `weight_bits`, `format`
(of the codes that are loaded; None for levels), `max_planes`, `encoding`, `planes_per_cycle`, `output`, and
`tiles`, how many random tiles each pair of stall patterns gets.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden import formats
from golden.accumulate import fused_accumulate_fp32
from golden.anda import AndaCodec
from golden.bitplanes import pack, plane_words_to_beats
from golden.dot import group_dot
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.benches.array_agents import PromisedResults
from sim.benches.flagged_rows import FlaggedBench
from sim.stream import STALLS, Source
from sim.weight_codes import encode

P = parameters()
ROWS, COLUMNS, SHARING, LANES = P["rows"], P["columns"], P["sharing"], P["lanes"]
MOST, ENCODING, PER_CYCLE = P["max_planes"], P["encoding"], P["planes_per_cycle"]
FORMAT = formats.get(P["format"]) if P["format"] else None
LEVELS = (FORMAT and FORMAT.level_range) or Interval.of_bits(P["level_bits"], signed=True)
HALF = P["output"] == "fp16"
CONFIGURATION = f"{ENCODING}, {PER_CYCLE} a cycle, {SHARING} share, {P['output']}, {P['format']}"
STALL_REASONS = ("planes", "weights", "sums", "results")


def beats_of(planes: int) -> int:
    """Cycles a group takes."""
    signs = int(ENCODING == "sign-magnitude")
    return signs - (signs - planes) // int(PER_CYCLE)


FEWEST_BEATS = max(SHARING, COLUMNS // P["columns_per_load"], 2)
"""With this many beats or more a group costs its beats alone."""


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("array: planes", range(2, MOST + 1))
    coverage.point("array: groups in a tile", [1, 2, Interval(3, 8)])
    coverage.point("array: source stalls", STALLS)
    coverage.point("array: room for tiles", [1, 2])
    coverage.point("array: stall", [*STALL_REASONS[:2], STALL_REASONS[3]])
    coverage.point("array: scale", ["finite", "nonfinite"])
    coverage.point("array: configuration", [CONFIGURATION])


class StallWatch:
    """Counts beats and the reasons for cycles without one; at most one reason at a time."""

    def __init__(self, bench: Bench):
        self._bench = bench
        self._flags = {name: getattr(bench.dut, f"stalls_{name}") for name in STALL_REASONS}
        self._beat = bench.dut.beat
        self.transfers = 0
        self.reset()
        bench.agents.append(self)

    def reset(self) -> None:
        """Start counting anew."""
        self.counts = dict.fromkeys((*STALL_REASONS, "beat"), 0)

    def step(self) -> None:
        """One cycle."""
        seen = [name for name, flag in self._flags.items() if int(flag.value)]
        if int(self._beat.value):
            seen.append("beat")
        assert len(seen) == 1, f"cycle {self._bench.cycle}: a cycle has one beat or one reason, not {seen}"
        self.counts[seen[0]] += 1
        if seen[0] in STALL_REASONS and seen[0] != "sums":
            coverage.hit({"array: stall": seen[0]})

    def has_seen(self, beats: int) -> bool:
        """Whether so many beats were taken."""
        return self.counts["beat"] == beats

    @property
    def done(self) -> bool:
        """There is nothing to wait for."""
        return True

    def describe(self) -> str:
        """The counts."""
        return f"cycles {self.counts}"


class ArrayBench(FlaggedBench):
    """The array between its streams of planes and weights, and its results."""

    kind, work = "array", "tile"

    def __init__(self, dut: Any):
        super().__init__(dut, half=HALF)
        declare_coverage()
        fields = ("words", "exponents", "first", "last", "tile_last")
        self.planes = Source(self, "planes", fields, beside=("group_planes",))
        self.weights = Source(self, "weights")
        slot = ("slot",) if SHARING > 1 else ()
        self.results = PromisedResults(self, ("values", *slot), transfers_a_tile=SHARING)
        self.watch = StallWatch(self)
        coverage.hit({"array: configuration": CONFIGURATION})

    def stall(self, source: str, room: int) -> None:
        """Choose the patterns, and how many tiles the consumer has room for."""
        self.planes.stall(source)
        self.weights.stall(self.random.choice(STALLS))
        self.results.capacity = room
        coverage.hit({"array: source stalls": source, "array: room for tiles": room})

    def send(
        self,
        x: NDArray[np.float16],
        levels: NDArray[Any],
        scales: NDArray[np.float16],
        planes: int,
        note: str,
    ) -> None:
        """Queue one tile: activations [rows, groups * lanes], levels [groups, columns, lanes], scales
        [groups, columns]."""
        groups = len(levels)
        codec = AndaCodec(planes, ENCODING, "nearest", LANES)
        q, exponents = codec.quantize(x)  # [rows, groups, lanes], [rows, groups]
        flat, items = encode(levels.reshape(-1, LANES), FORMAT, P["level_bits"])
        levels = flat.reshape(levels.shape)
        clean, odd = sanitize(scales)
        self.flags["nonfinite"] |= odd
        totals = group_dot(q[:, None], np.moveaxis(levels, 0, 1)[None])  # [rows, columns, groups]
        sums = fused_accumulate_fp32(totals, clean.T[None], codec.ulp_exponents(exponents)[:, None])
        self._expect(sums, note)
        self._send_planes(q, exponents, planes)
        self._send_weights(items, scales, groups)
        coverage.hit({"array: planes": planes, "array: groups in a tile": groups})
        coverage.hit({"array: scale": "nonfinite" if odd else "finite"})

    def _expect(self, sums: NDArray[np.float32], note: str) -> None:
        values = self.words(sums)
        bits = 16 if HALF else 32
        for slot in range(SHARING):
            (packed,) = pack_lanes(values[slot::SHARING].reshape(1, -1), bits)
            self.results.expect((packed, *((slot,) if SHARING > 1 else ())), note)

    def _send_planes(self, q: NDArray[np.int32], exponents: NDArray[np.uint8], planes: int) -> None:
        words = plane_words_to_beats(pack(q, planes, ENCODING), PER_CYCLE, ENCODING, LANES)
        # [rows, groups, beats, planes a cycle(, words a plane)] to one integer for each beat of each group
        ordered = np.moveaxis(words, 0, 2)
        groups, beats = ordered.shape[:2]
        flat = pack_lanes(ordered.reshape(groups * beats, -1), min(LANES, 64))
        shared = pack_lanes(exponents.T, 5)
        for number, word in enumerate(flat):
            group, beat = divmod(number, beats)
            self.planes.send(
                [(word, shared[group], beat == 0, beat == beats - 1, group == groups - 1, planes)]
            )

    def _send_weights(self, items: list[tuple[int, ...]], scales: NDArray[np.float16], groups: int) -> None:
        whole = P["weight_bits"] + 16
        zero_at = P["lanes"] * (FORMAT.code_bits if FORMAT else 0)
        bits = scales.view(np.uint16).reshape(-1)
        sets = [
            item[0] | (item[1] << zero_at if len(item) > 1 else 0) | int(scale) << P["weight_bits"]
            for item, scale in zip(items, bits, strict=True)
        ]
        step = P["columns_per_load"]
        for start in range(0, groups * COLUMNS, step):
            together = sum(value << (i * whole) for i, value in enumerate(sets[start : start + step]))
            self.weights.send([(together,)])

    def random_tile(self, planes: int, note: str = "", groups: int = 0) -> None:
        """Queue a random tile."""
        groups = groups or self.random.choice((1, 2, 3, 5))
        r = self.numpy
        x, levels, scales = self.random_operands((ROWS, groups * LANES), (groups, COLUMNS), LANES, LEVELS)
        if r.random() < 0.15:  # rows far apart, so that exponents of different rows cannot be mixed up
            x = (x * 2.0 ** -r.integers(0, 12, (ROWS, 1))).astype(np.float16)
        self.send(x, levels, scales, planes, note)


@cocotb.test()
async def tiles_of_every_plane_count(dut: Any) -> None:
    """Tiles back to back; the number of planes changes when nothing is on its way."""
    bench = ArrayBench(dut)
    await bench.reset()
    for planes in range(2, MOST + 1):
        for tile in range(2):
            bench.random_tile(planes, f"{planes} planes, tile {tile}")
        await bench.finish()


@cocotb.test()
async def groups_cost_their_beats(dut: Any) -> None:
    """Nothing stalls outside: from the first beat to the last there is one in every cycle."""
    bench = ArrayBench(dut)
    # Two tiles of room: one is taken away while the next is on its way.
    bench.results.hold = 0
    for planes in range(2, MOST + 1):
        if beats_of(planes) < FEWEST_BEATS:
            continue
        await bench.reset()
        bench.results.capacity = 2
        # The weights of the first group are loaded before its planes come.
        await bench.step(2 * COLUMNS)
        beats = 4 * 3 * beats_of(planes)
        for tile in range(4):
            bench.random_tile(planes, f"steady, {planes} planes, tile {tile}", groups=3)
        await bench.until(lambda: bench.watch.counts["beat"] > 0)
        before = dict(bench.watch.counts)
        await bench.until(partial(bench.watch.has_seen, beats), patience=10 * beats)
        after = bench.watch.counts
        lost = {name: after[name] - before[name] for name in STALL_REASONS if after[name] > before[name]}
        assert not lost, f"{planes} planes: a group should cost its beats alone, but cycles were lost: {lost}"
        await bench.finish()


@cocotb.test()
async def random_tiles_and_stalls(dut: Any) -> None:
    """Random tiles under every stall pattern and either room."""
    bench = ArrayBench(dut)
    await bench.reset()
    for source in STALLS:
        for room in (1, 2):
            bench.stall(source, room)
            planes = bench.random.randint(2, MOST)
            for _ in range(P["tiles"]):
                bench.random_tile(planes, f"stalls {source}, room {room}")
            await bench.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset anywhere in a tile leaves nothing behind."""
    bench = ArrayBench(dut)
    await bench.reset()
    length = 2 * beats_of(MOST) + COLUMNS + SHARING + 6
    await bench.through_resets(
        length, lambda: bench.random_tile(MOST, groups=2), lambda note: bench.random_tile(MOST, note)
    )
