"""Codes of activations and what their zero point adds outside the accumulator."""

from __future__ import annotations

import numpy as np
import pytest

from anda.ptq.activation import ActivationQuantizer


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("signed", [True, False])
def test_codes_span_the_inputs(bits: int, signed: bool) -> None:
    x = np.random.default_rng(bits).standard_normal((50, 20)) + 0.5
    quantizer = ActivationQuantizer.fit(x, bits, signed)
    codes = quantizer.encode(x)
    assert codes.min() >= quantizer.codes.min
    assert codes.max() == quantizer.codes.max
    # Half a step; the zero point, rounded itself, may shift the ends by another half.
    assert (
        np.abs(quantizer.dequantize(x) - x).max() <= float(quantizer.scale) * (0.5 if signed else 1) + 1e-12
    )


def test_the_correction_is_all_that_the_zero_point_adds() -> None:
    random = np.random.default_rng(0)
    x, levels = random.standard_normal((10, 30)) + 1, random.integers(-7, 8, (4, 30))
    quantizer = ActivationQuantizer.fit(x, 6, False)
    assert quantizer.zero > 0
    sums = quantizer.encode(x) @ levels.T - quantizer.correction(levels)
    assert np.allclose(sums * quantizer.scale, quantizer.dequantize(x) @ levels.T)


def test_scales_by_row() -> None:
    x = np.random.default_rng(0).standard_normal((5, 8)) * np.arange(1, 6)[:, np.newaxis]
    scales = np.abs(x).max(axis=1) / 127
    quantizer = ActivationQuantizer.fit(x, 8, True, scales)
    assert np.abs(quantizer.encode(x)).max(axis=1).tolist() == [127] * 5
    with pytest.raises(ValueError, match="one for each row"):
        ActivationQuantizer.fit(x, 8, True, scales[:3])


def test_clipping_of_least_error_beats_the_whole_span() -> None:
    x = np.random.default_rng(0).standard_t(3, (200, 50))
    clipped, whole = ActivationQuantizer.least_error(x, 4, True), ActivationQuantizer.fit(x, 4, True)
    assert np.sum((clipped.dequantize(x) - x) ** 2) < 0.7 * np.sum((whole.dequantize(x) - x) ** 2)


def test_inputs_of_one_sign_and_of_zeros() -> None:
    assert ActivationQuantizer.fit(np.full((2, 3), -4.0), 8, False).zero == 255
    assert ActivationQuantizer.fit(np.zeros((2, 3)), 8, False).dequantize(np.zeros((2, 3))).any() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, True, 0.0), "positive and finite"),
        ((8, True, 1.0, 3), "zero point 0"),
        ((4, False, 1.0, 16), "0 to 15"),
        ((1, True, 1.0), "2 to 16 bits"),
    ],
)
def test_bad_quantizers_are_refused(arguments: tuple[int, bool, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ActivationQuantizer(*arguments)
