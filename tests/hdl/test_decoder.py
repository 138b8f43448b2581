# amaranth: UnusedElaboratable=no
"""Decoders and MAC units: every code of every format, from the format's own table."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from golden import formats
from hdl.column import PeColumn
from hdl.decoder import MAX_DECODED_BITS, FormatWeights, LevelDecoder, require_decodable
from hdl.heap import AdderCells
from hdl.mac import MacParameters, MultiplyAccumulate
from hdl.pe import PeParameters

from .test_pe import make_group, random_vector, receive, send_beats, stall

DECODABLE = [
    f
    for f in map(formats.get, formats.names())
    if f.level_bits is not None and f.code_bits <= MAX_DECODED_BITS
]


def simulate(top, *processes, clocked: bool = True) -> None:
    simulator = Simulator(top)
    if clocked:
        simulator.add_clock(1e-6)
    for process in processes:
        simulator.add_testbench(process)
    simulator.run()


def test_every_code_of_every_format_decodes_to_its_level() -> None:
    m = Module()
    decoders = [(f, LevelDecoder(f)) for f in DECODABLE]
    m.submodules += [decoder for _, decoder in decoders]
    seen = 0

    async def bench(ctx) -> None:
        nonlocal seen
        for f, decoder in decoders:
            for code, level in enumerate(f.integer_levels):
                ctx.set(decoder.code, code)
                for zero in range(len(f.integer_levels)) if decoder.subtracts_zero else [0]:
                    if decoder.subtracts_zero:
                        ctx.set(decoder.zero, zero)
                    # Reserved codes count as 0.
                    assert ctx.get(decoder.level) == (level or 0) - zero, (f.name, code, zero)
                    seen += 1

    simulate(m, bench, clocked=False)
    assert seen >= sum(len(f.values) for f in DECODABLE)
    assert len(DECODABLE) > 60


def test_the_level_is_no_wider_than_it_must_be() -> None:
    for f in DECODABLE:
        reached = f.level_range
        bits = require_decodable(f)
        assert -(1 << (bits - 1)) <= reached.min
        assert reached.max < 1 << (bits - 1)
        narrower = 1 << (bits - 2)
        assert bits == 1 or not (-narrower <= reached.min and reached.max < narrower), f.name


def test_formats_without_integers_or_with_wide_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="format sf4 has real levels, which no integer decoder gives"):
        require_decodable(formats.get("sf4"))
    with pytest.raises(ValueError, match="codes of at most 8 bits, but those of fp16 have 16"):
        require_decodable(formats.get("fp16"))
    with pytest.raises(ValueError, match="levels of e2m1 need 5 bits, not 4"):
        FormatWeights(lanes=8, format=formats.get("e2m1"), level_bits=4)


@pytest.mark.parametrize("name", ["e2m1-sp", "int4-zp", "sf4-int5", "mxfp4", "w2-star"])
def test_a_column_takes_codes_of_any_format(name: str) -> None:
    f = formats.get(name)
    p = PeParameters(lanes=8, level_bits=f.level_bits, max_planes=5)
    rng = random.Random(name)
    column = PeColumn(p, rows=2, format=f)
    has_zero = f.scaling == "zero-point"
    codes = [c for c, level in enumerate(f.integer_levels) if level is not None]
    work, expected, received = [], [], []
    for _ in range(6):
        chosen, zero = [rng.choice(codes) for _ in range(8)], rng.choice(codes) if has_zero else 0
        levels = np.array([f.integer_levels[c] - zero for c in chosen])
        rows = [make_group(rng, p, levels, planes) for planes in [rng.randint(2, 5)] * 2]
        packed = sum(c << (i * f.code_bits) for i, c in enumerate(chosen))
        work.append((packed, zero, rows))
        expected.append([group.total for group in rows])

    async def drive(ctx) -> None:
        for _, _, rows in work:
            together = zip(*(group.beats for group in rows), strict=True)
            await send_beats(ctx, rng, column.planes, [a | b << 8 for a, b in together])

    async def load(ctx) -> None:
        payload = column.load.payload
        for packed, zero, _ in work:
            await stall(ctx, rng)
            ctx.set(column.load.valid, 1)
            ctx.set(payload.codes if has_zero else payload, packed)
            if has_zero:
                ctx.set(payload.zero, zero)
            await ctx.tick().until(column.load.ready)
            ctx.set(column.load.valid, 0)

    async def collect(ctx) -> None:
        for _ in work:
            payload = await receive(ctx, rng, column.results)
            received.append([payload[row] for row in range(2)])

    simulate(column, drive, load, collect)
    assert received == expected


@pytest.mark.parametrize("cells", list(AdderCells))
@pytest.mark.parametrize("name", ["int4", "e2m1", "e2m1-sp", "apot4", "e3m0"])
def test_mac_is_exact_for_its_terms_and_reaches_the_ends(name: str, cells: AdderCells) -> None:
    f = formats.get(name)
    p = MacParameters(format=f, terms=16, adder_cells=cells)
    unit = MultiplyAccumulate(p)
    codes = range(len(f.values))
    levels = f.integer_levels
    ends = [
        pick(itertools.product(codes, codes), key=lambda pair: levels[pair[0]] * levels[pair[1]])
        for pick in (min, max)
    ]
    rng = random.Random(name)
    vectors = [[end] * 16 for end in ends] + [
        [(rng.choice(codes), rng.choice(codes)) for _ in range(16)] for _ in range(8)
    ]
    totals = []

    async def bench(ctx) -> None:
        for vector in vectors:
            for i, (a, b) in enumerate(vector):
                for port, value in ((unit.first, i == 0), (unit.a, a), (unit.b, b), (unit.enable, 1)):
                    ctx.set(port, value)
                await ctx.tick()
                ctx.set(unit.enable, 0)
                await stall(ctx, rng)
            totals.append(ctx.get(unit.sum))

    simulate(unit, bench)
    assert totals == [sum(levels[a] * levels[b] for a, b in vector) for vector in vectors]
    assert totals[:2] == [p.product_range.min * 16, p.product_range.max * 16]


def test_a_mac_has_no_zero_point() -> None:
    with pytest.raises(ValueError, match="have no zero points, but int4-zp has"):
        MacParameters(format=formats.get("int4-zp"))


def test_random_vectors_are_of_the_range() -> None:
    rng = random.Random(0)
    interval = formats.get("e2m1").level_range
    for _ in range(20):
        vector = random_vector(rng, interval, 8)
        assert interval.min <= vector.min()
        assert vector.max() <= interval.max
