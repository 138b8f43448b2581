"""Dot products of a few FP16 values against exact fractions, cut off one by one."""

from __future__ import annotations

import re
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from golden.baseline.fp_fp import fma_accumulate
from golden.baseline.fp_fp_dot import aligned_sums, dot_accumulate, window_bits
from tests.golden.baseline.exact import single
from tests.golden.baseline.test_fp_fp import words


def exponent_of(word: int) -> int:
    return max(word >> 10 & 31, 1)


def leading(value: Fraction) -> int:
    """In two's complement: of [2^k, 2^(k+1)) and of [-2^(k+1), -2^k) it is k."""
    place = 64
    while not (Fraction(2) ** place <= value or value < -(Fraction(2) ** place)):
        place -= 1
    return place


def cut(value: Fraction, unit: Fraction) -> Fraction:
    return floor(value / unit) * unit


def slow_step(total: Fraction, x: np.ndarray, w: np.ndarray, guard: int) -> Fraction:
    """One step, in the words of its definition."""
    pairs = list(zip(x.view(np.uint16).tolist(), w.view(np.uint16).tolist(), strict=True))
    largest = max(exponent_of(a) + exponent_of(b) for a, b in pairs)
    unit = Fraction(2) ** (largest - 53 - guard)
    terms = (Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, w, strict=True))
    dot = sum((cut(term, unit) for term in terms), Fraction(0))
    if not dot or not total:
        return single(dot + total)
    top_of_dot = largest - 29 + (len(x).bit_length() - 1)
    below = window_bits(len(x), guard) - 2
    last = Fraction(2) ** (max(top_of_dot, leading(total)) - below)
    return single(cut(dot, last) + cut(total, last))


@pytest.mark.parametrize(("lanes", "guard"), [(4, 1), (1, 0), (2, 4), (8, 2)])
def test_every_step_is_what_its_definition_says(lanes: int, guard: int) -> None:
    rng = np.random.default_rng(lanes)
    rows, steps = 150, 6
    x, w = words(rng, (rows, steps * lanes)), words(rng, (rows, steps * lanes))
    x[::3] = rng.normal(size=x[::3].shape).astype(np.float16)
    w[::3] = rng.normal(0, 0.1, size=w[::3].shape).astype(np.float16)
    if lanes > 1:  # products that cancel within a step
        x[::2, 1::2], w[::2, 1::2] = x[::2, ::2], -w[::2, ::2]
        w[::4, ::2] = np.nextafter(w[::4, ::2], np.float16(0))
    x[1::4, lanes : 2 * lanes], w[1::4, lanes : 2 * lanes] = x[1::4, :lanes], -w[1::4, :lanes]
    found = dot_accumulate(x, w, lanes, guard)
    for row in range(rows):
        total = Fraction(0)
        for start in range(0, steps * lanes, lanes):
            beat = slice(start, start + lanes)
            total = slow_step(total, x[row, beat], w[row, beat], guard)
        assert Fraction(float(found[row])) == total


def test_small_integers_are_added_exactly() -> None:
    rng = np.random.default_rng(3)
    x, w = (rng.integers(-30, 31, (20, 64)).astype(np.float16) for _ in range(2))
    assert (dot_accumulate(x, w) == (x.astype(np.int64) * w.astype(np.int64)).sum(axis=-1)).all()


def test_it_is_near_fused_multiply_adds() -> None:
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(50, 256)).astype(np.float16), rng.normal(0, 0.02, (50, 256)).astype(np.float16)
    exact = (x.astype(np.float64) * w.astype(np.float64)).sum(axis=-1)
    size = np.abs(x.astype(np.float64) * w.astype(np.float64)).sum(axis=-1)
    for found in (dot_accumulate(x, w), fma_accumulate(x, w)):
        assert (np.abs(found - exact) < 2.0**-20 * size).all()


def test_terms_are_cut_off_below_the_window() -> None:
    one, small = np.float16(1), np.float16(2**-13)
    # Of 2^0, whose exponents add up to 30, places down to 2^-24 are kept.
    for sign, lost in ((1, 0), (-1, -1)):
        dot, exponent = aligned_sums(
            np.array([one, small], np.float16), np.array([one, sign * small / 2], np.float16)
        )
        assert (dot, exponent) == ((1 << 24) + lost, 30)


def test_infinities_and_nan_follow_ieee() -> None:
    inf, one = np.float16(np.inf), np.float16(1)
    for x, w, wanted in (
        ([inf, one], [one, one], np.inf),
        ([inf, inf], [one, -one], np.nan),
        ([inf, one], [np.float16(0), one], np.nan),
        ([one, inf], [one, -one], -np.inf),
    ):
        found = dot_accumulate(np.array(x), np.array(w), lanes=2)
        assert np.array_equal(found, np.float32(wanted), equal_nan=True)


def test_start_goes_on() -> None:
    rng = np.random.default_rng(2)
    x, w = words(rng, (9, 20)), words(rng, (9, 20))
    half = dot_accumulate(x[:, :8], w[:, :8])
    assert (dot_accumulate(x[:, 8:], w[:, 8:], start=half) == dot_accumulate(x, w)).all()


def test_what_is_refused() -> None:
    one = np.ones(6, np.float16)
    for wrong, message in (
        ((one, np.ones(4, np.float16)), "activations and weights must be equally many, not 6 and 4"),
        ((one, one), "4 lanes do not divide a sum of 6 products"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            dot_accumulate(*wrong)
