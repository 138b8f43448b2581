"""Bench of the converters of the comparison: beats of integers and exponents, bit for bit the golden ones.

Parameters: `kind` ("aligned" or "mxint8"), `group`, `lanes`, `bits`, for aligned groups `encoding`,
`rounding` and `wires`; `latency`, and `groups`, how many random groups each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.baseline.align import align
from golden.baseline.mxint8 import to_mxint8
from golden.fp16 import sanitize
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

Words = NDArray[np.uint16]

P = parameters()
GROUP, LANES, BITS = int(P["group"]), int(P["lanes"]), int(P["bits"])
BEATS = GROUP // LANES
CONFIGURATION = f"{P['kind']}, {BEATS} beats"
_CORNERS = [0, 0x8000, 1, 0x8001, 0x3FF, 0x83FF, 0x400, 0x3C00, 0x3BFF, 0x3FFF, 0x7BFF, 0xFBFF]
_SPECIAL = [0x7C00, 0xFC00, 0x7E00, 0xFC01]


def declare_coverage() -> None:
    """The points of this kind of component."""
    coverage.point("converter: group", ["zeros", "subnormals", "normals", "mixed", "not finite"])
    coverage.point("converter: source stalls", STALLS)
    coverage.point("converter: sink stalls", STALLS)
    coverage.cross("converter: source & sink stalls", ("converter: source stalls", "converter: sink stalls"))
    coverage.point("converter: configuration", [CONFIGURATION])


def golden(words: Words) -> tuple[NDArray[np.int64], int]:
    """Integers as on the wires, and the exponent."""
    x = sanitize(words.view(np.float16))[0]
    if P["kind"] == "mxint8":
        q, codes = to_mxint8(x)
        return q[0], int(codes[0])
    q, exponents = align(x, BITS, encoding=P["encoding"], rounding=P["rounding"], group=GROUP)
    if P["wires"] == "twos-complement":
        return q[0], int(exponents[0])
    sign = (q[0] < 0).astype(np.int64)
    return np.asarray(np.abs(q[0]) | sign << (BITS - 1)), int(exponents[0])


class ConverterBench(Bench):
    """The converter between groups of FP16 values and beats, and its flag."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.groups = Source(self, "groups")
        flags = ("first", "last") if BEATS > 1 else ()
        self.beats = Sink(self, "beats", ("values", "exponent", *flags))
        StickyFlag(self, "nonfinite", self._nonfinite_taken)
        coverage.hit({"converter: configuration": CONFIGURATION})

    def _nonfinite_taken(self) -> bool:
        if self.groups.taken is None:
            return False
        word = self.groups.taken[0]
        return any(word >> (16 * i) >> 10 & 31 == 31 for i in range(GROUP))

    def send(self, words: Words, note: str = "") -> None:
        """Queue one group."""
        self.groups.send([(pack_lanes(words[None].astype(np.int64), 16)[0],)])
        values, exponent = golden(words)
        for i, beat in enumerate(pack_lanes(values.reshape(BEATS, LANES), BITS)):
            flags = (i == 0, i == BEATS - 1) if BEATS > 1 else ()
            self.beats.expect([(beat, exponent, *flags)], note=f"beat {i} {note}")
        coverage.hit({"converter: group": _kind(words)})

    def random_group(self) -> Words:
        """Values of any exponents, of near ones, of few bits, subnormal ones; corners among them."""
        r, n = self.random, self.numpy
        words = n.integers(0, 1 << 16, GROUP).astype(np.uint16)
        style = r.randrange(6)
        low = r.randint(0, 30)
        field = n.integers(low, r.randint(low, 30) + 1, GROUP)
        if style < 4:
            words = (words & 0x83FF | field << 10).astype(np.uint16)
        if style == 1:  # few significant bits, so that many lie halfway between two integers
            words &= np.uint16(0xFC00 | (0x3FF << r.randint(3, 9)) & 0x3FF)
        if style == 4:
            words = (words & (0x8000 | (1 << r.randint(1, 10)) - 1)).astype(np.uint16)
        if r.random() < 0.5:
            places = n.random(GROUP) < 0.3
            words = np.where(places, n.choice(_CORNERS, GROUP), words).astype(np.uint16)
        if style == 5 or r.random() < 0.8:
            words = np.where(words >> 10 & 31 == 31, words & 0xBFFF, words).astype(np.uint16)
        if r.random() < 0.1:
            words[r.randrange(GROUP)] = r.choice(_SPECIAL)
        return words


def _kind(words: Words) -> str:
    field, magnitude = words >> 10 & 31, words & 0x7FFF
    if (field == 31).any():
        return "not finite"
    if not magnitude.any():
        return "zeros"
    small = (field == 0) & (magnitude > 0)
    if small.any() and (field > 0).any():
        return "mixed"
    return "subnormals" if small.any() else "normals"


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Groups of one value, and every exponent gap between two."""
    bench = ConverterBench(dut)
    await bench.reset()
    for word in (*_CORNERS, *_SPECIAL):
        bench.send(np.full(GROUP, word, dtype=np.uint16), f"all {word:#x}")
    for gap in range(31):
        words = bench.numpy.integers(0, 1 << 16, GROUP).astype(np.uint16) & np.uint16(0x83FF)
        words[: GROUP // 2] |= np.uint16(30 << 10)
        words[GROUP // 2 :] |= np.uint16((30 - gap) << 10)
        bench.send(words, f"gap {gap}")
    for leading in range(10):
        words = bench.numpy.integers(0, 1 << 16, GROUP).astype(np.uint16)
        bench.send(words & np.uint16(0x8000 | (2 << leading) - 1), f"subnormals below 2^{leading + 1}")
    await bench.run()


@cocotb.test()
async def random_groups_and_stalls(dut: Any) -> None:
    """Random groups under every pair of stall patterns."""
    bench = ConverterBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.groups.stall(source)
            bench.beats.stall(sink)
            coverage.hit({"converter: source stalls": source, "converter: sink stalls": sink})
            for _ in range(P["groups"]):
                bench.send(bench.random_group(), f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a beat leaves in every cycle, the first one on time."""
    bench = ConverterBench(dut)
    await bench.reset()
    count = 4
    for _ in range(count):
        bench.send(bench.random_group())
    await bench.transfer(bench.beats)
    begin = bench.cycle
    await bench.until(lambda: bench.beats.done)
    taken = bench.cycle - begin + 1
    assert taken == count * BEATS, f"{count * BEATS} beats took {taken} cycles"
    await bench.run()
    bench.send(bench.random_group())
    await bench.step()  # the group is there after this edge
    begin = bench.cycle
    await bench.transfer(bench.beats)
    assert bench.cycle - begin == P["latency"] + 1, f"the first beat took {bench.cycle - begin - 1} cycles"
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in any beat of a group leaves nothing behind."""
    bench = ConverterBench(dut)
    await bench.reset()
    for beats in range(1, BEATS + 1):
        bench.send(bench.random_group())
        bench.send(bench.random_group())
        await bench.transfer(bench.beats, beats)
        await bench.reset()
        bench.send(bench.random_group(), f"after a reset behind beat {beats}")
        await bench.run()
