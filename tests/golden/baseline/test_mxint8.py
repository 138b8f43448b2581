"""MXINT8 against fractions: conversion with its ties, and sums of blocks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from golden.baseline.mxint8 import CODES, mx_int4_accumulate, mx_mx_accumulate, to_mxint8
from golden.fp16 import FloatArray16
from tests.golden import slow_model
from tests.golden.strategies import activations


def power_of_two_below(value: Fraction) -> int:
    exponent = 0
    while Fraction(2) ** exponent > value:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= value:
        exponent += 1
    return exponent


def nearest_even(value: Fraction) -> int:
    return round(value)  # Python rounds fractions to nearest, ties to even


@settings(max_examples=80, deadline=None)
@given(activations(96))
def test_blocks_are_those_of_the_specification(x: FloatArray16) -> None:
    x = np.concatenate([x, np.zeros(-len(x) % 32, dtype=np.float16)])
    q, codes = to_mxint8(x)
    for block, got, code in zip(x.reshape(-1, 32), q, codes, strict=True):
        exact = [Fraction(float(value)) for value in block]
        largest = max(map(abs, exact))
        exponent = power_of_two_below(largest) if largest else -24
        assert int(code) == exponent + 127
        assert CODES.min <= int(code) <= CODES.max
        scaled = [nearest_even(value / Fraction(2) ** (exponent - 6)) for value in exact]
        assert got.tolist() == [min(max(value, -127), 127) for value in scaled]


def test_the_largest_value_before_a_power_of_two_saturates() -> None:
    x = np.zeros(32, dtype=np.float16)
    x[:4] = [1.9990234, -1.9990234, 2.0**-7, 3 * 2.0**-7]
    q, codes = to_mxint8(x)
    assert codes.tolist() == [127]
    assert q[0, :4].tolist() == [127, -127, 0, 2]  # ties go to even


def test_subnormal_blocks_have_a_scale_of_their_own() -> None:
    x = np.zeros(64, dtype=np.float16)
    x[0], x[32] = 2.0**-24, 2.0**-20
    q, codes = to_mxint8(x)
    assert codes.tolist() == [103, 107]
    assert q[:, 0].tolist() == [64, 64]


def test_parts_of_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="whole blocks of 32, not 48"):
        to_mxint8(np.zeros(48, dtype=np.float16))


@pytest.mark.parametrize("seed", range(3))
def test_sums_round_once_a_block(seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, w = rng.integers(-128, 128, (2, 5, 32))
    codes, weight_codes = rng.integers(CODES.min, CODES.max + 1, (2, 5)).astype(np.uint8)
    scales = rng.uniform(-0.1, 0.1, 5).astype(np.float16)
    levels = rng.integers(-8, 8, (5, 32))
    two = Fraction(2)
    exact = [
        int(a @ b) * two ** (int(c) - 133) * Fraction(float(s))
        for a, b, c, s in zip(q, levels, codes, scales, strict=True)
    ]
    got = mx_int4_accumulate(q, codes, levels, scales)
    assert Fraction(float(got)) == slow_model.accumulate_fp32(exact)
    exact = [
        int(a @ b) * two ** (int(c) + int(d) - 266)
        for a, b, c, d in zip(q, w, codes, weight_codes, strict=True)
    ]
    got = mx_mx_accumulate(q, codes, w, weight_codes)
    assert Fraction(float(got)) == slow_model.accumulate_fp32(exact)
