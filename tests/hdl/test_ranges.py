"""Ranges: exact arithmetic over all operand values, and refusal to lose a value."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable

import pytest
from amaranth.hdl import Const, Module, Signal, signed
from amaranth.sim import Simulator

from golden.interval import Interval
from hdl.ranges import Ranged, RangeError, assign, extend, round_shift, saturate, wrap

INTERVALS = [Interval(0, 5), Interval(-8, 7), Interval(-3, 0), Interval(-4, -1), Interval(3, 3)]


def evaluate(
    build: Callable[[list[Ranged]], Ranged], intervals: list[Interval]
) -> dict[tuple[int, ...], int]:
    """Results for every combination of operands, read through a signal of the result's own range."""
    operands = [Ranged.signal(interval, f"x{i}") for i, interval in enumerate(intervals)]
    result = build(operands)
    target = Ranged.signal(result.interval, "result")
    m = Module()
    m.d.comb += assign(target, result)
    found = {}

    async def sweep(ctx) -> None:
        for values in itertools.product(*(range(i.min, i.max + 1) for i in intervals)):
            for signal, value in zip(operands, values, strict=True):
                ctx.set(signal.value, value)
            found[values] = ctx.get(target.value)

    simulator = Simulator(m)
    simulator.add_testbench(sweep)
    simulator.run()
    return found


@pytest.mark.parametrize("b", INTERVALS)
@pytest.mark.parametrize("a", INTERVALS)
@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul])
def test_binary_operations_are_exact_and_their_ends_are_reached(operation, a, b) -> None:
    found = evaluate(lambda x: operation(x[0], x[1]), [a, b])
    assert found == {values: operation(*values) for values in found}
    interval = operation(a, b)
    assert (min(found.values()), max(found.values())) == (interval.min, interval.max)


@pytest.mark.parametrize("a", INTERVALS)
def test_unary_operations_are_exact(a) -> None:
    assert all(got == -x for (x,), got in evaluate(lambda v: -v[0], [a]).items())
    assert all(got == x * 8 for (x,), got in evaluate(lambda v: v[0] << 3, [a]).items())
    assert all(got == x for (x,), got in evaluate(lambda v: v[0] << 0, [a]).items())


@pytest.mark.parametrize("a", [*INTERVALS, Interval(-20, 20)])
def test_named_narrowings(a) -> None:
    clipped = evaluate(lambda v: saturate(v[0], Interval(-2, 3)), [a])
    assert all(got == min(max(x, -2), 3) for (x,), got in clipped.items())
    rounded = evaluate(lambda v: round_shift(v[0], 2), [a])
    assert all(got == (x + 2) >> 2 for (x,), got in rounded.items())
    wrapped = evaluate(lambda v: wrap(v[0], 3, is_signed=True), [a])
    assert all(got == (x + 4) % 8 - 4 for (x,), got in wrapped.items())


def test_assigning_to_too_narrow_a_target_is_refused() -> None:
    source = Ranged.signal(Interval(-8, 7), "source")
    with pytest.raises(RangeError, match=r"values -8\.\.7 do not fit a target for -8\.\.6; use wrap"):
        assign(Ranged.signal(Interval(-8, 6), "target"), source)
    # The same register width, yet the sum of two extremes is not among its values.
    with pytest.raises(RangeError, match=r"-16\.\.14"):
        assign(Ranged.signal(Interval(-15, 15), "target"), source + source)
    assign(Ranged.signal(Interval(-16, 14), "target"), source + source)


def test_a_value_too_narrow_for_its_interval_is_refused() -> None:
    with pytest.raises(
        RangeError, match=r"signed value of 4 bits cannot hold the range -8\.\.8, which needs 5"
    ):
        Ranged(Signal(signed(4)), Interval(-8, 8))
    with pytest.raises(RangeError, match=r"unsigned value of 4 bits cannot hold the range -1\.\.3"):
        Ranged(Signal(4), Interval(-1, 3))
    with pytest.raises(RangeError, match="5 bits cannot be extended to 4"):
        extend(Const(0, 5), 4)
