"""Aligned groups: the codec's numbers where it has them, exact fractions beyond."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.anda import AndaCodec
from golden.baseline.align import WIDTHS, align, aligned_range
from golden.fp16 import FloatArray16
from tests.golden.strategies import activations

ENCODINGS = st.sampled_from(["sign-magnitude", "twos-complement"])
ROUNDINGS = st.sampled_from(["truncate", "nearest"])


def whole_groups(x: FloatArray16, group: int) -> FloatArray16:
    return np.concatenate([x, np.zeros(-len(x) % group, dtype=np.float16)])


@settings(max_examples=60, deadline=None)
@given(activations(), st.integers(2, 17), ENCODINGS, ROUNDINGS, st.sampled_from([8, 32, 64]))
def test_narrow_groups_are_those_of_the_codec(
    x: FloatArray16, bits: int, encoding: str, rounding: str, group: int
) -> None:
    x = whole_groups(x, group)
    codec = AndaCodec(planes=bits, encoding=encoding, rounding=rounding, group=group)
    q, exponents = align(x, bits, encoding=encoding, rounding=rounding, group=group)
    expected, shared = codec.quantize(x)
    assert np.array_equal(q, expected)
    assert np.array_equal(exponents, shared)


@settings(max_examples=60, deadline=None)
@given(activations(40), st.integers(2, 42), ENCODINGS, ROUNDINGS)
def test_every_width_is_the_rounded_fraction(
    x: FloatArray16, bits: int, encoding: str, rounding: str
) -> None:
    x = whole_groups(x, 8)
    q, exponents = align(x, bits, encoding=encoding, rounding=rounding, group=8)
    half = Fraction(1, 2) if rounding == "nearest" else 0
    limits = aligned_range(bits, encoding)
    for value, got, shared in zip(x, q.reshape(-1), np.repeat(exponents, 8), strict=True):
        exact = Fraction(float(value)) / Fraction(2) ** (int(shared) - 13 - bits)
        if encoding == "twos-complement":
            expected = min(floor(exact + half), limits.max)
        else:
            magnitude = min(floor(abs(exact) + half), limits.max)
            expected = -magnitude if exact < 0 else magnitude
        assert int(got) == expected


@settings(max_examples=30, deadline=None)
@given(activations(64))
def test_forty_one_bits_lose_nothing(x: FloatArray16) -> None:
    x = whole_groups(x, 8)
    q, exponents = align(x, 41, group=8)
    values = np.ldexp(q.astype(np.float64), exponents[..., None].astype(np.int32) - 13 - 41)
    assert np.array_equal(values.reshape(-1), x.astype(np.float64))


@pytest.mark.parametrize("bits", [WIDTHS.min - 1, WIDTHS.max + 1])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="2 to 42 bits"):
        align(np.zeros(8, dtype=np.float16), bits, group=8)


def test_parts_of_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="whole groups of 64, not 65"):
        align(np.zeros(65, dtype=np.float16), 14)


def test_infinities_are_refused() -> None:
    with pytest.raises(ValueError, match="element 3"):
        align(np.array([0, 0, 0, np.inf, 0, 0, 0, 0], dtype=np.float16), 14, group=8)
