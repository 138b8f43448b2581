"""The search from measured sensitivities: how far each variable alone moves the model, then a knapsack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anda.llm.evaluate import Scores
from anda.llm.search.allocate import Front, allocate
from anda.llm.search.objective import Objective
from anda.llm.search.space import Lengths, Space
from anda.llm.search.tolerance import Tolerance
from anda.llm.search.trace import Evaluate, Found, Report, Visit

__all__ = ["EVALUATIONS", "PROBE", "predict", "probe_lengths", "search_sensitivity"]

PROBE = 6
"""Length at which a variable is measured, the others in floating point: short, to stand above the errors of
float32 when it is one of many variables."""

EVALUATIONS = 8
"""Most evaluations on the whole text."""

_RESOLUTION = 0.003
"""A cost that is known to this share is known well enough."""

_AIM, _ENOUGH = 0.98, 0.96
"""Shares of the tolerance: what the next evaluation should use, and from where on one is good enough. A
twenty-fifth of the divergence is 0.03 bits, 0.4 % of a length of 8."""

_SURE = 1.05
"""Share of the tolerance from where on a point is not worth an evaluation."""

_FASTEST, _BLIND, _SLOWEST = 16.0, 4.0, 2.0
"""Most that a budget changes at a time, two bits; where a gain in perplexity tells nothing, one bit; least
that it changes by any perplexity, half a bit."""

_SMALLEST = 1e-12
"""Divergence in nats that a variable has at least, so that an unmeasurable one does not look free."""


def search_sensitivity(
    objective: Objective,
    tolerance: Tolerance,
    evaluate: Evaluate,
    sample: Evaluate,
    *,
    probe: int = PROBE,
    evaluations: int = EVALUATIONS,
    report: Report | None = None,
) -> Found:
    """Measure each variable alone, predict every combination, and find the cheapest that really passes.

    Rounding errors of different variables are independent and small, so the divergence of a combination is
    close to the sum of what each variable adds, and one bit more divides that by four (`predict`). A
    knapsack over these gives one combination for each divergence (`allocate`). What the model gets wrong as
    a whole, evaluations on the whole text correct: each tells how far the prediction was off, and the next
    budget follows from it, inside the bracket of the last that failed and the first that passed.

    Parameters
    ----------
    objective : Objective
    tolerance : Tolerance
    evaluate : callable
        On the whole text.
    sample : callable
        On a part of it that is enough to compare variables with each other.
    probe : int
        Length of the variable that is measured.
    evaluations : int
        Most evaluations on the whole text.
    report : callable, optional
        Told about each visit.

    Raises
    ------
    ValueError
        When there are no evaluations, or the space has no codec of the probe's length.
    """
    if evaluations < 1:
        raise ValueError(f"a search evaluates at least 1 combination, not {evaluations}")
    space = objective.space
    probes = probe_lengths(space, probe)
    measured = tuple(zip(probes, sample(probes), strict=True))
    front = allocate(objective, predict(space, [scores for _, scores in measured], probe))
    visits = _descend(front, objective, tolerance, evaluate, evaluations, report)
    return Found(tuple(visits), measured)


def probe_lengths(space: Space, probe: int = PROBE) -> list[Lengths]:
    """Combinations in which one variable has the probe's length and the others are in floating point."""
    space.codec(probe)
    count = len(space.variables)
    return [(None,) * index + (probe,) + (None,) * (count - index - 1) for index in range(count)]


def predict(space: Space, probes: Sequence[Scores], probe: int = PROBE) -> NDArray[np.float64]:
    """Divergence that each variable adds at each length, float64 [variables, lengths], in nats.

    Halving the step of a rounding divides the power of its error by four, and the divergence, which is
    quadratic in small errors, as well: 6 dB for one bit.
    """
    measured = np.array([max(scores.kl, _SMALLEST) for scores in probes])
    return measured[:, None] * 4.0 ** (probe - np.array(space.lengths))


def _descend(
    front: Front,
    objective: Objective,
    tolerance: Tolerance,
    evaluate: Evaluate,
    evaluations: int,
    report: Report | None,
) -> list[Visit]:
    """Evaluate points of the front until the cheapest that passes is known well enough."""
    visits: list[Visit] = []
    best: Visit | None = None
    # A divergence follows its prediction smoothly; a perplexity is moved by chance as well.
    smooth = tolerance.metric == "kl"
    failed, passed = -1, len(front)
    point = front.within(tolerance.nats)
    while len(visits) < evaluations:
        lengths = front.lengths(point)
        (scores,) = evaluate([lengths])
        visit = Visit.of(lengths, objective, scores, passed=tolerance.passes(scores), best=best)
        visits.append(visit)
        if report is not None:
            report(visit)
        used = tolerance.used(scores)
        if visit.passed:
            best, passed = visit, point
        else:
            failed = point
        if visit.passed and (used >= _ENOUGH or (smooth and _next(front, point, used) > _SURE)):
            break
        if _narrow(front, objective, failed, passed):
            break
        wanted = front.within(front.predicted[point] * _change(used, passed=visit.passed, smooth=smooth))
        if failed < 0 or passed == len(front) or smooth or failed < wanted < passed:
            point = min(max(wanted, failed + 1), passed - 1)
        else:
            point = (failed + passed) // 2
    return visits


def _change(used: float, *, passed: bool, smooth: bool) -> float:
    """What to multiply the predicted divergence by after an evaluation."""
    slowest = 1.0 if smooth else _SLOWEST
    if not passed:
        return max(1 / _FASTEST, min(_AIM / used, 1 / slowest))
    return min(max(_AIM / used, slowest), _FASTEST) if used > 0 else _BLIND


def _next(front: Front, point: int, used: float) -> float:
    """What the next cheaper point is expected to use of the tolerance, from what this one does."""
    return used * float(front.predicted[max(point - 1, 0)] / front.predicted[point])


def _narrow(front: Front, objective: Objective, failed: int, passed: int) -> bool:
    """Whether nothing worth an evaluation lies between the two ends."""
    if passed - failed == 1:
        return True
    if failed < 0 or passed == len(front):
        return False
    low, high = (objective.cost(front.lengths(point)) for point in (failed, passed))
    return float(low / high) >= 1 - _RESOLUTION
