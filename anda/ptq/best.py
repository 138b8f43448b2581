"""Our solver: several greedy starts, refined, and for each output channel the one of least error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import Budget, soft_thresholds
from anda.ptq.calibration import Calibration
from anda.ptq.gpfq import gpfq
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer
from anda.ptq.grid import Rounding, WeightGrid
from anda.ptq.hessian import Damped, damped
from anda.ptq.refine import Objective, refine

__all__ = ["Best", "Regularization", "best", "regularize"]

Progress = Callable[[str], None]

RIDGE = 1e-4
"""Part of the mean diagonal that is always added: no input is free of cost."""

_HOLD_OUT = 4
"""Every fourth calibration row judges a regularization that was fitted on the others."""

_CHANNELS = 64
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
        if self.cross:
            return Objective(hessian.matrix, (hessian.matrix + noise) @ weights)
        own = np.diagonal(noise)[:, np.newaxis] * weights
        return Objective(hessian.matrix, hessian.matrix @ weights + own)


_SHRINKAGES = (0.25, 0.1, 0.4)
"""The first one decides about `cross`."""


_STARTS: tuple[tuple[str, Literal["gptq", "gpfq"], bool, bool], ...] = (
    ("optq", "gptq", True, False),
    ("optq, as they come", "gptq", False, False),
    ("optq, soft", "gptq", True, True),
    ("gpfq, soft", "gpfq", True, True),
)
"""Name, solver, act_order and soft part of each start."""

_WITHOUT_SOFT = 2
"""The first so many do without the soft part; the others equal them where it does nothing."""

_SWEEPS = 3
"""Refinement of a start before the starts are compared."""


def regularize(layer: Layer, calibration: Calibration) -> Regularization:
    """Choose by the error on every fourth row, of some channels rounded without a budget.

    Parameters
    ----------
    layer : Layer
    calibration : Calibration
        With fewer than 8 rows there is nothing to judge by: medium shrinkage is taken.
    """
    rows = len(calibration.inputs)
    medium = Regularization(_SHRINKAGES[0], False)
    if rows < 2 * _HOLD_OUT:
        return medium
    judges = np.arange(rows) % _HOLD_OUT == _HOLD_OUT - 1
    fitted = Calibration.between(calibration.inputs[~judges], calibration.quantized[~judges])
    judged = Calibration.between(calibration.inputs[judges], calibration.quantized[judges])
    channels = np.unique(np.linspace(0, layer.weights.shape[1] - 1, _CHANNELS).astype(int))
    part = _channels(layer, channels)

    def error(choice: Regularization, hessian: Damped) -> float:
        start = hessian.solve(choice.objective(fitted, hessian, part.weights).linear)
        levels = gptq(part, hessian, start=start, soft=False)
        return float(judged.error(part.weights, part.values(levels)).sum())

    hessian = medium.hessian(fitted)
    errors = {choice: error(choice, hessian) for choice in (medium, replace(medium, cross=True))}
    cross = min(errors, key=errors.__getitem__).cross
    for shrinkage in _SHRINKAGES[1:]:
        choice = Regularization(shrinkage, cross)
        errors[choice] = error(choice, choice.hessian(fitted))
    return min(errors, key=errors.__getitem__)


def _channels(layer: Layer, channels: NDArray[Any]) -> Layer:
    grid: WeightGrid = replace(
        layer.grid,
        scales=layer.grid.scales[:, channels],
        low=layer.grid.low[:, channels],
        high=layer.grid.high[:, channels],
    )
    free = Budget(layer.budget.codes, None, layer.budget.tile)
    return Layer(np.ascontiguousarray(layer.weights[:, channels]), grid, free)


@dataclass(frozen=True)
class Best:
    """What `best` found.

    Attributes
    ----------
    levels : int64 array [K, C]
    hessian : Damped
    regularization : Regularization
    chosen : dict of int
        Channels that each start won.
    """

    levels: NDArray[np.int64]
    hessian: Damped
    regularization: Regularization
    chosen: dict[str, int]


def best(
    layer: Layer,
    calibration: Calibration,
    *,
    rounding: Rounding = "nearest",
    progress: Progress | None = None,
) -> Best:
    """Refine several starts and take the best one for each channel, as the error separates by channel.

    Parameters
    ----------
    layer : Layer
    calibration : Calibration
    rounding : str
        Of the greedy passes.
    progress : callable, optional
        Told what begins.
    """
    tell = progress or _silent
    tell("regularization")
    choice = regularize(layer, calibration)
    hessian = choice.hessian(calibration)
    objective = choice.objective(calibration, hessian, layer.weights)
    star = hessian.solve(objective.linear)
    levels = np.zeros(layer.weights.shape, dtype=np.int64)
    values = np.full(layer.weights.shape[1], np.inf)
    winners = np.zeros(layer.weights.shape[1], dtype=int)
    starts = _STARTS if soft_thresholds(layer.budget, layer.steps).any() else _STARTS[:_WITHOUT_SOFT]
    for index, (name, kind, act_order, soft) in enumerate(starts):
        tell(name)
        if kind == "gptq":
            order = hessian if act_order else choice.hessian(calibration, act_order=False)
            start = gptq(layer, order, start=star, soft=soft, rounding=rounding)
        else:
            start = gpfq(layer, calibration, act_order=act_order, soft=soft, rounding=rounding)
        found = refine(layer, objective, start, sweeps=_SWEEPS, seed=index)
        reached = objective(layer.values(found))
        better = np.flatnonzero(reached < values)
        levels[:, better], values[better], winners[better] = found[:, better], reached[better], index
    tell("refinement")
    levels = refine(layer, objective, levels, seed=len(starts))
    counts = np.bincount(winners, minlength=len(starts)).tolist()
    names = (name for name, *_ in starts)
    return Best(levels, hessian, choice, dict(zip(names, counts, strict=True)))


def _silent(step: str) -> None:
    """Progress that nobody watches."""
