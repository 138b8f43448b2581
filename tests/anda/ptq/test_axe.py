"""From weights to certificate; and each hole of the peer, shown open in a variant and shut here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer, activation_range
from anda.ptq.axe import LayerResult, Solver, quantize_layer
from anda.ptq.budget import Budget
from anda.ptq.grid import WeightGrid
from anda.ptq.overflow import measure_overflow
from anda.ptq.recheck import recheck
from golden import formats
from tests.anda.ptq.layers import arrays, worst_cases

SOLVERS: tuple[Solver, ...] = ("best", "gpfq", "gptq")


def safe(result: LayerResult, bits: int, tile: int | None, width: int = 8, signed: bool = True) -> bool:
    worst = max(worst_cases(result.levels, activation_range(width, signed), tile))
    return worst <= 2 ** (bits - 1) - 1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("tile", [64, 96, None])
def test_a_layer_is_certified(solver: Solver, signed: bool, tile: int | None) -> None:
    weights, inputs = arrays(6, 160, 200)
    result = quantize_layer(
        weights, inputs, activation_signed=signed, inner_bits=14, tile=tile, solver=solver
    )
    assert safe(result, 14, tile, signed=signed)
    assert result.certificate.inner_bits == 14
    assert recheck(result.certificate, result.levels) == []
    outputs = inputs @ weights.T
    error = np.linalg.norm(result.activations.dequantize(inputs) @ result.values().T - outputs)
    assert result.report.calibration_error == pytest.approx(error / np.linalg.norm(outputs))
    assert result.report.rank == 160
    assert result.report.as_dict()["solver"] == solver


def test_the_best_solver_is_the_best() -> None:
    weights, inputs = arrays(24, 128, 600)
    unseen = inputs[400:]
    for inner_bits in (12, 14, 16):
        errors = {}
        for solver in SOLVERS:
            result = quantize_layer(weights, inputs[:400], inner_bits=inner_bits, tile=64, solver=solver)
            outputs = result.activations.dequantize(unseen) @ result.values().T
            errors[solver] = np.linalg.norm(outputs - unseen @ weights.T)
        assert errors["best"] < min(errors["gpfq"], errors["gptq"])


def test_scales_and_activations_given_are_used_as_they_are() -> None:
    weights, inputs = arrays(4, 64, 100)
    scales = np.random.default_rng(0).uniform(0.2, 0.4, (4, 2))
    result = quantize_layer(
        weights,
        inputs,
        weight_scales=scales,
        activation_signed=False,
        activation_scale=0.125,
        activation_zero=100,
        tile=32,
        solver="gpfq",
    )
    assert np.array_equal(result.scales, scales)
    assert result.values()[1, 40] == result.levels[1, 40] * scales[1, 1]
    assert (result.activations.scale, result.activations.zero) == (0.125, 100)


def test_without_a_width_the_certificate_says_what_is_needed() -> None:
    weights, inputs = arrays(4, 64, 100)
    result = quantize_layer(weights, inputs, inner_bits=None, tile=32, solver="gptq")
    worst = max(worst_cases(result.levels, activation_range(8, True), 32))
    assert abs(result.certificate.inner_bits - 1 - worst.bit_length()) <= 1
    assert result.report.clipped_weights == 0


def plain_gptq(weights: NDArray[Any], inputs: NDArray[Any]) -> NDArray[np.int64]:
    """The hole: where the Hessian cannot be inverted, weights rounded to nearest without any budget."""
    try:
        np.linalg.cholesky(inputs.T @ inputs)
    except np.linalg.LinAlgError:
        scale = np.abs(weights).max(axis=1, keepdims=True) / 7
        return np.rint(weights / scale).astype(np.int64)
    raise AssertionError("the Hessian should be singular")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["few rows", "equal inputs", "zeros", "huge"])
def test_hole_singular_hessian(solver: Solver, case: str) -> None:
    weights, inputs = arrays(5, 128, 40)
    if case == "equal inputs":
        inputs = np.repeat(inputs[:, :1], 128, axis=1)
    elif case == "zeros":
        inputs = np.zeros_like(inputs)
    elif case == "huge":
        inputs = inputs * 1e200
    result = quantize_layer(
        weights, inputs, inner_bits=14, tile=64, solver=solver, damping=0.0, activation_signed=False
    )
    assert safe(result, 14, 64, signed=False)
    assert result.report.rank < 128
    assert result.report.dead_inputs == (128 if case == "zeros" else 0)
    if solver == "gptq":
        assert result.report.attempts > 1
        assert result.report.damping > 0
    if case != "huge":
        open_hole = plain_gptq(weights, inputs)
        assert max(worst_cases(open_hole, activation_range(8, False), 64)) > 2**13 - 1


@pytest.mark.parametrize("inner_bits", [12, 14, 16])
def test_hole_rederived_scales(inner_bits: int) -> None:
    """Scales derived from moved weights break a promise made with the first ones; frozen scales keep it."""
    weights, inputs = arrays(8, 128, 100)
    frozen = np.abs(weights).max(axis=1) / 7
    result = quantize_layer(
        weights, inputs, weight_scales=frozen, inner_bits=inner_bits, tile=64, solver="gptq"
    )
    assert np.array_equal(result.scales[:, 0], frozen)
    assert safe(result, inner_bits, 64)
    values = result.values()
    rederived = np.abs(values).max(axis=1, keepdims=True) / 7
    moved = np.rint(values / rederived).astype(np.int64)
    if inner_bits < 16:
        assert max(worst_cases(moved, activation_range(8, True), 64)) > 2 ** (inner_bits - 1) - 1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rounding", ["nearest", "zero", "floor", "ceil"])
def test_hole_rounding_modes(solver: Solver, rounding: Any) -> None:
    weights, inputs = arrays(6, 128, 200)
    result = quantize_layer(weights, inputs, inner_bits=14, tile=64, solver=solver, rounding=rounding)
    assert safe(result, 14, 64)


def test_clipping_before_rounding_is_what_opens_that_hole() -> None:
    """The variant: a value is clipped to its room times the scale, divided again and floored."""
    grid = WeightGrid.of(np.ones((1, 1)), formats.get("int8"), 1.0)
    scales = np.random.default_rng(0).uniform(0.01, 1, 500).astype(np.float32)
    broken = 0
    for room in range(1, 100):
        least, largest = np.full(500, -room), np.full(500, room)
        value = np.full(500, -200.0, dtype=np.float32)
        clipped = np.maximum(value, scales * least.astype(np.float32))
        broken += int((np.floor(clipped / scales) < least).sum())
        assert (grid.round(value / scales, least, largest, "floor") == least).all()
    assert broken > 0


@pytest.mark.parametrize("inner_bits", range(26, 33))
def test_hole_float_budgets(inner_bits: int) -> None:
    """Wide registers with wide operands: the budget binds where float32 cannot hold it."""
    weights, inputs = arrays(4, 96, 60)
    form = formats.Format(
        "wide", tuple(float(v) for v in range(-(1 << 15), 1 << 15)), source="test", unit=1.0
    )
    limit = 2 ** (inner_bits - 1) - 1
    scales = np.abs(weights).sum(axis=1) / (4 * limit / 2**11)
    result = quantize_layer(
        weights,
        inputs,
        weight_format=form,
        weight_scales=scales,
        activation_bits=12,
        inner_bits=inner_bits,
        tile=None,
        solver="gpfq",
        soft=False,
    )
    worst = max(worst_cases(result.levels, activation_range(12, True), None))
    assert worst <= limit
    assert worst > limit - 2**12


@pytest.mark.parametrize("policy", ["wrap", "saturate"])
def test_alternatives_without_a_guarantee_are_measured(policy: Any) -> None:
    weights, inputs = arrays(6, 96, 100)
    result = quantize_layer(weights, inputs, inner_bits=8, tile=40, policy=policy, solver="gpfq")
    free = quantize_layer(weights, inputs, inner_bits=None, tile=40, solver="gpfq")
    assert np.array_equal(result.levels, free.levels)
    assert result.certificate.inner_bits == free.certificate.inner_bits > 8
    found = result.report.overflow
    assert found is not None
    assert 0 < found.rate <= 1
    assert found.error > 2 * found.exact_error
    # Written out: registers of 8 bits, tile by tile, term by term.
    codes = result.activations.encode(inputs)
    total = np.zeros((len(inputs), 6))
    overflows = 0
    for first in (0, 40, 80):
        register = np.zeros((len(inputs), 6), dtype=np.int64)
        left = np.zeros(register.shape, dtype=bool)
        for k in range(first, min(first + 40, 96)):
            register += codes[:, k, np.newaxis] * result.levels[:, k]
            left |= (register < -128) | (register > 127)
            register = np.clip(register, -128, 127) if policy == "saturate" else (register + 128) % 256 - 128
        total += register
        overflows += int(left.sum())
    rows = measure_overflow(
        weights,
        result.levels,
        result.scales,
        inputs,
        result.activations,
        Budget(result.activations.codes, 8, 40),
        policy,
        rows=100,
    )
    exact = inputs @ weights.T
    outputs = total * result.scales[:, 0] * float(result.activations.scale)
    assert rows.rate == overflows / (3 * 600)
    assert rows.error == pytest.approx(np.linalg.norm(outputs - exact) / np.linalg.norm(exact))


def test_zero_points_stay_outside() -> None:
    weights, inputs = arrays(4, 64, 100)
    shifted = inputs + 3
    result = quantize_layer(weights, shifted, activation_signed=False, inner_bits=12, tile=32)
    assert result.activations.zero > 0
    assert safe(result, 12, 32, signed=False)
    assert result.certificate.activation_min == 0
    saturating = quantize_layer(
        weights, shifted, activation_signed=False, inner_bits=30, tile=32, policy="saturate", solver="gptq"
    )
    assert saturating.report.overflow is not None
    assert saturating.report.overflow.rate == 0
    assert saturating.report.overflow.error == pytest.approx(saturating.report.overflow.exact_error)
    assert saturating.report.overflow.error < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(4)}, r"weights should be a matrix \[C, K\]"),
        ({"inputs": np.ones((2, 5))}, "one K, not 8 and 5"),
        ({"inputs": np.full((2, 8), np.nan)}, r"element \[0, 0\] is nan"),
        ({"weights": np.array([["a"] * 8])}, "should be real numbers"),
        ({"weight_format": "sf4"}, "take a hardened format"),
        ({"weight_format": "int"}, "there is no format 'int'"),
        ({"inner_bits": 7}, "8 to 32 bits"),
        ({"tile": 0}, "at least 1 term"),
        ({"activation_bits": 20}, "2 to 16 bits"),
        ({"solver": "magic"}, "solver should be one of best, gpfq, gptq, not 'magic'"),
        ({"policy": "hope"}, "policy should be one of safe, wrap, saturate"),
        ({"policy": "wrap", "inner_bits": None}, "inner_bits is None"),
        ({"rounding": "odd"}, "rounding should be one of"),
        ({"weight_scales": np.ones((3, 2)), "tile": None}, "a tile should divide the 4 inputs"),
        ({"weight_scales": np.ones((3, 2)), "tile": 3}, "a tile should divide the 4 inputs"),
        ({"damping": -1.0, "solver": "gptq"}, "at least 0"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"weights": np.ones((3, 8)), "inputs": np.ones((2, 8)), "tile": 4}
    with pytest.raises(ValueError, match=message):
        quantize_layer(**(arguments | change))


def test_activation_scales_by_row() -> None:
    weights, inputs = arrays(4, 64, 50)
    scales = np.abs(inputs).max(axis=1) / 127
    result = quantize_layer(weights, inputs, activation_scale=scales, inner_bits=14, tile=32, solver="gpfq")
    assert safe(result, 14, 32)
    assert isinstance(result.activations, ActivationQuantizer)
    with pytest.raises(ValueError, match="one scale for all rows"):
        quantize_layer(weights, inputs, activation_scale=scales, inner_bits=14, policy="wrap", solver="gpfq")
