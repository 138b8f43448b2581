"""Bench of the compressor: planes, exponents and the flag are those of the golden codec (contract, 1 to 3).

Parameters: `group`, `lanes`, `max_planes`, `encoding`, `rounding`, `latency`, `cycles` (for each number of
planes, from one filling of the lanes to the next), `planes_bits` (width of the port `group_planes`), and
`batches`, how many random batches each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.anda import EXPONENTS, AndaCodec
from golden.fp16 import fields, sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.flag import StickyFlag
from sim.stream import STALLS, Sink, Source

Halves = NDArray[np.float16]

P = parameters()
GROUP, LANES, ENCODING, ROUNDING = P["group"], P["lanes"], P["encoding"], P["rounding"]
MOST = P["max_planes"]
GAPS = EXPONENTS.max - EXPONENTS.min
LARGEST = np.float16(65504)


def declare_coverage() -> None:
    """The points of this component; bins that a configuration cannot reach are not declared for it."""
    coverage.point("compressor: planes", range(2, MOST + 1))
    coverage.point(
        "compressor: planes asked for", ["too few", "in range", *(["too many"] if _can_ask_more() else [])]
    )
    coverage.point("compressor: exponent gap", range(GAPS + 1))
    coverage.point("compressor: sign of extreme", ["negative", "positive", "all zero"])
    coverage.point("compressor: shared exponent", [EXPONENTS.min, Interval(2, 29), EXPONENTS.max])
    coverage.point("compressor: subnormals", [False, True])
    coverage.point("compressor: nonfinite", ["none", "infinity", "NaN"])
    coverage.point("compressor: bits dropped", ["none", "below half", "tie", "above half"])
    if ENCODING == "twos-complement" or ROUNDING == "nearest":
        coverage.point("compressor: largest integer", ["clamped", "not clamped"])
    coverage.point("compressor: lanes filled", ["all", *(["some"] if LANES > 1 else [])])
    coverage.point("compressor: source stalls", STALLS)
    coverage.point("compressor: sink stalls", STALLS)
    stalls = ("compressor: source stalls", "compressor: sink stalls")
    coverage.cross("compressor: source & sink stalls", stalls)
    coverage.point("compressor: reset", ["while filling", "while giving out"])
    coverage.point("compressor: configuration", [f"{ENCODING}, {ROUNDING}, group {GROUP}, lanes {LANES}"])


def _can_ask_more() -> bool:
    return int(MOST) + 1 < 1 << int(P["planes_bits"])


def codec_of(planes: int) -> AndaCodec:
    """The golden codec for a number of planes."""
    return AndaCodec(planes=planes, encoding=ENCODING, rounding=ROUNDING, group=GROUP)


class CompressorBench(Bench):
    """The compressor between a stream of groups and a stream of planes, and its flag."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.groups = Source(self, "activations", ("values", "last"), beside=("group_planes",))
        fields_out = ("words", "exponents", "lanes_valid", "first", "last")
        self.planes = Sink(self, "planes", fields_out)
        StickyFlag(self, "nonfinite", self._nonfinite_taken)
        coverage.hit({"compressor: configuration": f"{ENCODING}, {ROUNDING}, group {GROUP}, lanes {LANES}"})

    def _nonfinite_taken(self) -> bool:
        if self.groups.taken is None:
            return False
        values = np.frombuffer(self.groups.taken[0].to_bytes(2 * GROUP, "little"), dtype="<f2")
        return not np.isfinite(values).all()

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of both streams."""
        self.groups.stall(source)
        self.planes.stall(sink)
        coverage.hit({"compressor: source stalls": source, "compressor: sink stalls": sink})

    def send(self, x: Halves, asked: int, note: str = "", end: bool = True) -> None:
        """Queue one batch: groups [groups, group], the planes asked for, and what should come.

        `end` off leaves the batch open; its groups must then fill all lanes.
        """
        planes = min(max(asked, 2), MOST)
        clean, _ = sanitize(x)
        block = codec_of(planes).encode(clean)
        words = block.words.reshape(len(x), planes, -1)
        last = len(x) - 1
        for i, value in enumerate(pack_lanes(x.view(np.uint16), 16)):
            # The number of planes is read with the first group of a batch: behind it the port may carry
            # anything.
            port = asked if i == 0 else self.random.getrandbits(P["planes_bits"])
            self.groups.send([(value, end and i == last, port)])
        for start in range(0, len(x), LANES):
            chunk = words[start : start + LANES]
            valid = len(chunk)
            exponents = [1] * LANES
            exponents[:valid] = [int(e) for e in block.exponents[start : start + LANES, 0]]
            packed = sum(e << (5 * lane) for lane, e in enumerate(exponents))
            by_plane = np.moveaxis(chunk, 1, 0).reshape(planes, -1)
            for p, word in enumerate(pack_lanes(by_plane, min(GROUP, 64))):
                item = (word, packed, (1 << valid) - 1, p == 0, p == planes - 1)
                self.planes.expect([item], note=f"plane {p} of {planes}, groups {start} on, {note}")
            coverage.hit({"compressor: lanes filled": "all" if valid == LANES else "some"})
        cover_data(x, clean, planes)
        asked_kind = "in range" if planes == asked else "too few" if asked < 2 else "too many"
        coverage.hit({"compressor: planes": planes, "compressor: planes asked for": asked_kind})

    def random_batch(self) -> Halves:
        """Groups of mixed kinds."""
        count = self.random.randint(1, 2 * LANES + 1)
        return np.stack([self.random_group() for _ in range(count)])

    def random_group(self) -> Halves:
        """One group: any values, a window of exponents, one large value, few values, or non-finite ones."""
        return np.asarray(self._random_bits(), dtype=np.uint16).view(np.float16)

    def _random_bits(self) -> Any:
        kind = self.random.choice(("any", "window", "window", "gap", "few", "special"))
        bits = self.numpy.integers(0, 1 << 16, GROUP)
        if kind == "few":
            corner = [0, 0x8000, 1, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]
            return self.numpy.choice(corner, GROUP)
        if kind == "special":
            where = self.numpy.integers(0, GROUP, self.random.randint(1, 3))
            bits[where] = self.numpy.choice([0x7C00, 0xFC00, 0x7E00, 0xFE01], len(where))
            return bits
        if kind == "any":
            return np.where((bits >> 10 & 31) == 31, bits ^ 0x4000, bits)
        # A window of exponents, down from a random top; "gap" has one large value, the rest far below it.
        top = self.random.randint(0, 30)
        gap = np.full(GROUP, self.random.randint(0, 30))
        below = self.numpy.integers(0, 6, GROUP) if kind == "window" else gap
        below[self.random.randrange(GROUP)] = 0
        fraction = bits & (0x3FF if self.random.random() < 0.7 else 0x300)
        return bits & 0x8000 | np.maximum(top - below, 0) << 10 | fraction


def cover_data(x: Halves, clean: Halves, planes: int) -> None:
    """Count what the groups of a batch are like."""
    codec = codec_of(planes)
    integers, shared = codec.quantize(clean)
    exponents = fields(clean).exponent
    for row, (group, q, top) in enumerate(zip(clean, integers[:, 0], shared[:, 0], strict=True)):
        coverage.hit({"compressor: exponent gap": int(top) - int(exponents[row].min())})
        coverage.hit({"compressor: shared exponent": int(top)})
        magnitude = np.abs(group.astype(np.float64))
        extreme = group[magnitude.argmax()]
        sign = "all zero" if extreme == 0 else "negative" if extreme < 0 else "positive"
        coverage.hit({"compressor: sign of extreme": sign})
        coverage.hit({"compressor: subnormals": bool(((magnitude > 0) & (magnitude < 2.0**-14)).any())})
        ratio = group.astype(np.float64) * 2.0 ** -float(codec.ulp_exponent(int(top)))
        dropped = np.unique(ratio - np.floor(ratio))
        for part in dropped:
            kind = (
                "none"
                if part == 0
                else "tie"
                if part == 0.5
                else "below half"
                if part < 0.5
                else "above half"
            )
            coverage.hit({"compressor: bits dropped": kind})
        if ROUNDING == "nearest":
            clamped = bool((np.floor(np.abs(ratio) + 0.5) > codec.levels.max)[q == codec.levels.max].any())
            coverage.hit({"compressor: largest integer": "clamped" if clamped else "not clamped"})
        kinds = {"NaN" if np.isnan(v) else "infinity" for v in x[row][~np.isfinite(x[row])]} or {"none"}
        for kind in kinds:
            coverage.hit({"compressor: nonfinite": kind})


def _half(sign: int, exponent: int, fraction: int) -> int:
    return sign << 15 | exponent << 10 | fraction


def directed_groups() -> list[tuple[str, Halves]]:
    """Groups likely to be wrong."""
    found: list[tuple[str, list[int]]] = [
        ("all zero", [0] * GROUP),
        ("all minus zero", [0x8000] * GROUP),
        ("all largest", [0x7BFF] * GROUP),
        ("all lowest", [0xFBFF] * GROUP),
        ("alternating extremes", [0x7BFF, 0xFBFF] * (GROUP // 2)),
        ("all smallest subnormal", [1] * GROUP),
        ("all largest subnormal, negative", [0x83FF] * GROUP),
        ("minus powers of two", [_half(1, 1 + i % 30, 0) for i in range(GROUP)]),
        ("single one in lane 0", [0x3C00] + [0] * (GROUP - 1)),
        ("single minus one in the last lane", [0] * (GROUP - 1) + [0xBC00]),
        ("infinities and NaN", [0x7C00, 0xFC00, 0x7E01, 0x3C00] * (GROUP // 4)),
        ("NaN alone", [0xFFFF] + [0] * (GROUP - 1)),
    ]
    for gap in range(GAPS + 1):
        # The top value is a power of two, the others `gap` exponents below it: fractions all ones, none,
        # ties.
        low = 30 - gap
        tail = [
            _half(i % 2, low if low > 1 else i % 2, (0x3FF, 0, 0x200, 0x2FF)[i % 4]) for i in range(1, GROUP)
        ]
        found.append((f"exponent gap {gap}", [_half(gap % 2, 30, 0), *tail]))
    return [(name, np.array(bits, dtype=np.uint16).view(np.float16)) for name, bits in found]


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Every directed group with the fewest, a middle and the most planes."""
    bench = CompressorBench(dut)
    await bench.reset()
    for planes in sorted({2, (2 + MOST) // 2, MOST}):
        for name, group in directed_groups():
            bench.send(group[None], planes, name)
    await bench.run()


@cocotb.test()
async def every_plane_count(dut: Any) -> None:
    """Every number that the port can carry; those that cannot be had count as the nearest that can."""
    bench = CompressorBench(dut)
    await bench.reset()
    for asked in range(1 << P["planes_bits"]):
        bench.send(bench.random_batch(), asked, f"{asked} planes asked for")
    await bench.run()


@cocotb.test()
async def random_batches_and_stalls(dut: Any) -> None:
    """Random batches under every pair of stall patterns."""
    bench = CompressorBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            for _ in range(P["batches"]):
                bench.send(bench.random_batch(), bench.random.randint(2, MOST), f"stalls {source}/{sink}")
            await bench.run()


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls the lanes are filled and given out as fast as the parameters say."""
    bench = CompressorBench(dut)
    await bench.reset()
    for planes in sorted({2, MOST}):
        bench.send(np.stack([bench.random_group() for _ in range(4 * LANES)]), planes)
        await bench.transfer(bench.groups, LANES)
        filled = bench.cycle
        await bench.transfer(bench.planes)
        took = bench.cycle - filled
        assert took == P["latency"], f"the first plane came after {took} cycles, not {P['latency']}"
        await bench.transfer(bench.planes, planes - 1)
        for _ in range(3):
            begin = bench.cycle
            await bench.transfer(bench.planes, planes)
            took, wanted = bench.cycle - begin, P["cycles"][str(planes)]
            assert took == wanted, f"{LANES} groups of {planes} planes took {took} cycles, not {wanted}"
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset while the lanes fill, or in any plane, leaves nothing behind."""
    bench = CompressorBench(dut)
    await bench.reset()
    for cycles in range(2, 8 + 3 * LANES):
        bench.send(np.stack([bench.random_group() for _ in range(2 * LANES)]), MOST, end=False)
        given = bench.planes.transfers
        await bench.step(cycles)
        filling = bench.planes.transfers == given
        coverage.hit({"compressor: reset": "while filling" if filling else "while giving out"})
        await bench.reset()
        bench.send(bench.random_batch(), MOST, f"after a reset behind cycle {cycles}")
        await bench.run()
