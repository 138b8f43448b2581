from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from golden.elementwise import (
    LOG_FRACTION,
    PLACE_BITS,
    SIGMOID_FRACTION,
    elementwise,
    exponential_segments,
    logarithm_segments,
    sigmoid,
    silu,
)
from golden.fp16 import FloatArray16

WORDS = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = WORDS[np.isfinite(WORDS)]
ONE, ZERO = np.ones(1, np.float16), np.zeros(1, np.float16)


def bits(x: FloatArray16) -> list[int]:
    return [int(word) for word in x.view(np.uint16)]


def unit(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Distance of FP16 numbers around a value: between the two powers of two it lies between."""
    exponent = np.floor(np.log2(np.maximum(np.abs(value), 2.0**-30)))
    distance: np.ndarray[Any, Any] = np.maximum(2.0 ** (exponent - 10), 2.0**-24)
    return distance


def exact_silu(a: float) -> Fraction:
    with localcontext() as context:
        context.prec = 60
        x = Decimal(a)
        return Fraction(x / (1 + (-x).exp()))


def test_silu_of_every_finite_value_is_within_a_unit_in_the_last_place() -> None:
    a = FINITE.astype(np.float64)
    # e^-700 is still a number and its SiLU far below half of 2^-24; the same holds for all values below.
    small = np.exp(-np.minimum(np.abs(a), 700))
    true = np.where(a < 0, a * small, a) / (1 + small)
    error = np.abs(silu(FINITE).astype(np.float64) - true) / unit(true)
    assert error.max() == pytest.approx(0.8019, abs=5e-5)
    nearest = np.mean(silu(FINITE) == true.astype(np.float16))
    assert nearest == pytest.approx(0.9468, abs=5e-5)


def test_the_largest_errors_of_silu_against_exact_arithmetic() -> None:
    for a in (-2.0078125, 0.06146, -6.87890625, 1.0, -12.4, 11.09, -17.25, 65504.0, -65504.0):
        (x,) = np.array([a], dtype=np.float16)
        true = exact_silu(float(x))
        got = Fraction(float(silu(np.array([x]))[0]))
        distance = abs(got - true) / Fraction(float(unit(np.array([float(true)]))[0]))
        assert distance < Fraction(81, 100), a


def test_silu_far_from_zero() -> None:
    far = FINITE[FINITE >= 12]
    assert (silu(far) == far).all()
    assert not silu(-far[far >= 24]).any()
    assert bits(silu(ZERO)) == bits(silu(-ZERO)) == [0]


def test_segments_join_and_their_lines_stay_inside_their_words() -> None:
    table = logarithm_segments()
    assert len(table) == 96
    for here, after in pairwise(table):
        assert abs(here.base + here.slope - after.base) <= 4
    assert table[0].base == (1 << LOG_FRACTION) - 1
    assert table[-1].base + table[-1].slope < 1 << LOG_FRACTION + 6
    falling = exponential_segments()
    assert len(falling) << PLACE_BITS == 1 << LOG_FRACTION
    for here, after in pairwise(falling):
        assert abs(here.base - here.slope - after.base) <= 1
    assert falling[0].base < 1 << SIGMOID_FRACTION


def test_sigmoid_is_in_range_and_mirrored() -> None:
    mantissa, shift = sigmoid(FINITE)
    assert mantissa.min() >= 0
    assert mantissa.max() <= 1 << SIGMOID_FRACTION
    negative = np.signbit(FINITE)
    assert not shift[~negative].any()
    assert shift.max() == 46
    values = np.ldexp(mantissa.astype(np.float64), -SIGMOID_FRACTION - shift)
    assert np.abs(values[~negative] + values[negative] - 1).max() <= 2.0**-SIGMOID_FRACTION
    assert (np.diff(values[~negative]) >= -(2.0**-13)).all()


def rounded(exact: Fraction) -> tuple[float, bool]:
    """FP16 to nearest even by exact arithmetic, and whether it saturated."""
    magnitude = abs(exact)
    step = Fraction(1, 1 << 24)
    while magnitude >= 2048 * step:
        step *= 2
    nearest = round(magnitude / step) * step
    overflow = nearest > 65504
    value = float(min(nearest, Fraction(65504)))
    return (-value if exact < 0 else value), overflow


def test_scale_and_bias_against_exact_fractions() -> None:
    rng = np.random.default_rng(1)
    x, scale, bias = (rng.choice(FINITE, 3000) for _ in range(3))
    near = rng.random(3000) < 0.5
    bias = np.where(near, np.clip(-x.astype(np.float64) * scale, -65504, 65504).astype(np.float16), bias)
    y, overflow = elementwise(x, scale, bias)
    assert overflow
    for i in range(len(x)):
        product, first = rounded(Fraction(float(x[i])) * Fraction(float(scale[i])))
        wanted, second = rounded(Fraction(product) + Fraction(float(bias[i])))
        assert float(y[i]) == wanted
        assert elementwise(x[i : i + 1], scale[i : i + 1], bias[i : i + 1])[1] == (first or second)


def test_the_steps_are_those_of_numpy_in_fp16() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((50, 8)).astype(np.float16)
    scale, bias = (rng.standard_normal(8).astype(np.float16) for _ in range(2))
    gate = rng.standard_normal((50, 8)).astype(np.float16)
    y, overflow = elementwise(x, scale, bias, gate=gate)
    assert not overflow
    assert (y == (x * scale + bias) * gate).all()
    y, _ = elementwise(x, scale, bias, activation="relu")
    assert (y == np.maximum(x * scale + bias, np.float16(0))).all()
    y, _ = elementwise(x, scale, bias, activation="silu", gate=gate)
    assert (y == silu(x * scale + bias) * gate).all()


def test_overflow_begins_at_65520_in_each_step() -> None:
    large = np.array([65504], np.float16)
    for bias, expected in ((15.99, False), (16, True)):
        y, overflow = elementwise(large, ONE, np.array([bias], np.float16))
        assert y.tolist() == [65504]
        assert overflow is expected
    assert elementwise(large, -2 * ONE, ZERO)[0].tolist() == [-65504]
    assert elementwise(large, ONE, ZERO, activation="silu", gate=2 * ONE) == (large, True)


def test_an_exact_zero_is_positive_and_a_rounded_one_keeps_its_sign() -> None:
    tiny = np.array([2.0**-24], np.float16)
    assert bits(elementwise(-ONE, ZERO, -ZERO)[0]) == [0]
    assert bits(elementwise(ONE, ONE, -ONE)[0]) == [0]
    assert bits(elementwise(-ONE, ONE, ZERO, activation="relu")[0]) == [0]
    assert bits(elementwise(ONE, ONE, ZERO, gate=-ZERO)[0]) == [0]
    assert bits(elementwise(tiny, ONE, ZERO, gate=-tiny)[0]) == [0x8000]
    assert bits(silu(-30 * ONE)) == [0x8000]
    assert bits(elementwise(-30 * ONE, ONE, ZERO, activation="silu")[0]) == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(2)}, "takes a float16 array, not an array of float64"),
        ({"x": np.array([1, np.inf], np.float16)}, "element 1 is inf"),
        ({"scale": ZERO}, r"the scale must have the shape \(2,\), not \(1,\)"),
        ({"bias": np.array([np.nan, 0], np.float16)}, "element 0 is nan"),
        ({"gate": ONE}, r"the gate must have the shape \(2,\)"),
        ({"activation": "gelu"}, "one of none, relu, silu, not 'gelu'"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    two = np.ones(2, np.float16)
    arguments: dict[str, Any] = {"x": two, "scale": two, "bias": two} | change
    with pytest.raises(ValueError, match=message):
        elementwise(**arguments)
