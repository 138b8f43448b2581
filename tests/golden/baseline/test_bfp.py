"""Block floating point elements against fractions, one group after the other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from golden.baseline.bfp import bfp_product
from tests.golden import slow_model
from tests.golden.strategies import words


@pytest.mark.parametrize(
    ("bits", "encoding", "rounding"),
    [
        (14, "sign-magnitude", "truncate"),
        (12, "sign-magnitude", "truncate"),
        (9, "sign-magnitude", "truncate"),
        (7, "twos-complement", "nearest"),
    ],
)
def test_products_are_those_of_the_slow_model(bits: int, encoding: str, rounding: str) -> None:
    rng = np.random.default_rng(bits)
    x = np.clip(rng.standard_normal((4, 256)) * np.exp(rng.normal(0, 3, (4, 256))), -60000, 60000)
    x = x.astype(np.float16)
    levels = rng.integers(-8, 8, 256)
    levels[:64] = -8
    scales = rng.uniform(0.001, 0.1, 4).astype(np.float16)
    got = bfp_product(x, levels.reshape(4, 64), scales, bits, encoding=encoding, rounding=rounding)
    for row, result in zip(x, got, strict=True):
        exact = [Fraction(float(scale)) for scale in scales]
        terms = slow_model.products(
            words(row), levels.tolist(), exact, 64, bits, encoding, rounding, group=64
        )  # fmt: skip
        assert Fraction(float(result)) == slow_model.accumulate_fp32(terms)


def test_figna_keeps_two_bits_more_than_fp16_has() -> None:
    """13 bits hold an FP16 significand whole down to a quarter of the largest value of its group."""
    x = np.full(64, 1.0, dtype=np.float16)
    x[1], x[2] = 0.25 + 2.0**-12, 0.125 + 2.0**-13
    one = np.ones((1, 64), dtype=np.int64)
    only = np.zeros((3, 1, 64), dtype=np.int64)
    for lane in range(3):
        only[lane, 0, lane] = 1
    values = bfp_product(x, only, np.ones(1, dtype=np.float16))
    assert values[1] == x[1]
    assert values[2] == 0.125 < x[2]
    assert bfp_product(x, one, np.ones(1, dtype=np.float16)) == 61 + 1 + 0.25 + 2.0**-12 + 0.125
