"""The FP-INT element against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from golden.baseline.fp_int import fp_int_product, partial_sums
from tests.golden.baseline.exact import single


@pytest.mark.parametrize("lanes", [1, 4])
def test_rows_are_those_of_exact_fractions(lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    words = rng.integers(0, 1 << 16, (20, 3, 16))
    words[:10] &= 0xBFFF
    words[10:] = rng.normal(0, 1, (10, 3, 16)).astype(np.float16).view(np.uint16)
    x = words.astype(np.uint16).view(np.float16)
    x = np.where(np.isfinite(x), x, np.float16(0))
    levels = rng.integers(-8, 8, x.shape)
    scales = rng.normal(0, 0.1, (20, 3)).astype(np.float16)
    found = fp_int_product(x, levels, scales, lanes)
    for row in range(20):
        total = Fraction(0)
        for group in range(3):
            for lane in range(lanes):
                part = Fraction(0)
                for i in range(lane, 16, lanes):
                    part = single(part + Fraction(float(x[row, group, i])) * int(levels[row, group, i]))
                total = single(total + part * Fraction(float(scales[row, group])))
        assert Fraction(float(found[row])) == total


def test_what_is_refused() -> None:
    x, levels = np.ones(8, np.float16), np.ones(8, np.int64)
    with pytest.raises(ValueError, match="3 lanes do not divide a group of 8"):
        partial_sums(x, levels, 3)
    with pytest.raises(ValueError, match="from -8 to 7"):
        partial_sums(x, 8 * levels)
    with pytest.raises(ValueError, match="must be finite"):
        partial_sums(x * np.float16(np.inf), levels)
    with pytest.raises(ValueError, match="scales must be finite"):
        fp_int_product(x[None], levels[None], np.array([np.nan], np.float16))
