# amaranth: UnusedElaboratable=no
"""Binary elements of a certificate: narrower, exact at both ends, refused where there is nothing to add."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from anda.abq_certified import certified_binary, certified_rows
from anda.ptq.certificate import certify
from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_order import blocks, steps
from golden.interval import Interval
from hdl.binary import BinaryElement, BinaryParameters, binary_flags

LANES, TILE = 8, 16


def weights() -> np.ndarray:
    drawn = np.random.default_rng(1).standard_t(4, (3, 3 * TILE))
    return np.clip(np.rint(drawn), -4, 3).astype(np.int64)


def run(p: BinaryParameters, x: BinaryOperand, w: BinaryOperand) -> int:
    """The sum that the element gives for one row of either side."""
    dut = BinaryElement(p)
    found: list[int] = []
    sides = [
        blocks(operand.words, 1, operand.format.signed)[:, 0, 0, 0] for operand in (x, w)
    ]  # [blocks], K up to 64
    order = steps(x.format, w.format, p.rate)
    groups = x.length // p.lanes
    mask = (1 << p.lanes) - 1

    async def process(ctx: Any) -> None:
        ctx.set(dut.result.ready, 1)
        ctx.set(dut.beats.valid, 1)
        given = dut.beats.payload
        for step in order:
            for group in range(groups):
                flags = {
                    "shift": step.shifts and group == 0,
                    "activations_negative": step.activations_negative,
                    "weights_negative": step.weights_negative,
                }
                for name in binary_flags(p):
                    ctx.set(given[name], flags[name])
                ctx.set(given.activations, int(sides[0][step.activations]) >> group * p.lanes & mask)
                ctx.set(given.weights, int(sides[1][step.weights]) >> group * p.lanes & mask)
                ctx.set(given.first, step is order[0] and group == 0)
                ctx.set(given.last, step is order[-1] and group == groups - 1)
                await ctx.tick()
        assert ctx.get(dut.result.valid) == 1
        found.append(ctx.get(dut.result.payload))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(process)
    simulator.run()
    return found[0]


@pytest.mark.parametrize("activation_signed", [False, True])
def test_both_ends_of_a_certified_tile_are_exact(activation_signed: bool) -> None:
    levels = weights()
    certificate = certify(
        levels, activation_bits=4, activation_signed=activation_signed, tile=TILE, group=LANES
    )
    p = certified_binary(certificate, lanes=LANES)
    inner = certificate.stage("inner")
    any_weights = BinaryParameters(
        lanes=LANES,
        activation_planes=4,
        weight_planes=p.weight_planes,
        activations=p.activations,
        weights="signed",
        terms=TILE,
    )
    assert p.sum_bits == inner.bits < any_weights.sum_bits
    for witness, end in ((inner.lowest, inner.min), (inner.highest, inner.max)):
        part = levels[witness.channel, witness.start : witness.start + TILE]
        x = BinaryOperand(np.array([witness.activations]), BinaryFormat(4, activation_signed))
        w = BinaryOperand(part[None], BinaryFormat(p.weight_planes, signed=True))
        assert run(p, x, w) == end


def test_rows_are_added_in_the_register_that_is_promised() -> None:
    certificate = certify(weights(), activation_bits=4, activation_signed=True, tile=TILE, group=LANES)
    rows = certified_rows(certificate, slots=2)
    outer = certificate.stage("outer")
    assert rows.term_bits == certificate.inner_bits
    assert [(stage.bits, stage.count) for stage in rows.stages] == [(outer.bits, 3)]
    assert rows.result_range == Interval(outer.min, outer.max)
    whole = certify(weights(), activation_bits=4, activation_signed=True, tile=None)
    with pytest.raises(ValueError, match="a row of 48 inputs is a single tile"):
        certified_rows(whole)
