"""The cheapest lengths for every divergence: an exact knapsack over all variables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from anda.llm.search.objective import Objective

__all__ = ["Front", "allocate"]

CELLS = 1 << 16
"""Most steps of cost that are told apart; a finer objective is rounded to so many."""


@dataclass(frozen=True, eq=False)
class Front:
    """Combinations that no other one beats in both cost and predicted divergence, by rising cost.

    Attributes
    ----------
    predicted : float64 array [points]
        Divergence in nats, strictly falling.
    """

    predicted: NDArray[np.float64]
    _at: NDArray[np.int64]
    _choices: tuple[NDArray[np.uint8], ...]
    _steps: tuple[tuple[int, ...], ...]
    _shortest: int

    def __len__(self) -> int:
        return len(self.predicted)

    def lengths(self, point: int) -> tuple[int, ...]:
        """The combination at one point."""
        at = int(self._at[point])
        found = []
        for choice, steps in zip(reversed(self._choices), reversed(self._steps), strict=True):
            index = int(choice[at])
            found.append(self._shortest + index)
            at -= steps[index]
        return tuple(reversed(found))

    def within(self, divergence: float) -> int:
        """The cheapest point predicted to diverge by no more; the last one when none is."""
        return min(int(np.count_nonzero(self.predicted > divergence)), len(self) - 1)


def allocate(objective: Objective, divergence: NDArray[np.float64]) -> Front:
    """Solve the knapsack for all budgets at once, by dynamic programming over the cost.

    Exact when the costs are multiples of a unit of which the whole range has at most `CELLS`, as bit
    operations, cycles and traffic of a model are; otherwise costs are rounded to that many units.

    Parameters
    ----------
    objective : Objective
    divergence : float64 array [variables, lengths]
        What each variable adds at each length of the space; what they add together is the sum.
    """
    space = objective.space
    steps = _cost_steps(objective)
    cells = sum(row[-1] for row in steps) + 1
    least = np.full(cells, np.inf)
    least[0] = 0.0
    choices = []
    reach = 0
    for row, own in zip(steps, divergence, strict=True):
        reach += row[-1]
        found = np.full(cells, np.inf)
        choice = np.zeros(cells, dtype=np.uint8)
        for index, (step, added) in enumerate(zip(row, own, strict=True)):
            candidate = least[: reach + 1 - step] + added
            target = found[step : reach + 1]
            better = candidate < target
            target[better] = candidate[better]
            choice[step : reach + 1][better] = index
        least = found
        choices.append(choice)
    before = np.concatenate([[np.inf], np.minimum.accumulate(least)[:-1]])
    at = np.flatnonzero(least < before)
    return Front(least[at], at, tuple(choices), tuple(steps), space.shortest)


def _cost_steps(objective: Objective) -> list[tuple[int, ...]]:
    """Cost of each length over that of the shortest, in whole units, variable by variable."""
    space = objective.space
    exact = [
        [objective.of(variable, length) - objective.of(variable, space.shortest) for length in space.lengths]
        for variable in space.variables
    ]
    unit = _unit([row[1] for row in exact if len(row) > 1], sum((row[-1] for row in exact), Fraction(0)))
    return [tuple(round(step / unit) for step in row) for row in exact]


def _unit(steps: list[Fraction], total: Fraction) -> Fraction:
    """The largest number that all steps are multiples of, or the coarser one that `CELLS` allows."""
    if not steps:
        return Fraction(1)
    denominator = math.lcm(*(step.denominator for step in steps))
    common = Fraction(math.gcd(*(int(step * denominator) for step in steps)), denominator)
    return max(common, total / CELLS)
