"""The search from sensitivities, on a model of rounding errors whose answer is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from anda.llm.evaluate import Scores
from anda.llm.search import (
    Lengths,
    Objective,
    Space,
    Tolerance,
    Variable,
    allocate,
    predict,
    probe_lengths,
    search_published,
    search_sensitivity,
)

KINDS = tuple(
    Variable(name, 64, outputs) for name, outputs in (("qkv", 5), ("o", 3), ("up_gate", 16), ("down", 8))
)
BOPS = Objective("bops", Space(KINDS))
WEIGHTS = np.array([8.0, 0.3, 1.0, 3.0])
"""Divergence of each kind at length 0, in nats."""

KL = Tolerance("kl", 0.01, 20.0)


class Model:
    """Rounding errors that add up exactly: `exaggerate` times what single variables say."""

    def __init__(self, weights: Sequence[float] = WEIGHTS, exaggerate: float = 1.0) -> None:
        self.weights, self.exaggerate = weights, exaggerate
        self.asked: list[Lengths] = []

    def kl(self, lengths: Lengths) -> float:
        single = sum(n is not None for n in lengths) == 1
        total = sum(w * 4.0**-n for w, n in zip(self.weights, lengths, strict=True) if n is not None)
        return total * (1 if single else self.exaggerate)

    def __call__(self, some: Sequence[Lengths]) -> list[Scores]:
        self.asked += some
        return [Scores(99, 20.0 * math.exp(min(self.kl(n), 99)), self.kl(n), 0.9) for n in some]


def cheapest(objective: Objective, model: Model, limit: float) -> float:
    """By trying all combinations."""
    space = objective.space
    costs = [[float(objective.of(variable, n)) for n in space.lengths] for variable in space.variables]
    parts = model.exaggerate * np.array(model.weights)[:, None] * 4.0 ** -np.array(space.lengths)
    total = sum(np.ix_(*costs))
    return float(np.min(total[sum(np.ix_(*parts)) <= limit]))


@pytest.mark.parametrize("goal", ["bops", "cycles", "traffic", "energy"])
def test_the_knapsack_is_exact(goal: str) -> None:
    space = Space(KINDS[:3], shortest=4, longest=9)
    objective = Objective(goal, space)
    divergence = np.random.default_rng(3).uniform(0.5, 2, (3, 1)) * 4.0 ** -np.arange(6)
    front = allocate(objective, divergence)
    assert np.all(np.diff(front.predicted) < 0)
    costs = [objective.cost(front.lengths(point)) for point in range(len(front))]
    assert costs == sorted(costs)
    every = list(itertools.product(space.lengths, repeat=3))
    sums = {n: sum(divergence[v, x - 4] for v, x in enumerate(n)) for n in every}
    for point in range(len(front)):
        lengths = front.lengths(point)
        assert front.predicted[point] == pytest.approx(sums[lengths])
        least = min(objective.cost(n) for n in every if sums[n] <= sums[lengths])
        assert costs[point] == least


def test_a_fine_objective_is_rounded_to_a_bounded_number_of_steps() -> None:
    """Costs that share no unit: the front is as long as the table allows, and nearly as good."""
    variables = tuple(Variable(str(index), 64, 1009 + 97 * index) for index in range(12))
    objective = Objective("bops", Space(variables))
    divergence = np.linspace(1, 3, 12)[:, None] * 4.0 ** -np.arange(10)
    front = allocate(objective, divergence)
    point = front.within(1e-3)
    assert front.predicted[point] <= 1e-3 < front.predicted[point - 1]
    assert len(front) > 1000
    # No exchange of one bit between two variables is both allowed and clearly cheaper.
    lengths = front.lengths(point)
    for up, down in itertools.permutations(range(12), 2):
        other = list(lengths)
        other[up], other[down] = other[up] + 1, other[down] - 1
        if min(other) >= 4 and max(other) <= 13:
            kl = sum(divergence[v, n - 4] for v, n in enumerate(other))
            assert kl > 1e-3 or objective.cost(tuple(other)) > objective.cost(lengths) * 0.9995


def test_a_variable_that_costs_next_to_nothing() -> None:
    """It takes no step of the rounded cost, so it gets the length that is best."""
    objective = Objective("bops", Space((Variable("a", 1, 1), Variable("b", 10**6 + 3, 10**6 + 7))))
    front = allocate(objective, np.ones((2, 1)) * 4.0 ** -np.arange(10))
    assert {front.lengths(point)[0] for point in range(len(front))} == {13}


def test_one_length_is_one_point() -> None:
    front = allocate(Objective("bops", Space(KINDS, shortest=7, longest=7)), np.ones((4, 1)))
    assert [front.lengths(point) for point in range(len(front))] == [(7, 7, 7, 7)]


def test_probes_are_one_variable_at_a_time() -> None:
    space = Space(KINDS)
    assert probe_lengths(space, 6) == [
        (6, None, None, None),
        (None, 6, None, None),
        (None, None, 6, None),
        (None, None, None, 6),
    ]
    divergence = predict(space, Model()(probe_lengths(space, 6)), 6)
    assert divergence == pytest.approx(WEIGHTS[:, None] * 4.0 ** -np.arange(4, 14))


def test_an_unmeasurable_variable_is_not_free() -> None:
    """Noise may make a divergence negative; the prediction stays positive, so that longer is never worse."""
    measured = [Scores(99, 20.0, kl, 1.0) for kl in (-1e-9, 0.0, 1e-3, 1e-3)]
    divergence = predict(Space(KINDS), measured, 6)
    assert np.all(divergence > 0)


@pytest.mark.parametrize("goal", ["bops", "cycles", "traffic", "energy"])
@pytest.mark.parametrize("metric", ["kl", "perplexity"])
def test_it_finds_the_cheapest_in_two_evaluations_where_the_model_is_right(goal: str, metric: str) -> None:
    objective = Objective(goal, Space(KINDS))
    tolerance = Tolerance.relative(metric, 0.01, 20.0)
    whole, sample = Model(), Model()
    found = search_sensitivity(objective, tolerance, whole, sample)
    assert sample.asked == probe_lengths(objective.space)
    assert found.best is not None
    assert float(found.best.cost) == cheapest(objective, whole, tolerance.nats)
    assert len(found.visits) <= 2
    assert [visit.lengths for visit in found.visits] == whole.asked
    assert [lengths for lengths, _ in found.probes] == sample.asked


@pytest.mark.parametrize(("exaggerate", "evaluations"), [(0.03, 2), (0.3, 2), (3.0, 3), (30.0, 3)])
def test_evaluations_correct_a_model_that_is_wrong_as_a_whole(exaggerate: float, evaluations: int) -> None:
    whole = Model(exaggerate=exaggerate)
    found = search_sensitivity(BOPS, KL, whole, Model())
    assert found.best is not None
    assert found.best.scores.kl <= KL.limit
    assert float(found.best.cost) <= 1.01 * cheapest(BOPS, whole, KL.limit)
    # One tells how wrong it is, two where a budget may not change so much at a time.
    assert len(found.visits) <= evaluations


def test_it_needs_fewer_evaluations_than_the_published_search_and_saves_as_much() -> None:
    ours = search_sensitivity(BOPS, KL, Model(), Model())
    published = search_published(BOPS, KL, Model())
    assert ours.best is not None
    assert published.best is not None
    assert ours.best.saving >= published.best.saving
    assert len(ours.visits) + len(ours.probes) < len(published.visits)


def test_layers_that_differ_are_worth_lengths_of_their_own() -> None:
    """Four layers of one kind, whose sensitivities span five bits."""
    weights = np.array([4.0, 0.25, 0.016, 0.001])
    layers = Space(tuple(Variable(f"{layer}.down", 64, 8) for layer in range(4)))
    apart = search_sensitivity(Objective("bops", layers), KL, Model(weights), Model(weights))
    together = Space((Variable("down", 64, 8, 4),))
    single = Model([float(weights.sum())])
    one = search_sensitivity(Objective("bops", together), KL, single, single)
    assert apart.best is not None
    assert one.best is not None
    assert apart.best.lengths == (5, 4, 4, 4)
    assert one.best.lengths == (5,)
    assert apart.best.saving > one.best.saving


def test_nothing_passes() -> None:
    told: list[Lengths] = []
    hopeless = Model(exaggerate=1e9)
    found = search_sensitivity(BOPS, KL, hopeless, Model(), report=lambda visit: told.append(visit.lengths))
    assert found.best is None
    assert told[-1] == (13, 13, 13, 13)
    assert told == hopeless.asked


def test_everything_passes() -> None:
    found = search_sensitivity(BOPS, KL, Model(exaggerate=1e-9), Model())
    assert found.best is not None
    assert found.best.lengths == (4, 4, 4, 4)


def test_results_that_are_not_numbers_fail() -> None:
    def broken(some: Sequence[Lengths]) -> list[Scores]:
        return [replace(scores, kl=math.nan) for scores in Model()(some)]

    found = search_sensitivity(BOPS, KL, broken, Model())
    assert found.best is None
    assert found.visits[-1].lengths == (13, 13, 13, 13)


def test_a_perplexity_below_the_float_model_s_is_within_any_tolerance() -> None:
    """As truncation gives it: the search goes down until the perplexity rises again."""

    def shrinking(some: Sequence[Lengths]) -> list[Scores]:
        return [
            replace(scores, perplexity=20.0 * math.exp(scores.kl - 3 * math.sqrt(scores.kl) / 100))
            for scores in Model()(some)
        ]

    tolerance = Tolerance.relative("perplexity", 0.001, 20.0)
    found = search_sensitivity(BOPS, tolerance, shrinking, Model())
    assert found.best is not None
    assert 0.0009 < found.best.scores.kl < 0.005
    assert len(found.visits) <= 8


def test_a_perplexity_that_only_says_yes_or_no_is_bisected() -> None:
    """How far it is from the limit misleads: the bracket closes all the same."""
    variables = tuple(Variable(str(index), 64, 100 + 3 * index) for index in range(40))
    objective = Objective("bops", Space(variables))
    model = Model([1.0] * 40)

    def blunt(some: Sequence[Lengths]) -> list[Scores]:
        return [
            replace(scores, perplexity=20.0 / 0.99 ** (0.5 if scores.kl < 0.003 else 1.01))
            for scores in model(some)
        ]

    found = search_sensitivity(objective, Tolerance.relative("perplexity", 0.01, 20.0), blunt, model)
    assert found.best is not None
    assert 0.0029 < found.best.scores.kl < 0.003
    assert len(found.visits) <= 8


def test_the_number_of_evaluations_is_bounded() -> None:
    whole = Model(exaggerate=30.0)
    assert len(search_sensitivity(BOPS, KL, whole, Model(), evaluations=1).visits) == 1
    with pytest.raises(ValueError, match="at least 1 combination, not 0"):
        search_sensitivity(BOPS, KL, whole, Model(), evaluations=0)
