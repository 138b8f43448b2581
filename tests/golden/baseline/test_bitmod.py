"""The term-serial element against integers of any size, and its distance from exact sums."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from golden.baseline.bitmod import bitmod_accumulate, group_sums, terms_of
from tests.golden import slow_model
from tests.golden.strategies import words


def slow_sums(bits: list[int], terms: list[list[int]], lanes: int, guard: int) -> tuple[int, int]:
    """The definition once more, lane by lane."""
    total, largest = 0, 0
    for start in range(0, len(bits), lanes):
        for place in range(len(terms[0])):
            beat = []
            for lane in range(start, start + lanes):
                number, term = slow_model.number(bits[lane]), terms[lane][place]
                beat.append((number, term, number.exponent + max(abs(term).bit_length() - 1, 0)))
            now = max(largest, *(exponent for _, _, exponent in beat))
            total >>= now - largest
            for number, term, exponent in beat:
                product = (number.significand << guard) >> (now - exponent) if term else 0
                total += -product if number.negative != (term < 0) else product
            largest = now
    return total, largest


@pytest.mark.parametrize(("lanes", "count", "guard"), [(4, 2, 5), (1, 1, 0), (2, 3, 12)])
def test_sums_are_those_of_the_definition(lanes: int, count: int, guard: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.integers(0, 1 << 16, (6, 16)).astype(np.uint16)
    x = np.where(x >> 10 & 31 == 31, 0, x).astype(np.uint16).view(np.float16)
    x[0] = 65504
    terms = (1 << rng.integers(0, 5, (6, 16, count))) * rng.integers(-1, 2, (6, 16, count))
    sums, exponents = group_sums(x, terms, lanes, guard)
    for row in range(6):
        expected = slow_sums(words(x[row]), terms[row].tolist(), lanes, guard)
        assert (int(sums[row]), int(exponents[row])) == expected


def test_terms_of_every_weight() -> None:
    levels = np.arange(-8, 9)
    terms = terms_of(levels)
    assert np.array_equal(terms.sum(axis=-1), levels)
    magnitudes = np.abs(terms)
    assert ((magnitudes & (magnitudes - 1)) == 0).all()
    fp4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 10, 16, -10, -16])  # in halves, with the special values 5 and 8
    assert np.array_equal(terms_of(fp4).sum(axis=-1), fp4)


@pytest.mark.parametrize("level", [11, 32, -21])
def test_weights_of_more_terms_are_refused(level: int) -> None:
    with pytest.raises(ValueError, match=f"sum of 2 terms of up to 16, not {level}"):
        terms_of(np.array([0, level]))


def test_equal_exponents_lose_nothing() -> None:
    """Activations of one exponent, moved by up to 4 places, stay within the guard bits."""
    rng = np.random.default_rng(3)
    x = (rng.integers(1024, 2048, (2, 64)) / 1024).astype(np.float16)
    levels = rng.integers(-8, 8, (2, 64))
    scales = np.array([0.25, 0.125], dtype=np.float16)
    exact = [
        sum(Fraction(float(v)) * int(w) for v, w in zip(row, weights, strict=True)) * Fraction(float(scale))
        for row, weights, scale in zip(x, levels, scales, strict=True)
    ]
    assert Fraction(float(bitmod_accumulate(x, levels, scales))) == slow_model.accumulate_fp32(exact)


def test_infinities_are_refused() -> None:
    x = np.full((1, 64), np.inf, dtype=np.float16)
    with pytest.raises(ValueError, match="finite"):
        bitmod_accumulate(x, np.ones((1, 64), dtype=int), np.ones(1, dtype=np.float16))
