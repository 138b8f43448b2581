"""Hessians that can be inverted: damping that grows until they can, and a record of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, lapack

__all__ = ["Damped", "damped", "greedy_order", "numerical_rank"]

_GROWTH = 10.0
_LEAST = 1e-10
"""First damping that is tried, relative to the mean diagonal, when the one asked for does not do."""


@dataclass(frozen=True)
class Damped:
    """A symmetric matrix made positive definite by adding to its diagonal.

    Attributes
    ----------
    matrix : float64 array [K, K]
        `H + damping * I`.
    damping : float
        What was added.
    attempts : int
        Factorizations it took; 1 when the damping asked for was enough.
    dead : bool array [K]
        Where the diagonal was 0: inputs without effect.
    order : int array [K]
        Rows and columns of the factor: those of the matrix in this order.
    factor : float64 array [K, K]
        M, upper triangular, with `M M^T = matrix[order][:, order]`.
    """

    matrix: NDArray[np.float64]
    damping: float
    attempts: int
    dead: NDArray[np.bool_]
    order: NDArray[np.intp]
    factor: NDArray[np.float64]

    @cached_property
    def inverse_factor(self) -> NDArray[np.float64]:
        """U, upper triangular, with `U^T U` the inverse in this order: what OPTQ propagates errors by."""
        inverse, _ = lapack.dtrtri(self.factor, lower=0)
        # By rows, as they are read.
        return np.ascontiguousarray(inverse)

    def solve(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """`matrix^-1 right` for a matrix [K, n]."""
        # M M^T is the Cholesky factorization of the matrix in reverse order.
        backward = self.order[::-1]
        solution = np.empty_like(right)
        solution[backward] = cho_solve((self.factor[::-1, ::-1], True), right[backward])
        return solution


def damped(gram: NDArray[np.float64], ratio: float, *, act_order: bool = True) -> Damped:
    """Add `ratio` times the mean diagonal, and more if that does not make the matrix positive definite.

    Parameters
    ----------
    gram : float64 array [K, K]
        Symmetric; it may be singular, indefinite, or zero.
    ratio : float
        At least 0. Ten times more is tried until the Cholesky factorization and the inverse of its factor
        exist and are finite.
    act_order : bool
        Order by falling diagonal, as OPTQ then visits the inputs; otherwise as they come.

    Raises
    ------
    ValueError
        When the ratio is negative or an element of the matrix is not finite: nothing can be learnt from it.
    """
    if not ratio >= 0:
        raise ValueError(f"damping should be at least 0 times the mean diagonal, not {ratio}")
    if not np.isfinite(gram).all():
        raise ValueError("a Hessian should be finite, but one of its elements is not")
    mean = float(np.abs(np.diagonal(gram)).mean()) or 1.0
    order = greedy_order(gram, act_order)
    for attempt in range(1, 400):
        damping = ratio * mean
        matrix = gram + damping * np.eye(len(gram))
        factor = _upper_factor(matrix[np.ix_(order, order)])
        if factor is not None:
            return Damped(matrix, damping, attempt, np.diagonal(gram) == 0, order, factor)
        ratio = max(ratio * _GROWTH, _LEAST)
    raise ValueError("a Hessian could not be made positive definite")


def _upper_factor(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """M, upper triangular, with `M M^T` the matrix; None if there is none that can be inverted."""
    reverse, info = lapack.dpotrf(np.ascontiguousarray(matrix[::-1, ::-1]), lower=1, clean=1)
    diagonal = np.diagonal(reverse)
    if info or not np.isfinite(reverse).all() or not diagonal.min() > 1e-8 * diagonal.max():
        return None
    return np.ascontiguousarray(reverse[::-1, ::-1])


def greedy_order(gram: NDArray[np.float64], act_order: bool) -> NDArray[np.intp]:
    """Order in which inputs are visited: by falling diagonal of the Hessian, or as they come."""
    if not act_order:
        return np.arange(len(gram))
    return np.argsort(-np.diagonal(gram), kind="stable")


def numerical_rank(gram: NDArray[np.float64]) -> int:
    """Rank of a positive semidefinite matrix by Cholesky with pivoting, to LAPACK's tolerance.

    Exact zero matrices have rank 0.
    """
    if not gram.any():
        return 0
    _, _, rank, _ = lapack.dpstrf(gram, lower=1)
    return int(rank)
