"""The reference table of signal-to-noise ratios, on samples of its own: block 128, no clipping."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from golden import formats
from golden.formats import Format
from golden.formats.search import lloyd_max, profile

SAMPLES = 1 << 21
TOLERANCE = 0.05

LAWS = ("t5", "normal", "laplace", "uniform")

REFERENCE = {
    "int4": (15.30, 18.59, 15.92, 23.02),
    "int4-full": (16.42, 19.72, 17.03, 23.44),
    "int4-zp": (17.51, 19.94, 17.69, 23.56),
    "nf4": (18.57, 20.40, 18.90, 20.69),
    "sf4": (18.88, 19.57, 18.94, 18.73),
    "sf4-nu3": (18.59, 18.43, 18.44, 17.27),
    "sf4-nu7": (18.86, 19.91, 19.01, 19.33),
    "sf4-nu10": (18.80, 20.11, 19.02, 19.76),
    "e2m1": (18.16, 19.27, 18.34, 19.25),
    "e2m1-i": (15.28, 17.98, 15.79, 19.02),
    "e2m1-b": (14.93, 17.81, 15.46, 18.99),
    "e2m1-ns": (16.73, 18.78, 17.06, 19.18),
    "e2m1-sr": (17.73, 18.65, 17.88, 18.16),
    "e2m1-sr-signed": (19.01, 19.34, 19.03, 18.38),
    "e2m1-sp": (18.39, 19.77, 18.65, 20.71),
    "e2m1-sp-signed": (18.56, 20.04, 18.87, 21.08),
    "e3m0": (14.76, 14.32, 14.65, 14.57),
    "apot4": (17.49, 19.38, 17.87, 21.65),
    "apot4-sp": (17.77, 20.02, 18.21, 22.14),
    "sf4-int5": (18.50, 19.18, 18.57, 18.71),
    "sf4-int6": (18.76, 19.49, 18.83, 18.80),
    "sf4-int7": (18.87, 19.51, 18.92, 18.70),
}


@cache
def samples(law: str) -> NDArray[np.float32]:
    rng = np.random.default_rng(LAWS.index(law))
    numbers = {
        "t5": lambda: rng.standard_t(5, SAMPLES),
        "normal": lambda: rng.standard_normal(SAMPLES),
        "laplace": lambda: rng.laplace(size=SAMPLES),
        "uniform": lambda: rng.uniform(-1, 1, SAMPLES),
    }[law]()
    return np.asarray(numbers.astype(np.float32).reshape(256, -1))


def errors(form: Format, w: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared error of every block of 128."""
    difference = form.quantize(w).dequantize() - w
    return np.asarray(np.square(difference, dtype=np.float64).reshape(-1, 128).sum(axis=1))


def decibels(w: NDArray[np.float32], error: float) -> float:
    return float(10 * np.log10(np.square(w, dtype=np.float64).sum() / error))


@pytest.mark.parametrize("law", LAWS)
def test_signal_to_noise_ratios(law: str) -> None:
    w = samples(law)
    ours = {name: decibels(w, errors(formats.get(name), w).sum()) for name in REFERENCE}
    reference = {name: row[LAWS.index(law)] for name, row in REFERENCE.items()}
    assert ours == pytest.approx(reference, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("law", "expected"), [("t5", 19.37), ("normal", 20.18), ("laplace", 19.46), ("uniform", 21.08)]
)
def test_four_supernormals_to_choose_from(law: str, expected: float) -> None:
    """BitMoD's FP4: per block the best of +5, -5, +8 and -8; a negative one serves the negated data."""
    w = samples(law)
    choices = [errors(formats.get(name), x) for name in ("e2m1-sp", "e2m1-sr") for x in (w, -w)]
    assert decibels(w, np.min(choices, axis=0).sum()) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("law", "plain", "signed"),
    [("t5", 19.19, 19.42), ("normal", 20.73, 20.90), ("laplace", 19.35, 19.57), ("uniform", 24.09, 24.10)],
)
def test_the_bound_of_sixteen_levels(law: str, plain: float, signed: float) -> None:
    """It may only be higher: the reference's iteration stops up to 0.07 dB below the best levels."""
    for sign, expected in ((False, plain), (True, signed)):
        shape = profile(samples(law), signed=sign)
        ours = shape.sqnr(lloyd_max(shape, 16))
        assert expected - TOLERANCE < ours < expected + 0.09
