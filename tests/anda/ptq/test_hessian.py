"""Damping that grows until a Hessian can be inverted, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from anda.ptq.hessian import damped, greedy_order, numerical_rank


def gram(inputs: int, rows: int) -> np.ndarray:
    x = np.random.default_rng(rows).standard_normal((rows, inputs)) * np.geomspace(1, 100, inputs)
    return np.asarray(x.T @ x)


@pytest.mark.parametrize("act_order", [True, False])
def test_the_factor_propagates_and_solves(act_order: bool) -> None:
    h = gram(20, 50)
    found = damped(h, 0.01, act_order=act_order)
    assert found.attempts == 1
    assert np.allclose(found.matrix, h + 0.01 * np.diagonal(h).mean() * np.eye(20))
    permuted = found.matrix[np.ix_(found.order, found.order)]
    u = found.inverse_factor
    assert np.array_equal(u, np.triu(u))
    assert np.allclose(u.T @ u @ permuted, np.eye(20), atol=1e-8)
    right = np.random.default_rng(0).standard_normal((20, 3))
    assert np.allclose(found.matrix @ found.solve(right), right)
    assert np.array_equal(found.order, greedy_order(h, act_order))


@pytest.mark.parametrize(
    "singular",
    [
        gram(20, 5),
        np.zeros((20, 20)),
        np.ones((20, 20)),
        -np.eye(20),
        gram(20, 50) - 1e5 * np.eye(20),
    ],
    ids=["few rows", "zero", "rank one", "negative", "indefinite"],
)
def test_damping_grows_until_it_does(singular: np.ndarray) -> None:
    found = damped(singular, 0.0)
    assert found.attempts > 1
    assert found.damping > 0
    assert np.isfinite(found.inverse_factor).all()
    assert np.linalg.eigvalsh(found.matrix).min() > 0


def test_what_cannot_be_damped_is_refused() -> None:
    with pytest.raises(ValueError, match="should be finite"):
        damped(np.full((3, 3), np.nan), 0.01)
    with pytest.raises(ValueError, match="at least 0"):
        damped(np.eye(3), -1)


def test_rank() -> None:
    assert numerical_rank(gram(20, 50)) == 20
    assert numerical_rank(gram(20, 5)) == 5
    assert numerical_rank(np.zeros((4, 4))) == 0
