"""Moves that never raise the error or break a budget, and reach what single moves cannot."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from anda.ptq.best import best
from anda.ptq.calibration import Calibration
from anda.ptq.gpfq import gpfq
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer
from anda.ptq.hessian import damped
from anda.ptq.refine import Objective, refine
from anda.ptq.regularize import Regularization, regularize
from tests.anda.ptq.layers import arrays, prepared


def objective_of(layer: Layer, calibration: Calibration) -> Objective:
    return Objective(calibration.gram, calibration.cross @ layer.weights)


@pytest.mark.parametrize("form", ["int4", "e2m1", "int4-zp"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("tile", [None, 50])
def test_no_channel_gets_worse_and_every_budget_holds(form: str, signed: bool, tile: int | None) -> None:
    weights, inputs = arrays(5, 170, 300)
    layer, calibration = prepared(weights, inputs, form=form, signed=signed, inner_bits=13, tile=tile)
    objective = objective_of(layer, calibration)
    start = gpfq(layer, calibration)
    end = refine(layer, objective, start)
    before, after = objective(layer.values(start)), objective(layer.values(end))
    assert (after <= before + 1e-9 * np.abs(before)).all()
    # The objective is the error but for a constant.
    errors = [calibration.error(layer.weights, layer.values(q)) for q in (start, end)]
    assert np.allclose(after - before, errors[1] - errors[0])
    assert errors[1].sum() < 0.8 * errors[0].sum()
    assert layer.budget.holds(end)
    assert (end >= layer.scale_rows(layer.grid.low)).all()
    assert (end <= layer.scale_rows(layer.grid.high)).all()
    assert set(np.unique(end)) <= set(layer.grid.levels)


@pytest.mark.parametrize("form", ["int4", "e2m1"])
def test_no_sweep_makes_a_channel_worse(form: str) -> None:
    weights, inputs = arrays(30, 60, 100, 7)
    layer, calibration = prepared(weights, inputs, form=form, inner_bits=12, tile=None)
    objective = objective_of(layer, calibration)
    start = gpfq(layer, calibration)
    reached = objective(layer.values(start))
    for sweeps in range(1, 9):
        after = objective(layer.values(refine(layer, objective, start, sweeps=sweeps)))
        assert (after <= reached + 1e-9 * np.abs(reached)).all()
        reached = after


def improving(layer: Layer, objective: Objective, levels: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Single moves, and moves of one level out and another one in, that lower a channel's objective."""
    found = []
    now = objective(layer.values(levels))
    for a, b in itertools.product(range(len(levels)), repeat=2):
        for step in (1, -1):
            trial = levels.copy()
            trial[a] += step
            if a != b:
                trial[b] -= np.sign(trial[b])
            fits = np.array([layer.budget.holds(trial[:, c : c + 1]) for c in range(trial.shape[1])])
            fits &= (np.abs(trial) <= 7).all(axis=0)
            gain = now - objective(layer.values(trial))
            found += [(a, b, step, int(c)) for c in np.flatnonzero(fits & (gain > 1e-3 * np.abs(now)))]
    return found


@pytest.mark.parametrize("signed", [True, False])
def test_it_ends_where_no_move_helps(signed: bool) -> None:
    weights, inputs = arrays(4, 24, 100)
    layer, calibration = prepared(weights, inputs, form="int4-sym", signed=signed, inner_bits=12, tile=None)
    objective = objective_of(layer, calibration)
    start = gpfq(layer, calibration)
    assert improving(layer, objective, start)
    assert not improving(layer, objective, refine(layer, objective, start, sweeps=50))


def test_a_trade_reaches_what_single_moves_cannot() -> None:
    # Two inputs, room for one unit in all: the better place for it is taken.
    layer, _ = prepared(np.array([[1.0, 2.0]]), np.eye(2), inner_bits=8, signed=False, tile=None)
    grid = layer.grid
    object.__setattr__(grid, "scales", np.ones((1, 1)))
    objective = Objective(np.eye(2), layer.weights)
    stuck = np.array([[0], [0]])
    assert layer.budget.room(np.zeros(1, int), np.zeros(1, int))[1] == 0
    assert np.array_equal(refine(layer, objective, stuck), stuck)
    wider, _ = prepared(np.array([[1.0, 2.0]]), np.eye(2), inner_bits=9, signed=False, tile=None)
    object.__setattr__(wider.grid, "scales", np.ones((1, 1)))
    assert refine(wider, objective, np.array([[1], [0]])).ravel().tolist() == [0, 1]


def test_parts_of_a_layer_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    weights, inputs = arrays(9, 80, 120)
    layer, calibration = prepared(weights, inputs, inner_bits=12)
    objective = objective_of(layer, calibration)
    start = gpfq(layer, calibration)
    monkeypatch.setattr("anda.ptq.refine._CHANNELS", 4)
    parts = refine(layer, objective, start)
    for first in (0, 4, 8):
        part = slice(first, first + 4)
        alone = refine(layer.part(part), objective.part(part), start[:, part])
        assert np.array_equal(alone, parts[:, part])


def test_the_best_is_not_behind_any_start() -> None:
    weights, inputs = arrays(12, 96, 200)
    for inner_bits in (12, 16):
        layer, calibration = prepared(weights, inputs, inner_bits=inner_bits)
        found = best(layer, calibration)
        objective = found.regularization.objective(calibration, found.hessian, layer.weights)
        reached = objective(layer.values(found.levels))
        start = found.hessian.solve(objective.linear)
        for soft in (True, False):
            levels = gptq(layer, found.hessian, start=start, soft=soft)
            assert (reached <= objective(layer.values(levels))).all()
        assert sum(found.chosen.values()) == 12


def test_starts_that_win_nothing_in_a_trial_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anda.ptq.best._TRIAL", 8)
    weights, inputs = arrays(40, 48, 100)
    layer, calibration = prepared(weights, inputs, inner_bits=12, tile=None)
    told: list[str] = []
    found = best(layer, calibration, progress=told.append)
    assert told[0] == "regularization"
    assert told[-1] == "refinement"
    assert set(found.chosen) <= set(told)
    assert len(told) == 2 + 4 + len(found.chosen)
    assert sum(found.chosen.values()) == 40


def test_few_rows_are_trusted_less_than_many() -> None:
    weights, inputs = arrays(32, 64, 4000)
    few = prepared(weights, inputs[:80], inner_bits=None)
    many = prepared(weights, inputs, inner_bits=None)
    assert regularize(*few).shrinkage > regularize(*many).shrinkage
    assert regularize(*prepared(weights, inputs[:5])) == Regularization(0.1, cross=False)


def test_the_regularized_error_is_the_error_without_regularization() -> None:
    weights, inputs = arrays(3, 20, 50)
    layer, calibration = prepared(weights, inputs)
    choice = Regularization(0.0, cross=True)
    hessian = choice.hessian(calibration)
    objective = choice.objective(calibration, hessian, layer.weights)
    ridge = hessian.damping
    for levels in (gpfq(layer, calibration), gptq(layer, damped(calibration.gram, 0.01))):
        values = layer.values(levels)
        exact = calibration.error(layer.weights, values) + ridge * ((values - layer.weights) ** 2).sum(axis=0)
        constant = calibration.energy(layer.weights) + ridge * (layer.weights**2).sum(axis=0)
        assert np.allclose(objective(values) + constant, exact)
