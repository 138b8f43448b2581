"""Multi-stage accumulators against registers written out term by term in Python integers."""

from __future__ import annotations

from itertools import permutations, product
from math import ceil, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.bitplanes import ENCODINGS, Encoding, group_range
from golden.dot import group_dot, group_dot_range
from golden.interval import Interval
from golden.multistage import (
    POLICIES,
    MultiStage,
    Policy,
    Stage,
    bit_serial,
    data_type_bits,
    outer_bits,
    safe_stages,
)

LOSSY: tuple[Policy, ...] = ("wrap", "saturate")
"""What a register does that was not promised to be wide enough."""


def slow_register(value: int, bits: int, policy: Policy) -> tuple[int, bool]:
    """What a register makes of an exact sum, and whether it had to."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if low <= value <= high:
        return value, False
    if policy == "saturate":
        return (low if value < low else high), True
    return (value - low) % 2**bits + low, True


def slow_accumulate(terms: list[int], stages: tuple[Stage, ...]) -> tuple[int, list[bool]]:
    flags = [False] * len(stages)
    for index, stage in enumerate(stages):
        results, register, held = [], 0, 0
        for term in terms:
            register, left = slow_register(register + term, stage.bits, stage.policy)
            flags[index] |= left
            held += 1
            if held == stage.count:
                results.append(register)
                register, held = 0, 0
        if held or not results:
            results.append(register)
        terms = results
    (result,) = terms
    return result, flags


@st.composite
def accumulators(draw: st.DrawFn, policies: tuple[Policy, ...] = POLICIES) -> MultiStage:
    inner = draw(
        st.lists(
            st.builds(Stage, st.integers(1, 8), st.integers(1, 5), st.sampled_from(policies)), max_size=2
        )
    )
    last = draw(st.builds(Stage, st.integers(1, 9), st.none(), st.sampled_from(policies)))
    return MultiStage((*inner, last))


def rows(least: int = -40, most: int = 40) -> st.SearchStrategy[list[list[int]]]:
    return st.integers(0, 23).flatmap(
        lambda n: st.lists(st.lists(st.integers(least, most), min_size=n, max_size=n), min_size=1, max_size=3)
    )


@settings(max_examples=400, deadline=None)
@given(accumulator=accumulators(LOSSY), terms=rows())
def test_wrapping_and_saturating_registers_equal_the_slow_model(
    accumulator: MultiStage, terms: list[list[int]]
) -> None:
    sums, overflow = accumulator.accumulate(np.array(terms, dtype=np.int64))
    assert sums.dtype == np.int64
    for row, got, flags in zip(terms, sums.tolist(), overflow.tolist(), strict=True):
        assert (got, flags) == slow_accumulate(row, accumulator.stages)


@settings(max_examples=300, deadline=None)
@given(accumulator=accumulators(("safe",)), terms=rows(-12, 12))
def test_a_safe_stage_gives_the_exact_sum_or_an_error(
    accumulator: MultiStage, terms: list[list[int]]
) -> None:
    as_wrap = tuple(Stage(stage.bits, stage.count, "wrap") for stage in accumulator.stages)
    array = np.array(terms, dtype=np.int16)
    if any(any(slow_accumulate(row, as_wrap)[1]) for row in terms):
        with pytest.raises(ValueError, match=r"stage \d was promised to be safe"):
            accumulator.accumulate(array)
    else:
        sums, overflow = accumulator.accumulate(array)
        assert sums.tolist() == [sum(row) for row in terms]
        assert not overflow.any()


@settings(max_examples=150, deadline=None)
@given(terms=st.lists(st.integers(-20, 20), min_size=1, max_size=5), bits=st.integers(1, 7))
def test_a_wrapped_sum_has_no_order(terms: list[int], bits: int) -> None:
    register = MultiStage((Stage(bits, None, "wrap"),))
    sums, flags = register.accumulate(np.array(list(permutations(terms))))
    assert len(set(sums.tolist())) == 1
    if Interval.of_bits(bits, signed=True).contains(Interval(sum(terms), sum(terms))):
        assert sums[0] == sum(terms)
    else:
        assert flags.all()


def test_flags_and_saturated_sums_have_an_order() -> None:
    """The example of the module's docstring: both orders end at 0, one leaves the range on the way."""
    terms = np.array([[3, 1, -4], [1, -4, 3]])
    sums, flags = MultiStage((Stage(3, None, "wrap"),)).accumulate(terms)
    assert (sums.tolist(), flags.tolist()) == ([0, 0], [[True], [False]])
    sums, flags = MultiStage((Stage(3, None, "saturate"),)).accumulate(terms)
    assert (sums.tolist(), flags.tolist()) == ([-1, 0], [[True], [False]])


@pytest.mark.parametrize("policy", POLICIES)
def test_both_ends_of_a_register_are_used(policy: Policy) -> None:
    register = MultiStage((Stage(4, None, policy),))
    sums, flags = register.accumulate(np.array([[-4, -4], [4, 3]]))
    assert (sums.tolist(), flags.any()) == ([-8, 7], False)
    beyond = np.array([[-4, -5], [4, 4]])
    if policy == "safe":
        with pytest.raises(ValueError, match="bits holds -8 to 7 and a sum came to -9"):
            register.accumulate(beyond)
    else:
        sums, flags = register.accumulate(beyond)
        assert sums.tolist() == ([7, -8] if policy == "wrap" else [-8, 7])
        assert flags.all()


def test_wide_registers_and_large_terms_are_exact() -> None:
    """Cumulative sums beyond 63 bits, which int64 itself wraps."""
    most = (1 << 62) - 1
    rng = np.random.default_rng(5)
    terms = rng.integers(-most, most, (4, 30))
    for policy in LOSSY:
        for bits in (1, 13, 61, 62):
            stages = (Stage(bits, 7, policy), Stage(62, None, policy))
            sums, flags = MultiStage(stages).accumulate(terms)
            for row, got, flag in zip(terms.tolist(), sums.tolist(), flags.tolist(), strict=True):
                assert (got, flag) == slow_accumulate(row, stages)
    half = most // 2
    assert MultiStage((Stage(62, None),)).accumulate(np.array([half, -most, half, -3]))[0] == -4


def test_without_terms_the_sum_is_zero_and_unsigned_terms_are_taken() -> None:
    accumulator = MultiStage((Stage(8, 4), Stage(9, 3)))
    sums, flags = accumulator.accumulate(np.zeros((2, 0), dtype=np.int8))
    assert (sums.tolist(), flags.shape) == ([0, 0], (2, 2))
    assert accumulator.accumulate(np.full(12, 20, dtype=np.uint8))[0] == 240
    with pytest.raises(ValueError, match="the last stage takes 3 results, but 4 came"):
        accumulator.accumulate(np.zeros(13, dtype=np.int64))


@settings(max_examples=300, deadline=None)
@given(
    accumulator=accumulators(LOSSY),
    ends=st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=7),
)
def test_ranges_hold_everything_that_corners_reach_and_no_more_when_safe(
    accumulator: MultiStage, ends: list[tuple[int, int]]
) -> None:
    intervals = [Interval(min(pair), max(pair)) for pair in ends]
    corners = np.array(list(product(*[(i.min, i.max) for i in intervals])))
    found = accumulator.ranges(intervals)
    sums, flags = accumulator.accumulate(corners)
    assert found[-1].contains(Interval(int(sums.min()), int(sums.max())))
    exact = safe_stages(intervals, [s.count for s in accumulator.stages])
    fits = all(safe.bits <= stage.bits for safe, stage in zip(exact, accumulator.stages, strict=True))
    assert fits == (not flags.any())
    if fits:
        assert found == MultiStage(exact).ranges(intervals)
        assert [max(r.max, -r.min - 1).bit_length() + 1 for r in found] == [s.bits for s in exact]


@settings(max_examples=200, deadline=None)
@given(
    ends=st.lists(st.tuples(st.integers(-90, 90), st.integers(-90, 90)), min_size=1, max_size=8),
    counts=st.lists(st.integers(1, 4), max_size=2),
)
def test_safe_stages_cannot_be_one_bit_narrower(ends: list[tuple[int, int]], counts: list[int]) -> None:
    intervals = [Interval(min(pair), max(pair)) for pair in ends]
    corners = np.array(list(product(*[(i.min, i.max) for i in intervals])))
    stages = safe_stages(intervals, [*counts, None])
    sums, _ = MultiStage(stages).accumulate(corners)
    assert sums.tolist() == corners.sum(axis=1).tolist()
    for index, stage in enumerate(stages):
        if stage.bits > 1:
            narrow = list(stages)
            narrow[index] = Stage(stage.bits - 1, stage.count)
            with pytest.raises(ValueError, match=f"stage {index} was promised to be safe"):
                MultiStage(tuple(narrow)).accumulate(corners)
            with pytest.raises(ValueError, match=f"stage {index} is not safe"):
                MultiStage(tuple(narrow)).ranges(intervals)


def test_a_stage_fed_by_one_that_saturates_has_the_whole_register() -> None:
    """Terms that must be taken can come back from a clamped end and pass every exact partial sum."""
    terms = [Interval(-10, -10), Interval(10, 10)]
    accumulator = MultiStage((Stage(3, None, "saturate"),))
    assert accumulator.accumulate(np.array([-10, 10]))[0] == 3
    assert accumulator.ranges(terms) == (Interval(-4, 3),)


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 5, 31, 32, 33])
@pytest.mark.parametrize("inner", [8, 16])
def test_the_outer_width_is_exact_for_full_registers(inner: int, tiles: int) -> None:
    register = Interval.of_bits(inner, signed=True)
    (stage,) = safe_stages([register] * tiles, [None])
    assert stage.bits == outer_bits(inner, tiles) == inner + ceil(log2(tiles))


@pytest.mark.parametrize("signed", [False, True])
def test_the_data_type_bound_in_integers(signed: bool) -> None:
    """Never too narrow, exact for signed activations, at most a bit too wide for unsigned ones."""
    spared = 0
    for length, n, m in product([1, 2, 3, 16, 64, 100, 128, 255, 256, 4096], [2, 4, 8], [2, 4, 8]):
        # The published form, with the logarithm of an exact integer.
        a = log2(length) + n + m - 1 - signed
        published = ceil(a + log2(1 + 2**-a) + 1 - 1e-12)
        bound = data_type_bits(length, n, m, signed)
        assert bound == published
        (exact,) = safe_stages(
            [Interval.of_bits(n, signed) * Interval.of_bits(m, signed=True)] * length, [None]
        )
        assert exact.bits == bound if signed else exact.bits in (bound - 1, bound)
        spared += bound - exact.bits
    assert (spared > 0) == (not signed)


def test_published_widths() -> None:
    """Eq. 3 of AXE (M = N = 4, K = 128, asymmetric), and W4A8 at three lengths."""
    assert data_type_bits(128, 4, 4, False) == 16
    assert [data_type_bits(k, 8, 4, False) for k in (256, 128, 64)] == [21, 20, 19]
    assert [data_type_bits(k, 8, 4, True) for k in (256, 128, 64)] == [20, 19, 18]


def slow_bit_serial(
    q: list[int], levels: list[int], planes: int, bits: int, policy: Policy, encoding: Encoding
) -> tuple[int, bool]:
    """From the definition: after p planes a lane is worth its leading bits."""
    register, flag, before = 0, False, 0
    for p in range(1, planes + 1):
        shift = planes - p
        if encoding == "twos-complement":
            now = sum((x // 2**shift) * w for x, w in zip(q, levels, strict=True))
        else:
            now = sum((abs(x) // 2**shift) * (1 if x > 0 else -1) * w for x, w in zip(q, levels, strict=True))
        register, left = slow_register(2 * register + (now - 2 * before), bits, policy)
        flag, before = flag or left, now
    return register, flag


@settings(max_examples=300, deadline=None)
@given(
    planes=st.integers(2, 9),
    encoding=st.sampled_from(ENCODINGS),
    policy=st.sampled_from(LOSSY),
    bits=st.integers(1, 14),
    data=st.data(),
)
def test_the_bit_serial_register_equals_the_slow_model(
    planes: int, encoding: str, policy: str, bits: int, data: st.DataObject
) -> None:
    allowed = group_range(planes, encoding)
    lanes = data.draw(st.integers(1, 6))
    q = data.draw(st.lists(st.integers(allowed.min, allowed.max), min_size=lanes, max_size=lanes))
    levels = data.draw(st.lists(st.integers(-8, 7), min_size=lanes, max_size=lanes))
    got = bit_serial(np.array(q), np.array(levels), planes, bits, policy, encoding)
    assert (int(got[0]), bool(got[1])) == slow_bit_serial(q, levels, planes, bits, policy, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_safe_bit_serial_register_is_the_dot_product(encoding: Encoding) -> None:
    """The width of the final sum holds every plane on the way (contract, section 5)."""
    rng = np.random.default_rng(2)
    for planes in (2, 5, 9):
        allowed = group_range(planes, encoding)
        q = rng.integers(allowed.min, allowed.max + 1, (6, 1, 16))
        q[0], q[1] = allowed.min, allowed.max
        levels = rng.integers(-8, 8, (5, 16))
        levels[0], levels[1] = -8, 7
        need = group_dot_range(allowed, Interval(-8, 7), 16).bits
        sums, flags = bit_serial(q, levels, planes, need, "safe", encoding)
        assert sums.tolist() == group_dot(q, levels).tolist()
        assert not flags.any()
        with pytest.raises(ValueError, match="was promised to be safe"):
            bit_serial(q, levels, planes, need - 1, "safe", encoding)


def test_unsigned_codes_and_their_zero_point() -> None:
    """One plane more, the sign plane, all zero; the zero point is outside of the register's range."""
    rng = np.random.default_rng(9)
    codes, levels, zero = rng.integers(0, 256, (20, 16)), rng.integers(-8, 8, 16), 77
    codes[0], codes[1] = 255 * (levels > 0), 255 * (levels < 0)
    reach = [Interval(0, 255) * Interval(int(level), int(level)) for level in levels]
    (stage,) = safe_stages(reach, [None])
    sums, _ = bit_serial(codes, levels, 9, stage.bits)
    assert (sums - zero * levels.sum()).tolist() == ((codes - zero) @ levels).tolist()
    assert (sums[0], sums[1]) == (sum(i.max for i in reach), sum(i.min for i in reach))
    with pytest.raises(ValueError, match="8 planes of twos-complement hold -128 to 127"):
        bit_serial(codes, levels, 8, stage.bits)


def test_the_flag_stays_when_the_sum_comes_back() -> None:
    """-4 * 3 + 3 * 3 + 1 * 3 is 0, but the first plane already gives -3 and the second -6 + 3 + 0."""
    q, levels = np.array([-4, 3, 1]), np.array([3, 3, 3])
    exact, none = bit_serial(q, levels, 3, 3, "safe")
    assert (exact, none) == (0, False)
    for policy in LOSSY:
        sums, flag = bit_serial(q, levels, 3, 2, policy)
        assert (int(sums), bool(flag)) == slow_bit_serial([-4, 3, 1], [3, 3, 3], 3, 2, policy, ENCODINGS[1])
        assert flag
    assert bit_serial(q, levels, 3, 2, "wrap")[0] == 0


def test_what_no_accumulator_can_be_is_refused() -> None:
    stage: Any = Stage
    for bits in (0, 63, 8.0, True):
        with pytest.raises(ValueError, match="a register has 1 to 62 bits"):
            stage(bits, None)
    with pytest.raises(ValueError, match="a policy is one of safe, wrap, saturate, not 'clip'"):
        stage(8, None, "clip")
    for count in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="a positive number of terms, or None for all"):
            stage(8, count)
    with pytest.raises(ValueError, match="at least one stage"):
        MultiStage(())
    with pytest.raises(ValueError, match="only the last stage may add all that come, but stage 0 of 2"):
        MultiStage((Stage(8, None), Stage(8, None)))
    register = MultiStage((Stage(8, None),))
    with pytest.raises(ValueError, match="not float64 of shape"):
        register.accumulate(np.zeros(3))
    with pytest.raises(ValueError, match="of one or more axes"):
        register.accumulate(np.array(1))
    with pytest.raises(ValueError, match=r"below 2\^62 in magnitude"):
        register.accumulate(np.array([-(1 << 62)]))
    with pytest.raises(ValueError, match="at least 1 bit and 1 tile, not 8 and 0"):
        outer_bits(8, 0)
    with pytest.raises(ValueError, match="a length and widths of at least 1, not 0, 8 and 4"):
        data_type_bits(0, 8, 4, True)
    with pytest.raises(
        ValueError, match="4 planes of twos-complement hold -8 to 7, but q reaches from 8 to 8"
    ):
        bit_serial(np.array([8]), np.array([1]), 4, 8)
    with pytest.raises(ValueError, match="planes must be an integer from 2 to 17"):
        bit_serial(np.array([0]), np.array([1]), 1, 8)
    with pytest.raises(ValueError, match=r"2 levels must stay below 2\^61 together"):
        bit_serial(np.array([0, 0]), np.array([1 << 60, 1]), 4, 8)
    assert bit_serial(np.array([-2, -2]), np.array([1 << 59, 1 << 59]), 2, 62)[0] == -(1 << 61)
