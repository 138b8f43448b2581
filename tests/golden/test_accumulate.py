from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.accumulate import (
    accumulate_fixed,
    accumulate_integer,
    fp32_exponent_range,
    fused_accumulate_fp32,
    fused_add,
    round_fp16,
)
from golden.anda import AndaCodec
from golden.bitplanes import ENCODINGS, GROUPS, PLANES
from golden.dot import group_dot_range
from golden.interval import Interval
from tests.golden import slow_model
from tests.golden.strategies import finite_bits

FP32_NORMAL = Interval(-126, 127)


@st.composite
def near_and_far_sums(draw: st.DrawFn) -> tuple[float, float]:
    """An FP32 value and an exact product, at a chosen distance, with runs of ones and zeros for ties."""
    run = st.integers(1, (1 << 24) - 1) | st.builds(
        lambda a, b: (1 << a) - (1 << min(a, b)) or 1, *[st.integers(1, 24)] * 2
    )
    mantissa = (
        st.integers(-(2**43), 2**43)
        | st.builds(
            lambda a, b, s: s * ((1 << a) + (1 << b)),
            st.integers(0, 42),
            st.integers(0, 42),
            st.sampled_from([-1, 1]),
        )
        | st.builds(lambda a, s: s << a, st.integers(0, 42), st.sampled_from([-1, 1]))
    )
    a = draw(run) * draw(st.sampled_from([-1, 0, 1])) * 2.0 ** draw(st.integers(-50, 40))
    return a, draw(mantissa) * 2.0 ** draw(st.integers(-53, 20))


@settings(max_examples=800, deadline=None)
@given(pair=near_and_far_sums())
def test_one_rounding_even_where_float64_needs_two(pair: tuple[float, float]) -> None:
    a, product = pair
    accumulator = np.array([a], dtype=np.float32)
    fused_add(accumulator, np.array([product]))
    exact = Fraction(float(np.float32(a))) + Fraction(product)
    assert Fraction(float(accumulator[0])) == slow_model.round_fp32(exact)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("last_bit", [0, 1])
def test_sums_that_two_roundings_get_wrong(sign: int, side: int, last_bit: int) -> None:
    """Just beside a tie that float64 takes for the tie, seen from both signs, sides and parities."""
    a = np.float32(sign * (1 + last_bit * 2**-23))
    product = sign * (2.0**-24 + side * 2.0**-60)
    accumulator = np.array([a])
    fused_add(accumulator, np.array([product]))
    above = side == 1
    assert accumulator[0] == a + sign * above * 2.0**-23
    naive = np.float32(np.float64(a) + product)
    assert (naive == accumulator[0]) == (above == (last_bit == 1))


@settings(max_examples=300, deadline=None)
@given(
    totals=st.lists(st.integers(-(2**31), 2**31), min_size=2, max_size=20),
    scale_words=st.lists(finite_bits(), min_size=20, max_size=20),
    exponents=st.lists(st.integers(-29, 15), min_size=20, max_size=20),
)
def test_a_row_of_groups_equals_the_slow_model(
    totals: list[int], scale_words: list[int], exponents: list[int]
) -> None:
    n = len(totals)
    scales = np.array(scale_words[:n], dtype=np.uint16).view(np.float16)
    got = fused_accumulate_fp32(np.array(totals), scales, np.array(exponents[:n]))
    products = [
        t * slow_model.number(s).value * slow_model.power(k)
        for t, s, k in zip(totals, scale_words, exponents, strict=False)
    ]
    assert Fraction(float(got)) == slow_model.accumulate_fp32(products)
    half = fused_accumulate_fp32(np.array(totals[: n // 2]), scales[: n // 2], np.array(exponents[: n // 2]))
    rest = fused_accumulate_fp32(
        np.array(totals[n // 2 :]), scales[n // 2 :], np.array(exponents[n // 2 : n]), half
    )
    assert rest == got


def test_accumulation_starts_at_plus_zero_and_never_gives_minus_zero() -> None:
    zero = fused_accumulate_fp32(
        np.array([[0], [-1]]), np.array([[-1.0], [-0.0]], dtype=np.float16), np.zeros(1, int)
    )
    assert not np.signbit(zero).any()
    gone = fused_accumulate_fp32(np.array([5, -5]), np.ones(2, dtype=np.float16), np.zeros(2, int))
    assert not np.signbit(gone)


def test_what_is_not_exact_is_refused() -> None:
    scale = np.ones(1, dtype=np.float16)
    with pytest.raises(ValueError, match="totals must be below 4398046511104 in magnitude"):
        fused_accumulate_fp32(np.array([-(1 << 42)]), scale, np.zeros(1, int))
    with pytest.raises(ValueError, match="integers, not float64"):
        fused_accumulate_fp32(np.ones(1), scale, np.zeros(1, int))
    with pytest.raises(ValueError, match="finite float16"):
        fused_accumulate_fp32(np.array([1]), scale * np.float16(np.inf), np.zeros(1, int))
    with pytest.raises(ValueError, match="finite float16"):
        fused_accumulate_fp32(np.array([1]), scale.astype(np.float32), np.zeros(1, int))


@settings(max_examples=200, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(-(2**30), 2**30), st.integers(-29, -4)), min_size=1, max_size=30)
)
def test_the_fixed_sum_is_exact(groups: list[tuple[int, int]]) -> None:
    totals, exponents = (np.array(v) for v in zip(*groups, strict=True))
    total, k = accumulate_fixed(totals, exponents)
    assert k == exponents.min()
    assert int(total) * slow_model.power(int(k)) == sum(t * slow_model.power(e) for t, e in groups)


def test_a_fixed_sum_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"below 2\^62, but one may reach 2\^63.0"):
        accumulate_fixed(np.array([1 << 33, 1]), np.array([1, -29]))
    total, k = accumulate_fixed(np.array([1 << 31, 0]), np.array([1, -29]))
    assert (int(total), int(k)) == (1 << 31 + 30, -29)


def test_the_integer_sum_is_exact_and_wide() -> None:
    assert accumulate_integer(np.array([[2**31 - 1] * 4, [-(2**31)] * 4], dtype=np.int32)).tolist() == [
        4 * (2**31 - 1),
        -4 * 2**31,
    ]


@settings(max_examples=500, deadline=None)
@given(mantissa=st.integers(-(2**24) + 1, 2**24 - 1), exponent=st.integers(-53, 20))
def test_fp16_results(mantissa: int, exponent: int) -> None:
    value = Fraction(mantissa) * slow_model.power(exponent)
    got, overflow = round_fp16(np.array([float(value)], dtype=np.float32))
    expected, expected_overflow = slow_model.round_fp16(value)
    assert (Fraction(float(got[0])), overflow) == (expected, expected_overflow)


def test_fp16_results_at_the_edges() -> None:
    edges = np.array(
        [65519.996, 65520, -65520, 1e30, 2**-25, 1.5 * 2**-25, 3 * 2**-25, 2**-14 - 2**-26], dtype=np.float32
    )
    got, overflow = round_fp16(edges)
    assert got.tolist() == [65504, 65504, -65504, 65504, 0, 2**-24, 2**-23, 2**-14]
    assert overflow
    assert not round_fp16(edges[:1])[1]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [1, 64, 4096, 1 << 20])
def test_no_reachable_fp32_value_is_subnormal_or_infinite(encoding: str, length: int) -> None:
    """The claim of contract 6, computed exactly for every group, every number of planes and 8-bit levels."""
    for group in GROUPS:
        for planes in range(PLANES.min, PLANES.max + 1):
            codec = AndaCodec(
                planes, "sign-magnitude" if encoding == ENCODINGS[0] else "twos-complement", group=group
            )
            reachable = fp32_exponent_range(codec, Interval(-128, 127), length)
            assert FP32_NORMAL.contains(reachable), f"{codec} at K = {length}: {reachable}"
            # The same from the definition, without the function: all is a multiple of this, and below that.
            least = slow_model.power(-24) * slow_model.power(codec.ulp_exponent(1))
            assert slow_model.power(reachable.min) <= least
            dot = max(abs(end) for end in (codec.levels.min, codec.levels.max)) * 128 * group
            one = dot * Fraction(65504) * slow_model.power(codec.ulp_exponent(30))
            assert one * codec.groups(length) < slow_model.power(reachable.max + 1)


def test_the_fp32_range_is_reached_at_its_lower_end_and_nearly_at_its_upper() -> None:
    codec = AndaCodec(17, group=8)
    reachable = fp32_exponent_range(codec, Interval(-128, 127), 8 * 64)
    tiny = fused_accumulate_fp32(
        np.array([1]), np.array([2**-24], dtype=np.float16), np.array([codec.ulp_exponent(1)])
    )
    assert np.log2(tiny) == reachable.min == -53
    most = group_dot_range(codec.levels, Interval(-128, 127), 8).max
    huge = fused_accumulate_fp32(
        np.full(64, most), np.full(64, 65504, dtype=np.float16), np.full(64, codec.ulp_exponent(30))
    )
    assert np.floor(np.log2(huge)) in (reachable.max - 1, reachable.max)


def test_the_range_says_no_when_it_is_no() -> None:
    """Levels of 80 bits would overflow: the check can fail."""
    assert not FP32_NORMAL.contains(fp32_exponent_range(AndaCodec(), Interval(-(1 << 80), 1 << 80), 1 << 20))
    with pytest.raises(ValueError, match="1 to 2\\^24 - 1 groups, not for 16777216"):
        fp32_exponent_range(AndaCodec(), Interval(-8, 7), 64 << 24)
