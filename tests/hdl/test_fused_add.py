# amaranth: UnusedElaboratable=no
"""One step of the accumulator against exact integers, on the gates that the Verilog has."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from golden.accumulate import fused_accumulate_fp32, round_fp16
from golden.fp16 import sanitize
from hdl.float32 import fp16_bits, fp32_bits
from hdl.fused_add import AlignedSum, RoundedWord
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.scaled_sum import ScaledSum
from hdl.window import Window

from .fused_reference import fused_step, rounded_bits, scale_value
from .gates import Gates, Integers

WIDTHS = [(20, 10), (27, 17), (6, 4), (23, 17), (40, 17)]
LOWEST_FIELD, HIGHEST_FIELD = 73, 200
"""Of accumulators that are not zero: 2^-54 is the smallest product."""


class Step(NamedComponent):
    """FP32 bits in, one group added, FP32 and FP16 bits out."""

    clocked = False
    module_name = "step"

    def __init__(self, window: Window, cells: AdderCells = AdderCells.PLAIN):
        self.window = window
        self.cells = cells
        super().__init__(
            {
                "total": In(signed(window.sum_bits)),
                "exponent": In(5),
                "scale": In(16),
                "planes": In(window.planes.bits),
                "old": In(32),
                "first": In(1),
                "new": Out(32),
                "half": Out(16),
                "overflow": Out(1),
                "nonfinite": Out(1),
            }
        )

    def build(self) -> Module:
        m = Module()
        m.submodules.scaled = scaled = ScaledSum(self.window, self.cells)
        m.submodules.aligned = aligned = AlignedSum(self.window)
        m.submodules.rounded = rounded = RoundedWord(self.window)
        negated = Signal(31)
        half, overflow = fp16_bits(m, rounded.word)
        m.d.comb += [
            negated.eq(-self.old[:31]),
            scaled.sum.eq(self.total),
            scaled.exponent.eq(self.exponent),
            scaled.scale.eq(self.scale),
            scaled.planes.eq(self.planes),
            aligned.word.eq(Cat(Mux(self.old[31], negated, self.old[:31]), self.old[31])),
            aligned.first.eq(self.first),
            aligned.product.eq(scaled.product),
            aligned.product_field.eq(scaled.field),
            rounded.total.eq(aligned.total),
            rounded.field.eq(aligned.field),
            rounded.inexact.eq(aligned.inexact),
            self.new.eq(fp32_bits(rounded.word)),
            self.half.eq(half),
            self.overflow.eq(overflow),
            self.nonfinite.eq(scaled.nonfinite),
        ]
        return m


@cache
def gates(sum_bits: int, max_planes: int, cells: AdderCells = AdderCells.PLAIN) -> Gates:
    return Gates(Step(Window(sum_bits, max_planes), cells))


def mixed_totals(rng: np.random.Generator, bits: int, count: int) -> Integers:
    ends = np.array([-(1 << bits - 1), (1 << bits - 1) - 1, 0, 1, -1])
    totals = rng.integers(-(1 << bits - 1), 1 << bits - 1, count) >> rng.integers(0, bits, count)
    return np.where(rng.random(count) < 0.15, rng.choice(ends, count), totals)


def product_bits(total: int, exponent: int, scale: int, planes: int) -> int:
    return fused_step(0, total, exponent, scale, planes)


def expected(
    old: Integers, total: Integers, exponent: Integers, scale: Integers, planes: Integers
) -> list[int]:
    columns = (column.tolist() for column in (old, total, exponent, scale, planes))
    return [fused_step(*row) for row in zip(*columns, strict=True)]


def run(step: Gates, old: Integers, total: Integers, first: Integers | None = None, **group: Integers):
    start = np.zeros_like(old) if first is None else first
    return step(total=total & (1 << step.width("total")) - 1, old=old, first=start, **group)


def random_old(rng: np.random.Generator, count: int) -> Integers:
    """Accumulators of every exponent, many with a plain or full fraction, some zero."""
    fraction = rng.integers(0, 1 << 23, count)
    fraction &= np.where(rng.random(count) < 0.3, -(1 << rng.integers(0, 24, count)), -1)
    special = rng.choice(np.array([0, 1, (1 << 23) - 1, (1 << 23) - 2, 1 << 22]), count)
    fraction = np.where(rng.random(count) < 0.3, special, fraction)
    field = rng.integers(LOWEST_FIELD, HIGHEST_FIELD + 1, count)
    old = rng.integers(0, 2, count) << 31 | field << 23 | fraction
    return np.where(rng.random(count) < 0.03, 0, old)


def near_old(rng: np.random.Generator, products: list[int], spread: int, steps: int) -> Integers:
    """Accumulators up to `spread` binades from the product, or up to `steps` units from minus the product."""
    old = []
    for bits in products:
        field = bits >> 23 & 255 or 127
        if spread:
            field += int(rng.integers(-spread, spread + 1))
            found = int(rng.integers(0, 2)) << 31 | field << 23 | int(rng.integers(0, 1 << 23))
        else:
            found = (bits ^ 1 << 31) + int(rng.integers(-steps, steps + 1)) if bits else 0
        old.append(found if LOWEST_FIELD <= found >> 23 & 255 <= HIGHEST_FIELD else 0)
    return np.array(old)


@pytest.mark.parametrize(("sum_bits", "max_planes"), WIDTHS)
def test_random_steps(sum_bits: int, max_planes: int) -> None:
    rng = np.random.default_rng(sum_bits)
    count = 4000
    total = mixed_totals(rng, sum_bits, 4 * count)
    group = {
        "exponent": rng.integers(1, 31, 4 * count),
        "scale": rng.integers(0, 1 << 16, 4 * count),
        "planes": rng.integers(2, max_planes + 1, 4 * count),
    }
    group["scale"] &= np.where(rng.random(4 * count) < 0.15, 0x83FF, 0xFFFF)
    columns = (total, group["exponent"], group["scale"], group["planes"])
    products = [product_bits(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
    old = np.concatenate(
        [
            random_old(rng, count),
            near_old(rng, products[count : 2 * count], 40, 0),
            near_old(rng, products[2 * count : 3 * count], 3, 0),
            near_old(rng, products[3 * count :], 0, 2),
        ]
    )
    found = run(gates(sum_bits, max_planes), old, total, **group)
    assert found["new"].tolist() == expected(old, total, **group)
    assert (found["nonfinite"] == (group["scale"] >> 10 & 31 == 31)).all()
    assert not (found["new"] == 1 << 31).any(), "-0 never appears"
    cancelled = sum(bits == 0 for bits in found["new"][old != 0].tolist())
    assert cancelled > 20, "some sums cancel to zero"
    distance = (old >> 23 & 255) - (np.array(products) >> 23 & 255)
    both = (old != 0) & (np.array(products) != 0)
    assert set(range(-60, 61)) <= set(distance[both].tolist())


def test_golden_agrees() -> None:
    rng = np.random.default_rng(5)
    count = 4000
    total, old = mixed_totals(rng, 20, count), random_old(rng, count)
    exponent = rng.integers(1, 31, count)
    scale = rng.integers(0, 1 << 16, count).astype(np.uint16)
    found = run(
        gates(20, 10),
        old,
        total,
        exponent=exponent,
        scale=scale.astype(np.int64),
        planes=np.full(count, 7),
    )
    start = old.astype(np.uint32).view(np.float32)
    finite = sanitize(scale.view(np.float16))[0]
    golden = fused_accumulate_fp32(total[:, None], finite[:, None], (exponent - 20)[:, None], start=start)
    assert (found["new"] == golden.view(np.uint32)).all()


def test_every_distance_and_every_tie() -> None:
    """Products of one to three significant bits at every place relative to `A`, in all four sign pairs."""
    # A is 1.f * 2^(field - 127), the product T * 2^place, by scale, E and planes together.
    places = [(scale << 10, e, planes) for scale in range(1, 31) for e in (1, 15, 30) for planes in (2, 10)]
    fractions = [0, 1, 2, 3, (1 << 23) - 1, (1 << 23) - 2, 1 << 22, 0x2AAAAA]
    rows = [
        (field << 23 | f | sign << 31, t, e, scale, planes)
        for field in (75, 127, 180)
        for scale, e, planes in places
        for f in fractions
        for sign in (0, 1)
        for t in (1, -1, 2, -2, 3, -3, 5, -5, 0)
    ]
    old, total, exponent, scale, planes = (np.array(column) for column in zip(*rows, strict=True))
    group = {"exponent": exponent, "scale": scale, "planes": planes}
    found = run(gates(20, 10), old, total, **group)["new"]
    assert found.tolist() == expected(old, total, **group)
    distance = (scale >> 10) - 15 + exponent - 13 - planes - ((old >> 23 & 255) - 127)
    assert set(range(-80, 81)) <= set(distance.tolist())
    # T = 1 on half a unit of A: a tie, down for an even fraction, up for an odd one.
    tie = (distance == -24) & (total == np.where(old >> 31, -1, 1))
    assert ((found - old)[tie] == (old & 1)[tie]).all()
    assert {0, 1} == set((old & 1)[tie].tolist())
    assert (found[tie & (old & 0x7FFFFF == 0x7FFFFF)] & 0x7FFFFF == 0).all(), "rounding carries out"


def test_a_bit_far_below_breaks_a_tie() -> None:
    """Half a unit and a little more or less: the last bits of a wide product decide."""
    # Scale 1.0, E = 15 and 17 planes make the unit of T 2^-15, and half a unit of A is 2^(k - 15).
    rows = [
        ((127 + k - 15 + 24) << 23 | odd, (1 << k) + excess, excess)
        for k in range(2, 39)
        for excess in (-1, 0, 1)
        for odd in (0, 1)
    ]
    old, total, excess = (np.array(column) for column in zip(*rows, strict=True))
    ones = np.ones_like(old)
    group = {"exponent": 15 * ones, "scale": (15 << 10) * ones, "planes": 17 * ones}
    step = gates(40, 17)
    found = run(step, old, total, **group)["new"]
    assert (found - old == np.where(excess == 0, old & 1, excess > 0)).all()
    negated = run(step, old | 1 << 31, -total, **group)["new"]
    assert (negated == found | 1 << 31).all()
    opposite = run(step, old | 1 << 31, total, **group)["new"]
    assert opposite.tolist() == expected(old | 1 << 31, total, **group)


@pytest.mark.parametrize(("sum_bits", "max_planes"), WIDTHS)
def test_widest_products_against_accumulators_just_above(sum_bits: int, max_planes: int) -> None:
    """The last bit of a product that fills the window is shifted out of it, and the leading bits cancel."""
    rng = np.random.default_rng(sum_bits)
    count = 6000
    total = (1 << sum_bits - 1) - rng.integers(1, 4, count)
    total = np.where(rng.random(count) < 0.5, -total, total)
    scale = 15 << 10 | 1023 - rng.integers(0, 3, count) | rng.integers(0, 2, count) << 15
    group = {"exponent": np.full(count, 15), "scale": scale, "planes": np.full(count, 4)}
    columns = (total, group["exponent"], scale, group["planes"])
    products = np.array([product_bits(*row) for row in zip(*(c.tolist() for c in columns), strict=True)])
    above = (products >> 23) + rng.integers(0, 3, count) << 23
    old = (above ^ 1 << 31) + rng.integers(0, 1 << 15, count) * rng.integers(0, 2, count)
    found = run(gates(sum_bits, max_planes), old, total, **group)["new"]
    assert found.tolist() == expected(old, total, **group)


def test_first_starts_at_zero_whatever_was_there() -> None:
    rng = np.random.default_rng(3)
    count = 4000
    total, old = mixed_totals(rng, 20, count), rng.integers(0, 1 << 32, count)
    group = {
        "exponent": rng.integers(1, 31, count),
        "scale": rng.integers(0, 1 << 16, count),
        "planes": rng.integers(2, 11, count),
    }
    found = run(gates(20, 10), old, total, first=np.ones(count, np.int64), **group)["new"]
    assert found.tolist() == expected(np.zeros_like(old), total, **group)


def test_zero_total_or_scale_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    old = random_old(rng, 4000)
    zeros = np.where(rng.random(4000) < 0.5, 0, 1)
    scale = np.where(
        zeros, rng.choice(np.array([0, 0x8000, 0x7E00, 0xFC01]), 4000), rng.integers(0, 1 << 16, 4000)
    )
    total = np.where(zeros, rng.integers(-(1 << 19), 1 << 19, 4000), 0)
    exponent = rng.integers(1, 31, 4000)
    found = run(gates(20, 10), old, total, exponent=exponent, scale=scale, planes=np.full(4000, 10))["new"]
    assert (found == old).all()


def test_scales_that_are_not_finite() -> None:
    scale = np.array([0x7C00, 0xFC00, 0x7C01, 0xFFFF, 0x7E00, 0x7BFF, 0xFBFF])
    n = len(scale)
    zeros = np.zeros(n, np.int64)
    found = run(gates(20, 10), zeros, zeros + 3, exponent=zeros + 15, scale=scale, planes=zeros + 7)
    largest = rounded_bits(3 * 2047, 5 + 15 - 13 - 7)
    assert found["new"].tolist() == [largest, largest | 1 << 31, 0, 0, 0, largest, largest | 1 << 31]
    assert found["nonfinite"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert [scale_value(int(s)) for s in scale[:3]] == [(2047, 5), (-2047, 5), (0, -24)]


@pytest.mark.parametrize("cells", AdderCells)
def test_both_kinds_of_adder_cells(cells: AdderCells) -> None:
    rng = np.random.default_rng(6)
    count = 4000
    total, old = mixed_totals(rng, 13, count), random_old(rng, count)
    group = {
        "exponent": rng.integers(1, 31, count),
        "scale": rng.integers(0, 1 << 16, count),
        "planes": rng.integers(2, 6, count),
    }
    found = run(gates(13, 5, cells), old, total, **group)["new"]
    assert found.tolist() == expected(old, total, **group)


def test_fp16_at_every_value_and_around_every_middle() -> None:
    """Every FP16 value, every middle between two, both a unit of FP32 further on either side, both signs."""
    values = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middles = (values[:-1].astype(np.float64) + values[1:]) / 2
    beyond = np.array([65504, 65519.99, 65520, 65535, 65536, 1e5, 2.0**40, 2.0**63], np.float32)
    tiny = np.array([2.0**-25, 2.0**-26, 3 * 2.0**-26, 2.0**-40, 2.0**-53], np.float32)
    bits = np.concatenate([values, middles.astype(np.float32), beyond, tiny]).view(np.uint32).astype(np.int64)
    bits = np.concatenate([bits - 1, bits, bits + 1])
    bits = bits[(bits >> 23 >= LOWEST_FIELD) & (bits >> 23 <= HIGHEST_FIELD)]
    old = np.concatenate([[0], bits, bits | 1 << 31])
    zeros = np.zeros_like(old)
    found = run(gates(20, 10), old, zeros, exponent=zeros + 15, scale=zeros, planes=zeros + 2)
    assert (found["new"] == old).all()
    as_float = old.astype(np.uint32).view(np.float32)
    wanted = np.array([round_fp16(as_float[i : i + 1])[1] for i in range(len(old))])
    assert (found["half"] == round_fp16(as_float)[0].view(np.uint16)).all()
    assert (found["overflow"] == wanted).all()
    assert 0 < wanted.sum() < len(old)
