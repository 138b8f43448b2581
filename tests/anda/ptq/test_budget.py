"""Budgets against brute force in Python integers, bounds of the literature, and the hole of float budgets."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anda.ptq.activation import activation_range
from anda.ptq.budget import Budget, a2q_limit, a2q_plus_limit, soft_thresholds, tile_count
from golden.interval import Interval


def fits(pos: int, neg: int, codes: Interval, bits: int) -> bool:
    limit = 2 ** (bits - 1) - 1
    return codes.max * pos + codes.min * neg <= limit and codes.min * pos + codes.max * neg >= -limit


@st.composite
def states(draw: st.DrawFn) -> tuple[Budget, int, int]:
    """A budget, and sums of levels that are within it."""
    codes = activation_range(draw(st.integers(2, 16)), draw(st.booleans()))
    bits = draw(st.integers(8, 32))
    limit = 2 ** (bits - 1) - 1
    pos = draw(st.integers(0, limit // codes.max))
    neg = -draw(st.integers(0, limit // codes.max))
    while not fits(pos, neg, codes, bits):
        pos, neg = pos // 2, -(-neg // 2)
    return Budget(codes, bits), pos, neg


@settings(max_examples=300, deadline=None)
@given(states())
def test_room_is_the_largest_that_fits_in_both_directions(state: tuple[Budget, int, int]) -> None:
    budget, pos, neg = state
    assert budget.inner_bits is not None
    least, largest = (int(end[0]) for end in budget.room(np.array([pos]), np.array([neg])))
    assert least <= 0 <= largest
    assert fits(pos + largest, neg, budget.codes, budget.inner_bits)
    assert not fits(pos + largest + 1, neg, budget.codes, budget.inner_bits)
    assert fits(pos, neg + least, budget.codes, budget.inner_bits)
    assert not fits(pos, neg + least - 1, budget.codes, budget.inner_bits)


@settings(max_examples=300, deadline=None)
@given(states(), st.integers(-40, 40))
def test_relief_is_the_least_that_another_level_has_to_give_back(
    state: tuple[Budget, int, int], move: int
) -> None:
    budget, pos, neg = state
    assert budget.inner_bits is not None
    pos, neg = pos + max(move, 0), neg + min(move, 0)
    codes, bits = budget.codes, budget.inner_bits
    by_positive, by_negative = (int(need[0]) for need in budget.relief(np.array([pos]), np.array([neg])))
    for need, fit in (
        (by_positive, lambda given: fits(pos - given, neg, codes, bits)),
        (by_negative, lambda given: fits(pos, neg + given, codes, bits)),
    ):
        if need < 1 << 40:
            assert fit(need)
            assert need == 1 or not fit(need - 1)
        else:
            assert not any(fit(given) for given in (1, pos or 1, -neg or 1))


def single_precision_room(pos: int, neg: int, codes: Interval, bits: int) -> int:
    """The hole: the room upwards as float32 arithmetic finds it, otherwise the same formula."""
    single = np.float32
    limit = single(2.0 ** (bits - 1)) - single(1)
    up = (limit - (single(codes.max) * single(pos) + single(codes.min) * single(neg))) / single(codes.max)
    if codes.min < 0:
        below = limit + single(codes.min) * single(pos) + single(codes.max) * single(neg)
        up = min(up, below / single(-codes.min))
    return int(np.floor(up))


@pytest.mark.parametrize("bits", [26, 29, 32])
def test_wide_budgets_are_exact_where_float32_is_not(bits: int) -> None:
    codes = activation_range(8, True)
    random = np.random.default_rng(bits)
    budget, broken = Budget(codes, bits), 0
    limit = 2 ** (bits - 1) - 1
    for _ in range(2000):
        pos = int(random.integers(0, limit // 128))
        neg = -int(random.integers(0, limit // 128 - pos + 1))
        if not fits(pos, neg, codes, bits):
            continue
        largest = int(budget.room(np.array([pos]), np.array([neg]))[1][0])
        assert fits(pos + largest, neg, codes, bits)
        assert not fits(pos + largest + 1, neg, codes, bits)
        broken += not fits(pos + single_precision_room(pos, neg, codes, bits), neg, codes, bits)
    assert broken > 0


def test_budgets_of_the_reference_table() -> None:
    zero = np.zeros(1, dtype=np.int64)
    unsigned = [
        Budget(activation_range(8, False), bits).room(zero, zero)[1][0] for bits in (12, 14, 16, 18, 20)
    ]
    signed = [Budget(activation_range(8, True), bits).room(zero, zero)[1][0] for bits in (12, 14, 16, 18, 20)]
    assert unsigned == [8, 32, 128, 514, 2056]
    assert signed == [15, 63, 255, 1023, 4095]


@pytest.mark.parametrize("signed", [True, False])
def test_a2q_is_safe_and_one_more_is_not_far_off(signed: bool) -> None:
    for bits, width in itertools.product(range(8, 33), range(2, 17)):
        codes, most = activation_range(width, signed), a2q_limit(bits, width, signed)
        limit = 2 ** (bits - 1) - 1
        assert most == Fraction(limit * 2**signed, 2**width).__floor__()
        assert all(fits(most - k, -k, codes, bits) for k in (0, most // 2, most))
        # With signed activations one more is too much: the extreme code is a power of two.
        assert fits(most + 1, 0, codes, bits) <= (not signed)


def test_a2q_plus_holds_for_levels_that_sum_to_zero() -> None:
    for bits, width, signed in itertools.product(range(8, 33), range(2, 17), (True, False)):
        codes, half = activation_range(width, signed), a2q_plus_limit(bits, width) // 2
        assert fits(half, -half, codes, bits)
        assert not fits(half + 1, -half - 1, codes, bits)


def test_soft_thresholds_shrink_each_tile_to_the_ball() -> None:
    steps = np.random.default_rng(3).standard_normal((200, 5)) * 3
    budget = Budget(activation_range(8, True), 14, 64)
    thresholds = soft_thresholds(budget, steps)
    assert thresholds.shape == (4, 5)
    radius = (2**14 - 2) / 255
    for tile in range(4):
        part = steps[tile * 64 : (tile + 1) * 64]
        left = np.maximum(np.abs(part - part.mean(axis=0)) - thresholds[tile], 0).sum(axis=0)
        tight = thresholds[tile] > 0
        assert np.allclose(left[tight], radius)
        assert (left[~tight] <= radius).all()
    # The last tile is short, so it fits as it is.
    assert thresholds[:3].all()
    assert not thresholds[3].any()


def test_what_cannot_be_a_budget_is_refused() -> None:
    codes = activation_range(8, True)
    with pytest.raises(ValueError, match="8 to 32 bits, not 7"):
        Budget(codes, 7)
    with pytest.raises(ValueError, match="8 to 32 bits, not 33"):
        Budget(codes, 33)
    with pytest.raises(ValueError, match="at least 1 term"):
        Budget(codes, 16, 0)
    with pytest.raises(ValueError, match="2 to 16 bits, not 17"):
        activation_range(17, True)
    assert tile_count(100, 64) == 2
    assert tile_count(100, None) == 1
