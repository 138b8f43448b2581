"""The adaptive precision combination search as published: Anda, arXiv 2411.15982, algorithm 1."""

from __future__ import annotations

import heapq
from fractions import Fraction

from anda.llm.evaluate import Scores
from anda.llm.search.objective import Objective
from anda.llm.search.space import Lengths
from anda.llm.search.tolerance import Tolerance
from anda.llm.search.trace import Evaluate, Found, Report, Visit

__all__ = ["ITERATIONS", "search_published"]

ITERATIONS = 32
"""Limit of the paper."""


def search_published(
    objective: Objective,
    tolerance: Tolerance,
    evaluate: Evaluate,
    *,
    iterations: int = ITERATIONS,
    ahead: int = 1,
    report: Report | None = None,
) -> Found:
    """Start from the uniform lengths, take the cheapest known combination, go on from those that pass.

    Of equal costs the one known first is taken. One that passes at a lower cost than the best becomes the
    best, and its neighbours, each with one length less by one in the order of the variables, become known.
    A combination is evaluated once. The paper goes on until nothing is known or the limit is reached; here
    the search ends when even the cheapest known combination costs as much as the best, as nothing can be
    accepted from then on: `Found.pending` counts what is left. The answer and its trace up to there are the
    same.

    Parameters
    ----------
    objective : Objective
        The paper's is `bops`.
    tolerance : Tolerance
    evaluate : callable
    iterations : int
        Most combinations to evaluate.
    ahead : int
        How many of the cheapest to evaluate together, in case the first ones fail. Changes the time alone.
    report : callable, optional

    Raises
    ------
    ValueError
        When a limit is below 1.
    """
    if iterations < 1 or ahead < 1:
        raise ValueError(f"a search evaluates at least 1 combination, not {min(iterations, ahead)}")
    space = objective.space
    queue: list[tuple[Fraction, int, Lengths]] = []
    known: set[Lengths] = set()

    def add(lengths: Lengths) -> None:
        if lengths not in known:
            heapq.heappush(queue, (objective.cost(lengths), len(known), lengths))
            known.add(lengths)

    for length in space.lengths:
        add(space.uniform(length))
    visits: list[Visit] = []
    best: Visit | None = None
    answers: dict[Lengths, Scores] = {}
    while queue and len(visits) < iterations and (best is None or queue[0][0] < best.cost):
        if queue[0][2] not in answers:
            batch = [entry[2] for entry in heapq.nsmallest(min(ahead, iterations - len(visits)), queue)]
            batch = [lengths for lengths in batch if lengths not in answers]
            answers.update(zip(batch, evaluate(batch), strict=True))
        lengths = heapq.heappop(queue)[2]
        scores = answers[lengths]
        visit = Visit.of(lengths, objective, scores, passed=tolerance.passes(scores), best=best)
        visits.append(visit)
        if report is not None:
            report(visit)
        if visit.accepted:
            best = visit
            for index, own in enumerate(lengths):
                if own is not None and own > space.shortest:
                    add((*lengths[:index], own - 1, *lengths[index + 1 :]))
    return Found(tuple(visits), pending=min(len(queue), iterations - len(visits)))
