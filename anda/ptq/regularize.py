"""How far second moments of few rows are to be trusted, decided on rows that took no part in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import Budget
from anda.ptq.calibration import Calibration
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer, spread
from anda.ptq.hessian import Damped, damped
from anda.ptq.refine import Objective

__all__ = ["Regularization", "regularize"]

RIDGE = 1e-4
"""Part of the mean diagonal that is always added: no input is free of cost."""

_HOLD_OUT = 8
"""Every eighth calibration row judges a regularization that was fitted on the others."""

_JUDGES = 64
"""Channels that a regularization is judged by."""


@dataclass(frozen=True)
class Regularization:
    """How far to trust second moments of few rows.

    Attributes
    ----------
    shrinkage : float
        Share in [0, 1] by which moments of two different inputs shrink toward 0.
    cross : bool
        Whether what two different inputs tell of each other's rounding errors is used. If not, only each
        input's own rounding error is.
    """

    shrinkage: float
    cross: bool

    def hessian(self, calibration: Calibration, *, act_order: bool = True) -> Damped:
        """The regularized moments of the quantized inputs."""
        gram = (1 - self.shrinkage) * calibration.gram
        np.fill_diagonal(gram, np.diagonal(calibration.gram))
        return damped(gram, RIDGE, act_order=act_order)

    def objective(self, calibration: Calibration, hessian: Damped, weights: NDArray[np.float64]) -> Objective:
        """The error to minimize for weights [K, C].

        `Xq^T (X w - Xq v) = (G - H) w + H (w - v)`: the first term is what the inputs' rounding errors make
        of the weights. It is taken from the samples, or only its diagonal is.
        """
        noise = calibration.cross - calibration.gram
        if not self.cross:
            noise = np.diag(np.diagonal(noise))
        matrix, linear = hessian.matrix, hessian.matrix @ weights + noise @ weights
        if hessian.dead.any():
            # The ridge alone would hold weights that have no effect, and spend budget on them.
            matrix = matrix.copy()
            matrix[hessian.dead], linear[hessian.dead] = 0, 0
        return Objective(matrix, linear)


_SHRINKAGES = (0.0, 0.01, 0.03, 0.1, 0.25, 0.4, 0.6)
_FIRST = 3
"""Where the walk over shrinkages begins."""


def regularize(layer: Layer, calibration: Calibration) -> Regularization:
    """Choose by the error on every eighth row, of some channels rounded without a budget.

    A walk over shrinkages goes on for as long as the error falls.

    Parameters
    ----------
    layer : Layer
    calibration : Calibration
        With fewer than 16 rows there is nothing to judge by: medium shrinkage is taken.
    """
    rows = len(calibration.inputs)
    medium = Regularization(_SHRINKAGES[_FIRST], False)
    if rows < 2 * _HOLD_OUT:
        return medium
    judges = np.arange(rows) % _HOLD_OUT == _HOLD_OUT - 1
    fitted = Calibration.between(calibration.inputs[~judges], calibration.quantized[~judges])
    judged = Calibration.between(calibration.inputs[judges], calibration.quantized[judges])
    channels = spread(layer.weights.shape[1], _JUDGES)
    free = Budget(layer.budget.codes, None, layer.budget.tile)
    part = replace(layer.part(channels), budget=free)

    def error(choice: Regularization, hessian: Damped) -> float:
        start = hessian.solve(choice.objective(fitted, hessian, part.weights).linear)
        levels = gptq(part, hessian, start=start, soft=False)
        return float(judged.error(part.weights, part.values(levels)).sum())

    hessian = medium.hessian(fitted)
    best, least = medium, error(medium, hessian)
    crossed = replace(medium, cross=True)
    if (other := error(crossed, hessian)) < least:
        best, least = crossed, other
    for way in (reversed(_SHRINKAGES[:_FIRST]), _SHRINKAGES[_FIRST + 1 :]):
        for shrinkage in way:
            choice = replace(best, shrinkage=shrinkage)
            reached = error(choice, choice.hessian(fitted))
            if reached >= least:
                break
            best, least = choice, reached
        if best.shrinkage != medium.shrinkage:
            break
    return best
