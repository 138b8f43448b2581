"""FP16 multiply-adds against exact fractions, and the dequantizer at every level and scale."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from golden.baseline.fp_fp import dequantize, fma_accumulate
from tests.golden.baseline.exact import nearest, single


def words(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Finite FP16 values of every exponent, subnormals among them."""
    bits = rng.integers(0, 1 << 16, shape)
    return np.where(bits >> 10 & 31 == 31, bits & 0x83FF, bits).astype(np.uint16).view(np.float16)


def test_sums_are_those_of_exact_fractions() -> None:
    rng = np.random.default_rng(1)
    x, w = words(rng, (200, 24)), words(rng, (200, 24))
    w[::2, 1::2], x[::2, 1::2] = -w[::2, ::2], x[::2, ::2]  # products that cancel
    x[::3] = rng.normal(size=(67, 24)).astype(np.float16)
    found = fma_accumulate(x, w)
    for row in range(200):
        total = Fraction(0)
        for a, b in zip(x[row].tolist(), w[row].tolist(), strict=True):
            total = single(total + Fraction(a) * Fraction(b))
        assert Fraction(float(found[row])) == total


def test_ties_and_what_lies_beside() -> None:
    one = np.float16(1)
    for odd in (0, 1):
        start = np.float32(1 + odd * 2**-23)
        for nudge, up in ((0, odd), (2.0**-22, 1), (-(2.0**-23), 0)):
            x = np.array([2.0**-12], np.float16)
            w = np.array([2.0**-12 + nudge], np.float16)
            found = fma_accumulate(x, w, start=np.asarray(start))
            assert found == np.float32(start + up * 2**-23)
    assert fma_accumulate(np.array([one, one]), np.array([one, -one])) == 0


def test_infinities_and_nan_follow_ieee() -> None:
    inf, nan = np.float16(np.inf), np.float16(np.nan)
    one, zero = np.float16(1), np.float16(0)
    cases = [
        ([inf], [one], np.inf),
        ([inf, one], [-one, one], -np.inf),
        ([inf, inf], [one, -one], np.nan),
        ([inf, inf], [one, inf], np.inf),
        ([inf], [zero], np.nan),
        ([one, nan], [one, one], np.nan),
        ([nan], [zero], np.nan),
    ]
    for x, w, wanted in cases:
        found = fma_accumulate(np.array(x), np.array(w))
        assert np.array_equal(found, np.float32(wanted), equal_nan=True)
        if np.isnan(wanted):
            assert found.view(np.uint32) == 0x7FC00000
    resumed = fma_accumulate(np.array([inf]), np.array([one]), start=np.asarray(np.float32(-np.inf)))
    assert np.isnan(resumed)


def test_start_goes_on() -> None:
    rng = np.random.default_rng(2)
    x, w = words(rng, (9, 20)), words(rng, (9, 20))
    whole = fma_accumulate(x, w)
    half = fma_accumulate(x[:, :7], w[:, :7])
    assert (fma_accumulate(x[:, 7:], w[:, 7:], start=half) == whole).all()


def test_weights_are_rounded_products() -> None:
    scales = np.arange(0, 0x7C00, 13, dtype=np.uint16).view(np.float16)
    levels = np.arange(-8, 8)[:, None]
    found, overflow = dequantize(levels, scales[None])
    assert overflow
    for i, level in enumerate(range(-8, 8)):
        for j in range(0, len(scales), 7):
            exact = Fraction(float(scales[j])) * level
            rounded = nearest(exact, 11, -24)
            assert Fraction(float(found[i, j])) == max(min(rounded, Fraction(65504)), Fraction(-65504))
    assert (found.view(np.uint16)[found == 0] == 0).all()
    assert not dequantize(np.array([7]), np.array([9000], np.float16))[1]


def test_what_is_refused() -> None:
    half = np.ones(2, np.float16)
    with pytest.raises(ValueError, match="takes a float16 array, not an array of float32"):
        fma_accumulate(half.astype(np.float32), half)
    with pytest.raises(ValueError, match="equally many, not 2 and 1"):
        fma_accumulate(half, half[:1])
    with pytest.raises(ValueError, match="from -8 to 7"):
        dequantize(np.array([8]), half[:1])
    with pytest.raises(ValueError, match="scales must be finite"):
        dequantize(np.array([1]), np.array([np.inf], np.float16))
