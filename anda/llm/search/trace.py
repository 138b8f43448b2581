"""What a search looked at, in order, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from anda.llm.evaluate import Scores
from anda.llm.search.objective import Objective
from anda.llm.search.space import Lengths

__all__ = ["Evaluate", "Found", "Report", "Visit"]

Evaluate = Callable[[Sequence[Lengths]], Sequence[Scores]]
"""Measures some combinations, several at a time where it can; the answers are in order."""


@dataclass(frozen=True)
class Visit:
    """One combination that was evaluated on the whole text.

    Attributes
    ----------
    lengths : tuple of int
    cost : Fraction
        By the objective.
    saving : float
        Against FP16.
    scores : Scores
    passed : bool
        Whether it is within the tolerance.
    accepted : bool
        Whether it became the best so far.
    """

    lengths: Lengths
    cost: Fraction
    saving: float
    scores: Scores
    passed: bool
    accepted: bool

    @classmethod
    def of(
        cls, lengths: Lengths, objective: Objective, scores: Scores, *, passed: bool, best: Visit | None
    ) -> Visit:
        """A visit, accepted when it passed at a lower cost than the best so far."""
        cost = objective.cost(lengths)
        accepted = passed and (best is None or cost < best.cost)
        return cls(lengths, cost, objective.saving(lengths), scores, passed, accepted)


@dataclass(frozen=True)
class Found:
    """The answer of a search.

    Attributes
    ----------
    visits : tuple of Visit
        Everything evaluated on the whole text, in order.
    probes : tuple of (Lengths, Scores)
        What was measured on the sample to learn sensitivities; none in the published search.
    pending : int
        Combinations that were known and not evaluated, as they could not have been accepted any more.
    """

    visits: tuple[Visit, ...]
    probes: tuple[tuple[Lengths, Scores], ...] = ()
    pending: int = 0

    @property
    def best(self) -> Visit | None:
        """The last one accepted."""
        return next((visit for visit in reversed(self.visits) if visit.accepted), None)


Report = Callable[[Visit], None]
"""Told about each visit."""
