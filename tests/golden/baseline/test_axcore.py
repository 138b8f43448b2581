"""The AxCore-like element against a slow model on fields, and its error against exact products."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from golden.baseline.axcore import (
    LEVELS,
    approximate_products,
    axcore_product,
    axcore_sums,
    codes_of,
)
from tests.golden.baseline.exact import single


def slow_product(x: float, code: int) -> Fraction:
    """By `(1 + a) * (1 + b) ~ 1 + a + b + 43 / 1024`, doubled less where that is 2 or more."""
    level = LEVELS[code & 7]
    if level == 0 or abs(x) < 2**-14:
        return Fraction(0)
    (a, i), (b, j) = (np.frexp(abs(value)) for value in (x, level))  # from 0.5 on
    mantissa = Fraction(2 * float(a)) + Fraction(2 * float(b)) - 1 + Fraction(43, 1024)
    power = int(i) + int(j) - 2
    if mantissa >= 2:  # a carry into the exponent leaves half of what is above
        mantissa, power = 1 + (mantissa - 2), power + 1
    value = mantissa * Fraction(2) ** power
    return -value if (x < 0) != (code >= 8) else value


def test_every_code_with_many_values() -> None:
    words = np.arange(0, 0x7C00, 37, dtype=np.uint16)
    x = np.concatenate([words, words | 0x8000]).view(np.float16)
    for code in range(16):
        significand, exponent = approximate_products(x, np.full(len(x), code))
        for value, s, e in zip(x.tolist(), significand.tolist(), exponent.tolist(), strict=True):
            assert s * Fraction(2) ** (e - 25) == slow_product(value, code)


def test_the_mean_error_is_made_up_for() -> None:
    rng = np.random.default_rng(8)
    x = rng.uniform(1, 2, 20_000).astype(np.float16)
    codes = rng.integers(1, 8, x.shape)
    significand, exponent = approximate_products(x, codes)
    ratio = np.ldexp(significand.astype(float), exponent - 25) / (x * np.array(LEVELS)[codes])
    assert abs(ratio.mean() - 1) < 0.03
    assert np.abs(ratio - 1).max() < 0.13


@pytest.mark.parametrize("lanes", [1, 4])
def test_sums_shift_and_cut_like_the_slow_ones(lanes: int) -> None:
    rng = np.random.default_rng(9)
    x = rng.standard_t(2, (30, 64)).astype(np.float16)
    codes = rng.integers(0, 16, x.shape)
    significands, exponents = approximate_products(x, codes)
    found = axcore_sums(x, codes, lanes)
    for row in range(30):
        total, exponent = 0, 0
        for step in range(0, 64, lanes):
            chosen = range(step, step + lanes)
            largest = max(exponent, *(int(exponents[row, i]) for i in chosen))
            total //= 1 << largest - exponent
            total += sum(
                int(significands[row, i]) * 4 // (1 << largest - int(exponents[row, i])) for i in chosen
            )
            exponent = largest
        assert Fraction(float(found[row])) == total * Fraction(2) ** (exponent - 27)


def test_rows_are_scaled_and_rounded() -> None:
    rng = np.random.default_rng(10)
    x = rng.normal(0, 1, (5, 2, 64)).astype(np.float16)
    codes, scales = rng.integers(0, 16, x.shape), rng.normal(0, 1, (5, 2)).astype(np.float16)
    sums = axcore_sums(x, codes)
    for row, found in enumerate(axcore_product(x, codes, scales)):
        total = Fraction(0)
        for group in range(2):
            total = single(total + Fraction(float(sums[row, group])) * Fraction(float(scales[row, group])))
        assert Fraction(float(found)) == total


def test_codes() -> None:
    assert codes_of(np.array([0, 0.5, -0.5, 6, -6, 3])).tolist() == [0, 1, 9, 7, 15, 5]
    with pytest.raises(ValueError, match="must be E2M1 values"):
        codes_of(np.array([5.0]))
    with pytest.raises(ValueError, match="must be E2M1 values"):
        codes_of(np.array([-8.0]))


def test_what_is_refused() -> None:
    x = np.ones(8, np.float16)
    with pytest.raises(ValueError, match="integers from 0 to 15"):
        approximate_products(x, np.full(8, 16))
    with pytest.raises(ValueError, match="3 lanes do not divide a group of 8"):
        axcore_sums(x, np.ones(8, np.int64), 3)
