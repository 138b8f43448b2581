"""Our solver: several greedy starts, refined, and for each output channel the one of least error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import soft_thresholds
from anda.ptq.calibration import Calibration
from anda.ptq.gpfq import gpfq
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer, spread
from anda.ptq.grid import Rounding
from anda.ptq.hessian import Damped
from anda.ptq.refine import Objective, refine
from anda.ptq.regularize import Regularization, regularize

__all__ = ["Best", "best"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Start:
    """A greedy pass to begin with."""

    name: str
    solver: Literal["gptq", "gpfq"]
    act_order: bool
    soft: bool


_STARTS = (
    _Start("optq", "gptq", act_order=True, soft=False),
    _Start("optq, as they come", "gptq", act_order=False, soft=False),
    _Start("optq, soft", "gptq", act_order=True, soft=True),
    _Start("gpfq, soft", "gpfq", act_order=True, soft=True),
)

_SWEEPS = 3
"""Refinement of a start before the starts are compared."""

_TRIAL = 128
"""Channels that starts are tried on where there are many more."""

_WORTH = 1 / 8
"""Share of the trial's channels that a start has to win to be made for all of them."""


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
    contest = _Contest(calibration, choice, rounding, tell)
    hessian = contest.hessian
    objective = choice.objective(calibration, hessian, layer.weights)
    star = hessian.solve(objective.linear)
    starts = [s for s in _STARTS if not s.soft or soft_thresholds(layer.budget, layer.steps).any()]
    channels = layer.weights.shape[1]
    if channels > 2 * _TRIAL:
        tried = spread(channels, _TRIAL)
        _, winners = contest.run(layer.part(tried), objective.part(tried), star[:, tried], starts)
        wins = np.bincount(winners, minlength=len(starts))
        starts = [
            s for s, won in zip(starts, wins, strict=True) if won >= min(_WORTH * len(tried), wins.max())
        ]
    levels, winners = contest.run(layer, objective, star, starts)
    tell("refinement")
    levels = refine(layer, objective, levels, seed=len(starts))
    counts = np.bincount(winners, minlength=len(starts)).tolist()
    names = (start.name for start in starts)
    return Best(levels, hessian, choice, dict(zip(names, counts, strict=True)))


class _Contest:
    """Starts against each other."""

    def __init__(
        self, calibration: Calibration, choice: Regularization, rounding: Rounding, tell: Progress
    ) -> None:
        self._calibration, self._rounding, self._tell = calibration, rounding, tell
        self.hessian = choice.hessian(calibration)
        self._as_they_come = choice.hessian(calibration, act_order=False)

    def run(
        self, layer: Layer, objective: Objective, star: NDArray[np.float64], starts: Sequence[_Start]
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """For each channel the best levels [K, C] and the index [C] of the start they came from."""
        levels = np.zeros(layer.weights.shape, dtype=np.int64)
        values = np.full(layer.weights.shape[1], np.inf)
        winners = np.zeros(layer.weights.shape[1], dtype=np.intp)
        for index, start in enumerate(starts):
            self._tell(start.name)
            found = refine(layer, objective, self._greedy(layer, star, start), sweeps=_SWEEPS, seed=index)
            reached = objective(layer.values(found))
            better = np.flatnonzero(reached < values)
            levels[:, better], values[better], winners[better] = found[:, better], reached[better], index
        return levels, winners

    def _greedy(self, layer: Layer, star: NDArray[np.float64], start: _Start) -> NDArray[np.int64]:
        if start.solver == "gpfq":
            return gpfq(
                layer,
                self._calibration,
                act_order=start.act_order,
                soft=start.soft,
                rounding=self._rounding,
            )
        hessian = self.hessian if start.act_order else self._as_they_come
        return gptq(layer, hessian, start=star, soft=start.soft, rounding=self._rounding)


def _silent(step: str) -> None:
    """Progress that nobody watches."""
