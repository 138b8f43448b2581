from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from golden.interval import Interval
from golden.weights import IntegerWeights


def test_levels_and_exact_values() -> None:
    codes = np.array([[-8, 7, 3], [0, -1, 2]], dtype=np.int8)
    scales = np.array([[0.1, 2.0], [-0.3, 5e-8]], dtype=np.float16)
    weights = IntegerWeights(codes, scales, block=2)
    assert (weights.channels, weights.length, weights.level_range) == (2, 3, Interval(-8, 7))
    assert weights.levels is codes
    expected = [[int(codes[c, k]) * Fraction(float(scales[c, k // 2])) for k in range(3)] for c in range(2)]
    assert [[Fraction(v) for v in row] for row in weights.decode().tolist()] == expected
    assert np.array_equal(weights.decode(slice(1, 2)), weights.decode()[1:])


def test_zero_points_make_levels_one_bit_wider() -> None:
    codes = np.array([[0, 15, 9, 15]], dtype=np.int8)
    zeros = np.array([[15, 0]], dtype=np.int8)
    weights = IntegerWeights(codes, np.ones((1, 2), dtype=np.float16), block=2, zeros=zeros)
    assert weights.levels.tolist() == [[-15, 0, 9, 15]]
    assert weights.level_range == Interval(-15, 15)
    assert weights.decode().tolist() == [[-15.0, 0.0, 9.0, 15.0]]


@pytest.mark.parametrize("bits", range(2, 9))
def test_quantize_rounds_to_nearest(bits: int) -> None:
    w = np.random.default_rng(bits).standard_normal((5, 300))
    weights = IntegerWeights.quantize(w, block=128, bits=bits)
    assert weights.scales.shape == (5, 3)
    largest = 2 ** (bits - 1) - 1
    peaks = np.stack([np.abs(w[:, k : k + 128]).max(axis=1) for k in (0, 128, 256)], axis=1)
    assert np.array_equal(weights.scales, (peaks / largest).astype(np.float16))
    scale = np.repeat(weights.scales.astype(np.float64), 128, axis=1)[:, :300]
    inside = np.abs(w) <= largest * scale
    assert (np.abs(weights.decode() - w) <= scale / 2)[inside].all()
    assert np.abs(weights.levels).max() == largest


def test_quantize_leaves_blocks_too_small_for_fp16_at_zero() -> None:
    weights = IntegerWeights.quantize(np.array([[1e-12, -1e-12, 1.0, -7.0]]), block=2)
    assert weights.scales.tolist() == [[0.0, 1.0]]
    assert weights.levels.tolist() == [[0, 0, 1, -7]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": np.zeros((2, 4), dtype=np.int16)}, "codes must be an int8 matrix"),
        ({"codes": np.full((2, 4), 8, dtype=np.int8)}, r"codes must be from -8 to 7, but \(0, 0\) is 8"),
        ({"scales": np.ones((2, 3), dtype=np.float16)}, r"scales must be float16 of shape \(2, 2\)"),
        ({"scales": np.ones((2, 2))}, "not float64"),
        ({"scales": np.array([[1, 1], [1, np.inf]], dtype=np.float16)}, r"that of \(1, 1\) is not"),
        ({"bits": 9}, "bits must be from 1 to 8, not 9"),
        ({"bits": 8, "zeros": np.zeros((2, 2), dtype=np.int8)}, "bits must be from 1 to 7"),
        ({"block": 0}, "block must be at least 1"),
        ({"zeros": np.zeros((2, 1), dtype=np.int8)}, r"zeros must be int8 of shape \(2, 2\)"),
        ({"zeros": np.full((2, 2), 16, dtype=np.int8)}, "zeros must be from 0 to 15"),
        (
            {"zeros": np.zeros((2, 2), dtype=np.int8), "codes": np.full((2, 4), -1, dtype=np.int8)},
            r"codes must be from 0 to 15, but \(0, 0\) is -1",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    sound: dict[str, Any] = {
        "codes": np.zeros((2, 4), dtype=np.int8),
        "scales": np.ones((2, 2), dtype=np.float16),
        "block": 2,
    }
    IntegerWeights(**sound)
    with pytest.raises(ValueError, match=message):
        IntegerWeights(**(sound | changes))


def test_what_cannot_be_quantized_is_named() -> None:
    with pytest.raises(ValueError, match="2 to 8 bits, not 1"):
        IntegerWeights.quantize(np.ones((1, 2)), bits=1)
    with pytest.raises(ValueError, match="non-finite element"):
        IntegerWeights.quantize(np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match="FP16 cannot hold"):
        IntegerWeights.quantize(np.array([[1e6, 1.0]]))
