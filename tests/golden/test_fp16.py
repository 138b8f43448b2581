from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from golden.fp16 import FloatArray16, fields, require_finite, require_fp16, sanitize
from tests.golden import slow_model

EVERY_WORD = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = EVERY_WORD[np.isfinite(EVERY_WORD)]


def test_fields_of_every_finite_word() -> None:
    got = fields(FINITE)
    expected = [slow_model.number(int(b)) for b in FINITE.view(np.uint16)]
    assert got.sign.tolist() == [n.negative for n in expected]
    assert got.exponent.tolist() == [n.exponent for n in expected]
    assert got.significand.tolist() == [n.significand for n in expected]


def test_the_value_formula_gives_the_value_of_every_finite_word() -> None:
    for x in FINITE[::7]:
        assert slow_model.number(int(x.view(np.uint16))).value == Fraction(float(x))


def test_sanitize_every_word() -> None:
    clean, nonfinite = sanitize(EVERY_WORD)
    assert nonfinite
    keep = np.isfinite(EVERY_WORD)
    assert np.array_equal(clean.view(np.uint16)[keep], EVERY_WORD.view(np.uint16)[keep])
    assert clean[np.isposinf(EVERY_WORD)].tolist() == [65504.0]
    assert clean[np.isneginf(EVERY_WORD)].tolist() == [-65504.0]
    assert not clean[np.isnan(EVERY_WORD)].view(np.uint16).any()


def test_sanitize_leaves_finite_values_and_the_flag_alone() -> None:
    clean, nonfinite = sanitize(FINITE)
    assert not nonfinite
    assert np.array_equal(clean.view(np.uint16), FINITE.view(np.uint16))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.array([1, np.nan, np.inf], dtype=np.float16), "element 1 is nan"),
        (np.array([[0, 1], [2, -np.inf]], dtype=np.float16), r"element \(1, 1\) is -inf"),
    ],
)
def test_the_first_bad_index_is_named(bad: FloatArray16, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_finite(bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(3, dtype=np.float32), "not an array of float32"),
        ([1.0, 2.0], "not list"),
        (np.array(1, dtype=np.float16), "at least one axis"),
    ],
)
def test_only_float16_arrays_pass(bad: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_fp16(bad)
