"""OPTQ and GPFQ: against plain loops, inside every budget, and what propagating the clip error brings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anda.ptq.best import best
from anda.ptq.budget import soft_thresholds
from anda.ptq.calibration import Calibration
from anda.ptq.gpfq import gpfq
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer
from anda.ptq.grid import Rounding
from anda.ptq.hessian import damped
from tests.anda.ptq.layers import arrays, prepared, worst_cases

Levels = NDArray[np.int64]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 16),
    st.booleans(),
    st.integers(8, 32),
    st.sampled_from([None, 16, 96, 100, 200]),
    st.sampled_from(["int4", "int8", "e2m1", "sf4-int7", "int3-zp", "w2-star-sym"]),
    st.sampled_from(["nearest", "zero", "floor", "ceil"]),
    st.sampled_from(["gptq", "gpfq", "best"]),
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 99)),
)
def test_both_worst_cases_hold_whatever_the_settings(
    bits: int,
    signed: bool,
    inner_bits: int,
    tile: int | None,
    form: str,
    rounding: Rounding,
    solver: str,
    others: tuple[bool, bool, int],
) -> None:
    act_order, soft, seed = others
    weights, inputs = arrays(3, 110, 40, seed)
    layer, calibration = prepared(
        weights * 4, inputs, form=form, bits=bits, signed=signed, inner_bits=inner_bits, tile=tile
    )
    if solver == "gptq":
        hessian = damped(calibration.gram, 0.01, act_order=act_order)
        levels = gptq(layer, hessian, soft=soft, rounding=rounding)
    elif solver == "gpfq":
        levels = gpfq(layer, calibration, act_order=act_order, soft=soft, rounding=rounding)
    else:
        levels = best(layer, calibration, rounding=rounding).levels
    assert set(np.unique(levels)) <= set(layer.grid.levels)
    assert (levels >= layer.scale_rows(layer.grid.low)).all()
    assert (levels <= layer.scale_rows(layer.grid.high)).all()
    assert max(worst_cases(levels.T, layer.budget.codes, tile)) <= 2 ** (inner_bits - 1) - 1
    assert layer.budget.holds(levels)


def test_narrow_budgets_are_used_to_the_last_unit() -> None:
    weights, inputs = arrays(8, 128, 200)
    layer, calibration = prepared(weights, inputs, inner_bits=12, tile=64)
    for levels in (gpfq(layer, calibration), best(layer, calibration).levels):
        assert 2047 - 128 < max(worst_cases(levels.T, layer.budget.codes, 64)) <= 2047


def slow_gptq(layer: Layer, calibration: Calibration) -> Levels:
    """OPTQ as its definition has it: the inverse of what is left, one input at a time."""
    h = calibration.gram + 0.01 * np.diagonal(calibration.gram).mean() * np.eye(len(calibration.gram))
    w, left = layer.weights.copy(), list(np.argsort(-np.diagonal(h), kind="stable"))
    levels = np.zeros(w.shape, dtype=np.int64)
    while left:
        inverse = np.linalg.inv(h[np.ix_(left, left)])
        t = left[0]
        levels[t] = np.clip(np.rint(w[t] / layer.grid.scales[0]), -8, 7)
        error = (w[t] - levels[t] * layer.grid.scales[0]) / inverse[0, 0]
        w[left[1:]] -= inverse[1:, :1] * error
        left = left[1:]
    return levels


def slow_gpfq(layer: Layer, inputs: NDArray[np.float64], quantized: NDArray[np.float64]) -> Levels:
    """GPFQ as its definition has it: the residual, one input at a time."""
    levels = np.zeros(layer.weights.shape, dtype=np.int64)
    residual = np.zeros((len(inputs), layer.weights.shape[1]))
    for t in np.argsort(-(quantized**2).sum(axis=0), kind="stable"):
        residual += np.outer(inputs[:, t], layer.weights[t])
        ideal = quantized[:, t] @ residual / (quantized[:, t] @ quantized[:, t])
        levels[t] = np.clip(np.rint(ideal / layer.grid.scales[0]), -8, 7)
        residual -= np.outer(quantized[:, t], levels[t] * layer.grid.scales[0])
    return levels


def test_without_a_budget_they_are_the_published_solvers() -> None:
    weights, inputs = arrays(6, 150, 400)
    layer, calibration = prepared(weights, inputs, inner_bits=None)
    assert np.array_equal(gptq(layer, damped(calibration.gram, 0.01)), slow_gptq(layer, calibration))
    expected = slow_gpfq(layer, calibration.inputs, calibration.quantized)
    assert np.array_equal(gpfq(layer, calibration), expected)


def clip_error_lost(layer: Layer, calibration: Calibration) -> Levels:
    """The peer's variant: a weight is shrunk and clipped first, and only its rounding error propagates."""
    hessian = damped(calibration.gram, 0.01)
    order, factor = hessian.order, hessian.inverse_factor
    w, scale = layer.weights[order], layer.grid.scales[0]
    levels = np.zeros(w.shape, dtype=np.int64)
    thresholds = soft_thresholds(layer.budget, layer.steps)
    for place, t in enumerate(order):
        pos, neg = layer.budget.sums(levels)
        tile = layer.budget.tile_of(int(t))
        value = np.sign(w[place]) * np.maximum(np.abs(w[place]) / scale - thresholds[tile], 0)
        value = np.clip(value, *layer.budget.room(pos[tile], neg[tile]))
        levels[t] = np.clip(np.rint(value), -8, 7)
        w[place + 1 :] -= (
            factor[place, place + 1 :, np.newaxis] * (value - levels[t]) * scale / factor[place, place]
        )
    return levels


def test_propagating_the_clip_error_pays() -> None:
    ours = theirs = 0.0
    for seed in range(5, 8):
        random = np.random.default_rng(seed)
        weights, axes = random.standard_normal((16, 128)), random.standard_normal((48, 128)) / 7
        inputs = random.standard_normal((400, 48)) @ axes + 0.2 * random.standard_normal((400, 128))
        layer, calibration = prepared(weights, inputs, inner_bits=14)
        kept, lost = gptq(layer, damped(calibration.gram, 0.01)), clip_error_lost(layer, calibration)
        assert layer.budget.holds(lost)
        ours += calibration.error(layer.weights, layer.values(kept)).sum()
        theirs += calibration.error(layer.weights, layer.values(lost)).sum()
    assert ours < 0.92 * theirs


def best_levels(layer: Layer, calibration: Calibration) -> Levels:
    return best(layer, calibration).levels


@pytest.mark.parametrize(
    "solve",
    [lambda layer, calibration: gptq(layer, damped(calibration.gram, 0.01)), gpfq, best_levels],
    ids=["gptq", "gpfq", "best"],
)
def test_dead_inputs_take_no_budget(solve: Callable[[Layer, Calibration], Levels]) -> None:
    weights, inputs = arrays(4, 64, 100)
    inputs[:, 10:30] = 0
    for inner_bits in (12, 20):
        layer, calibration = prepared(weights, inputs, inner_bits=inner_bits)
        assert calibration.dead.sum() == 20
        assert not solve(layer, calibration)[10:30].any()


def test_inputs_of_any_size_do_not_overflow_the_moments() -> None:
    weights, inputs = arrays(4, 32, 100)
    layer, calibration = prepared(weights, inputs)
    huge = prepared(weights, inputs * 2.0**900)[1]
    assert np.isfinite(huge.gram).all()
    assert np.array_equal(gpfq(layer, huge), gpfq(layer, calibration))
