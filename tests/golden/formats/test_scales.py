from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from golden.formats import E8M0_RULES, SCALE_FORMATS
from golden.formats.scales import e8m0_scale
from tests.golden.formats import slow_formats as slow

RNG = np.random.default_rng(9)
WIDE = np.concatenate(
    [
        RNG.standard_normal(4000) * np.exp2(RNG.integers(-140, 120, 4000).astype(float)),
        np.ldexp(RNG.integers(-511, 512, 2000) / 256.0, RNG.integers(-20, 20, 2000)),
    ]
)
TYPES = {"fp32": np.float32, "fp16": np.float16, "bf16": ml_dtypes.bfloat16, "e4m3": ml_dtypes.float8_e4m3fn}


@pytest.mark.parametrize("name", TYPES)
def test_scales_round_as_their_types_do(name: str) -> None:
    scale = SCALE_FORMATS[name]
    kind = {"fp32": slow.FP32, "fp16": slow.FP16, "bf16": slow.BF16, "e4m3": slow.E4M3}[name]
    ideal = WIDE.astype(np.float32).astype(np.float64) if name == "e4m3" else WIDE
    for x, ours in zip(ideal.tolist(), scale.round(ideal).tolist(), strict=True):
        expected = slow.saturated(Fraction(x), kind) if name == "e4m3" else slow.rounded(Fraction(x), kind)
        assert np.isinf(ours) if expected is None else Fraction(ours) == expected


@pytest.mark.parametrize("name", TYPES)
def test_scale_codes_are_the_bits_of_their_types(name: str) -> None:
    scale = SCALE_FORMATS[name]
    stored = scale.round(np.clip(WIDE, -400, 400)) + np.float32(0)
    codes = scale.encode(stored)
    assert codes.dtype.itemsize * 8 == scale.bits
    assert np.array_equal(codes.view(TYPES[name]).astype(np.float32), stored)


def test_bf16_rounds_once() -> None:
    """Just above a tie of BF16, where rounding through float32 would lose the difference."""
    ideal = np.array([1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8, 1 + 2.0**-8 - 2.0**-40])
    assert SCALE_FORMATS["bf16"].round(ideal).tolist() == [1 + 2.0**-7, 1, 1]


def test_power_of_two_codes() -> None:
    powers = np.ldexp(np.float32(1), np.arange(-127, 128).astype(np.int32))
    codes = SCALE_FORMATS["e8m0"].encode(powers)
    assert codes.tolist() == list(range(255))
    assert np.array_equal(codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float32), powers)


SPANS = np.concatenate(
    [
        np.abs(WIDE).astype(np.float32),
        np.ldexp(np.float32(1), np.arange(-149, 128).astype(np.int32)),
        np.nextafter(np.ldexp(np.float32(1), np.arange(-148, 128).astype(np.int32)), np.float32(0)),
        np.ldexp(np.float32(6), np.arange(-140, 125).astype(np.int32)),
        np.ldexp(np.float32(1.75), np.arange(-140, 125).astype(np.int32)),
        np.array([0, np.finfo(np.float32).max], dtype=np.float32),
    ]
).astype(np.float64)


@pytest.mark.parametrize("rule", E8M0_RULES)
@pytest.mark.parametrize(
    ("top", "mantissa_bits"), [(6.0, 1), (448.0, 3), (57344.0, 2), (127 / 64, 6), (1.0, None)]
)
def test_power_of_two_rules(rule: Any, top: float, mantissa_bits: int | None) -> None:
    if rule == "even" and mantissa_bits is None:
        with pytest.raises(ValueError, match="even needs elements with mantissa bits"):
            e8m0_scale(SPANS, top, "even", None)
        return
    ours = e8m0_scale(SPANS, top, rule, mantissa_bits)
    for span, scale in zip(SPANS.tolist(), ours.tolist(), strict=True):
        assert Fraction(scale) == slow.e8m0(Fraction(span), Fraction(top), rule, mantissa_bits), span


def test_nearest_power_of_two_equals_ml_dtypes() -> None:
    spans = SPANS[SPANS >= 2.0**-126]
    theirs = spans.astype(np.float32).astype(ml_dtypes.float8_e8m0fnu)
    finite = np.isfinite(theirs.astype(np.float32))
    ours = e8m0_scale(spans, 1.0, "nearest", None)
    assert np.array_equal(ours[finite], theirs.astype(np.float32)[finite])
