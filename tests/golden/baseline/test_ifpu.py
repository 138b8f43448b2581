"""iFPU against exact fractions: with 40 bits nothing is lost before the sum of a group is rounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from golden.baseline.ifpu import ifpu_accumulate, ifpu_product
from tests.golden.baseline.exact import single


def test_nothing_is_lost_before_the_rounding() -> None:
    rng = np.random.default_rng(7)
    words = rng.integers(0, 1 << 16, (12, 3, 64))
    words = np.where(words >> 10 & 31 == 31, words & 0x83FF, words)
    x = words.astype(np.uint16).view(np.float16)
    levels = rng.integers(-8, 8, x.shape)
    scales = rng.normal(0, 0.1, (12, 3)).astype(np.float16)
    found = ifpu_product(x.reshape(12, -1), levels, scales)
    for row in range(12):
        total = Fraction(0)
        for group in range(3):
            pairs = zip(x[row, group].tolist(), levels[row, group].tolist(), strict=True)
            exact = sum((Fraction(a) * w for a, w in pairs), Fraction(0))
            total = single(total + single(exact) * Fraction(float(scales[row, group])))
        assert Fraction(float(found[row])) == total


def test_fewer_bits_truncate() -> None:
    x = np.zeros(64, np.float16)
    x[:3] = 1024, -0.75, 0.75
    levels = np.zeros((1, 64), np.int64)
    levels[0, 1] = 1
    one = np.ones(1, np.float16)
    assert ifpu_product(x, levels, one, 12) == -0.5
    assert ifpu_product(x, levels, one, 11) == 0
    assert ifpu_product(x, -levels, one, 13) == 0.75


def test_the_unit_is_that_of_the_contract() -> None:
    q, levels = np.ones((1, 1), np.int64), np.ones((1, 1), np.int64)
    found = ifpu_accumulate(q, np.array([20]), levels, np.ones(1, np.float16), 13)
    assert found == 2.0 ** (20 - 13 - 14)
