"""Layers that solvers are measured on: what they are made of, and how results are judged."""

from __future__ import annotations

import numpy as np
import pytest

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.problems import SYNTHETIC, Problem, synthetic_problem


@pytest.fixture(scope="module", params=SYNTHETIC)
def problem(request: pytest.FixtureRequest) -> Problem:
    return synthetic_problem(request.param)


def test_the_same_arguments_give_the_same_layer(problem: Problem) -> None:
    again = synthetic_problem(problem.name)
    other = synthetic_problem(problem.name, seed=2)
    for field in ("weights", "calibration", "held_out", "weight_scales"):
        np.testing.assert_array_equal(getattr(problem, field), getattr(again, field))
        assert not np.array_equal(getattr(problem, field), getattr(other, field))


def test_layers_are_what_their_recipe_says(problem: Problem) -> None:
    recipe = SYNTHETIC[problem.name]
    assert problem.weights.shape == (64, recipe.inputs)
    assert problem.calibration.shape == (1024, recipe.inputs)
    assert problem.held_out.shape == (512, recipe.inputs)
    spread = problem.calibration.std(axis=0)
    assert np.count_nonzero(spread > 4 * np.median(spread)) == recipe.outliers
    kurtosis = np.mean(problem.weights**4) / np.mean(problem.weights**2) ** 2
    assert (kurtosis > 4) == (recipe.nu is not None)
    assert (problem.calibration.min() < -1) == (recipe.activation == "signed")
    assert (problem.calibration.min() < 0) == (recipe.activation != "relu")


def test_inputs_are_correlated(problem: Problem) -> None:
    energy = np.linalg.svd(problem.calibration / problem.calibration.std(axis=0), compute_uv=False) ** 2
    few = len(energy) // 4
    # A quarter of the axes of independent inputs would hold little more than a quarter of the energy.
    assert energy[:few].sum() > 0.45 * energy.sum()


def test_held_out_rows_are_of_another_draw(problem: Problem) -> None:
    rows = {row.tobytes() for row in problem.calibration}
    assert not any(row.tobytes() in rows for row in problem.held_out)


def test_scales_are_half_precision_and_of_least_error(problem: Problem) -> None:
    scales = problem.weight_scales
    np.testing.assert_array_equal(scales, scales.astype(np.float16))
    np.testing.assert_array_equal(scales, problem.scales(4))

    def errors(s: np.ndarray) -> np.ndarray:
        levels = np.clip(np.rint(problem.weights / s[:, None]), -7, 7)
        return ((levels * s[:, None] - problem.weights) ** 2).sum(axis=1)

    top = np.abs(problem.weights).max(axis=1) / 7
    # FP16 rounds the scale by up to 2^-11, and with it the error.
    assert (errors(scales) <= 1.01 * errors(top)).all()
    assert errors(scales).sum() < errors(top).sum()
    assert errors(scales).sum() < errors(top / 3).sum()


@pytest.mark.parametrize("bits", [4, 8])
def test_activations_fit_their_codes(problem: Problem, bits: int) -> None:
    quantizer = problem.quantizer(bits)
    assert quantizer.signed == problem.activation_signed == (quantizer.codes.min < 0)
    assert quantizer.scale == np.float16(quantizer.scale)
    spanning = ActivationQuantizer.fit(problem.calibration, bits, problem.activation_signed)

    def error(candidate: ActivationQuantizer) -> float:
        return float(((candidate.dequantize(problem.calibration) - problem.calibration) ** 2).sum())

    assert error(quantizer) <= 1.01 * error(spanning)


def test_inputs_below_zero_give_unsigned_codes_a_zero_point() -> None:
    assert synthetic_problem("t3-silu").quantizer().zero > 0
    assert synthetic_problem("gauss-relu").quantizer().zero == 0


def test_the_error_of_nothing_is_one_and_more_bits_have_less() -> None:
    problem = synthetic_problem("gauss-signed")
    quantizer = problem.quantizer()
    zeros = np.zeros(problem.weights.shape, np.int64)
    assert problem.held_out_error(zeros, quantizer) == 1.0
    found = []
    for bits in (3, 4, 8):
        scales, top = problem.scales(bits), 2 ** (bits - 1) - 1
        levels = np.clip(np.rint(problem.weights / scales[:, None]), -top, top).astype(np.int64)
        found.append(problem.error(problem.held_out, levels, problem.quantizer(16), scales))
    assert found[0] > 1.5 * found[1]
    assert found[2] < 0.02


def test_the_error_is_of_the_outputs_that_the_hardware_gives() -> None:
    problem = synthetic_problem("t3-silu")
    quantizer = problem.quantizer()
    levels = np.clip(np.rint(problem.weights / problem.weight_scales[:, None]), -7, 7).astype(np.int64)
    sums = quantizer.encode(problem.held_out) @ levels.T - quantizer.correction(levels)
    outputs = sums * quantizer.scale * problem.weight_scales.astype(np.float64)
    exact = problem.held_out.astype(np.float64) @ problem.weights.T
    expected = np.sqrt(((outputs - exact) ** 2).sum() / (exact**2).sum())
    assert problem.held_out_error(levels, quantizer) == pytest.approx(expected, rel=1e-6)


def test_a_silent_channel_has_a_scale() -> None:
    made = synthetic_problem("gauss-relu")
    weights = made.weights.copy()
    weights[3] = 0
    problem = Problem.of("silent", weights, made.calibration, made.held_out, signed=False)
    assert problem.weight_scales[3] == 1


def test_wrong_questions_are_errors() -> None:
    with pytest.raises(ValueError, match=r"a made layer must be one of gauss-signed, .*, not 'gauss'"):
        synthetic_problem("gauss")
    problem = synthetic_problem("gauss-signed")
    with pytest.raises(
        ValueError, match=r"levels of gauss-signed must have shape \(64, 256\), not \(2, 256\)"
    ):
        problem.held_out_error(np.zeros((2, 256), np.int64), problem.quantizer())
    with pytest.raises(ValueError, match="weights must have 2 to 8 bits, not 1"):
        problem.scales(1)
