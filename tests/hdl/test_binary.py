# amaranth: UnusedElaboratable=no
"""Parameters of binary hardware, the decoder of packed weights, and zero points bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden.binary_packing import pack_five
from golden.interval import Interval
from hdl.binary import BinaryElement, BinaryParameters, binary_flags
from hdl.binary_array import BinaryArrayParameters
from hdl.binary_column import BinaryColumn
from hdl.binary_correction import CorrectionParameters, ZeroCorrection
from hdl.binary_engine import BinaryEngine, BinaryEngineParameters
from hdl.binary_weights import BalancedPlanes, packed_bits
from hdl.emit import emit_verilog
from hdl.ranges import RangeError


def simulate(dut: Any, process: Any, *, clocked: bool = False) -> None:
    simulator = Simulator(dut)
    if clocked:
        simulator.add_clock(1e-6)
    simulator.add_testbench(process)
    simulator.run()


def test_every_word_of_five_levels_decodes_to_its_planes() -> None:
    dut = BalancedPlanes(4)
    assert packed_bits(4) == 14
    triples = [(n % 5, n // 5 % 5, n // 25) for n in range(125)]
    rng = np.random.default_rng(1)

    async def process(ctx: Any) -> None:
        for triple in triples:
            lanes = [*triple, int(rng.integers(5))]
            low, high = pack_five(np.array(lanes, dtype=np.uint8)).tolist()
            ctx.set(dut.packed, low | high << 7)
            await ctx.delay(1e-9)
            word = ctx.get(dut.planes)
            planes = [word >> 4 * plane & 15 for plane in range(3)]
            assert [sum((planes[p] >> lane & 1) << p for p in range(3)) for lane in range(4)] == lanes

    simulate(dut, process)


def test_the_correction_is_what_zero_points_add() -> None:
    parameters = CorrectionParameters(element=BinaryParameters(lanes=8, terms=64), zero_bits=5)
    dut = ZeroCorrection(parameters)
    p = parameters.element
    rng = np.random.default_rng(2)

    async def process(ctx: Any) -> None:
        ctx.set(dut.result.ready, 1)
        for turn in range(60):
            length = int(rng.integers(1, 65))
            ends = turn % 3 == 0
            x, w = (
                rng.choice([r.min, r.max], length) if ends else rng.integers(r.min, r.max + 1, length)
                for r in (p.activation_range, p.weight_range)
            )
            zx, zw = (int(rng.choice([-16, 15]) if ends else rng.integers(-16, 16)) for _ in range(2))
            given = dut.sums.payload
            ctx.set(given.sum, int(x @ w))
            ctx.set(given.activation_sum, int(x.sum()))
            ctx.set(given.activation_zero, zx)
            ctx.set(given.weight_zero, zw)
            ctx.set(given.weight_term, length * zw - int(w.sum()))
            ctx.set(dut.sums.valid, 1)
            cycles = 1
            while not ctx.get(dut.sums.ready):
                await ctx.tick()
                cycles += 1
            await ctx.tick()
            ctx.set(dut.sums.valid, 0)
            assert cycles == parameters.zero_bits
            assert ctx.get(dut.result.valid) == 1
            assert ctx.get(dut.result.payload) == int((x - zx) @ (w - zw))

    simulate(dut, process, clocked=True)


def test_accumulators_are_as_wide_as_they_must_be() -> None:
    signed = BinaryParameters(
        lanes=64, activation_planes=8, weight_planes=2, activations="signed", weights="signed", terms=576
    )
    # 576 * -128 * -2 itself is a sum: one bit more than that of 576 * -128 * 1.
    assert signed.type_range == Interval(-576 * 127 * 2, 576 * 256) or signed.type_range.max == 576 * 256
    assert signed.sum_bits == (576 * 256).bit_length() + 1
    unsigned = BinaryParameters(
        lanes=64, activation_planes=8, weight_planes=3, activations="unsigned", weights="unsigned", terms=576
    )
    assert unsigned.type_range == Interval(0, 576 * 255 * 7)
    either = BinaryParameters(lanes=64, activation_planes=2, weight_planes=1, terms=64)
    assert either.activation_range == Interval(-2, 3)
    assert either.weight_range == Interval(-1, 1)
    assert either.type_range == Interval(-192, 192)
    narrow = BinaryParameters(lanes=64, terms=64, certified=Interval(-100, 200))
    assert narrow.sum_bits == 9


def test_flags_are_those_that_are_needed() -> None:
    serial = BinaryParameters(activations="unsigned", weights="signed")
    assert binary_flags(serial) == ("shift", "weights_negative")
    parallel = BinaryParameters(
        activation_planes=2,
        weight_planes=2,
        activation_planes_per_cycle=2,
        weight_planes_per_cycle=2,
        activations="unsigned",
        weights="unsigned",
    )
    assert binary_flags(parallel) == ()
    assert "shift" not in emit_verilog(BinaryElement(parallel))


def test_a_plane_more_costs_a_lane_of_gates_and_no_adder() -> None:
    """A serial element has a full adder a lane, less the bits that its sum grows by, and those of the sum."""
    element = BinaryElement(BinaryParameters(lanes=64, activations="unsigned", weights="unsigned"))
    emit_verilog(element)
    assert element.full_adders <= 64


WRONG = [
    (lambda: BinaryParameters(lanes=0), "lanes must be from 1 to 256, not 0"),
    (lambda: BinaryParameters(terms=0), "terms must be from 1 to 1048576, not 0"),
    (lambda: BinaryParameters(weight_planes=9), "weight_planes must be from 1 to 8, not 9"),
    (lambda: BinaryParameters(weight_planes_per_cycle=9), "from 1 to the 8 weight planes, not 9"),
    (lambda: BinaryColumn(BinaryParameters(), rows=0), "a column has at least 1 row, not 0"),
    (
        lambda: BinaryArrayParameters(element=BinaryParameters(), rows=65),
        "rows must be from 1 to 64, not 65",
    ),
    (
        lambda: BinaryArrayParameters(element=BinaryParameters(), zero_bits=17),
        "zero_bits must be from 2 to 16, not 17",
    ),
    (lambda: BalancedPlanes(0), "there is at least 1 lane, not 0"),
    (
        lambda: BinaryEngineParameters(array=BinaryArrayParameters(element=BinaryParameters()), packed=True),
        "packed weights have 3 unsigned planes, not 8 either ones",
    ),
    (
        lambda: BinaryEngineParameters(
            array=BinaryArrayParameters(
                element=BinaryParameters(weight_planes=3, weight_planes_per_cycle=2, weights="unsigned")
            ),
            packed=True,
        ),
        "packed weights are taken 1 or 3 planes a cycle, not 2",
    ),
    (
        lambda: BinaryEngineParameters(array=BinaryArrayParameters(element=BinaryParameters()), steps=65),
        "steps must be from 2 to 64, not 65",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_what_cannot_be_built_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_ranges_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RangeError, match="accumulator_bits must be at least"):
        BinaryParameters(accumulator_bits=10)
    with pytest.raises(RangeError, match="lacks 0, the sum of zeros"):
        BinaryParameters(certified=Interval(1, 5))
    with pytest.raises(RangeError, match="is not within"):
        BinaryParameters(lanes=1, terms=1, certified=Interval(0, 1 << 20))


def test_an_engine_is_printed_and_its_parts_once() -> None:
    element = BinaryParameters(lanes=4, activation_planes=2, weight_planes=2, terms=16)
    array = BinaryArrayParameters(element=element, rows=3, columns=2, zero_bits=3)
    verilog = emit_verilog(BinaryEngine(BinaryEngineParameters(array=array, activation_words=8)))
    assert verilog.count(f"module {element.name}(") == 1
    assert verilog.count(f"module {element.name}_x3(") == 1
