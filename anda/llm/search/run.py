"""A search on a real model and text, and its answer as a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from anda.llm.evaluate import Scores
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.llm.search.objective import Objective
from anda.llm.search.published import ITERATIONS, search_published
from anda.llm.search.sensitivity import EVALUATIONS, PROBE, search_sensitivity
from anda.llm.search.space import Lengths, Space
from anda.llm.search.tolerance import Tolerance
from anda.llm.search.trace import Found, Report, Visit

__all__ = ["Answer", "Method", "Timing", "run_search"]

Method = Literal["published", "sensitivity"]


@dataclass(frozen=True)
class Timing:
    """Processor seconds of evaluation, each when it was measured, be it now or long ago.

    Attributes
    ----------
    evaluations : float
        On the whole text, without those of the published search that `ahead` was for nothing.
    probes : float
    """

    evaluations: float
    probes: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.evaluations + self.probes


@dataclass(frozen=True)
class Answer:
    """What a search was asked and what it found.

    Attributes
    ----------
    method : str
    objective : Objective
    tolerance : Tolerance
    found : Found
    tokens, probe_tokens : int
        Predicted tokens of the whole text and of the sample; the latter 0 when nothing is probed.
    timing : Timing
        Not part of `as_dict`, which is the same every time.
    """

    method: Method
    objective: Objective
    tolerance: Tolerance
    found: Found
    tokens: int
    probe_tokens: int
    timing: Timing

    @property
    def plan(self) -> Plan | None:
        """The best combination, as a plan."""
        best = self.found.best
        return None if best is None else Plan(self.objective.space.activations(best.lengths))

    @property
    def effort(self) -> float:
        """Tokens that went through the model, in evaluations on the whole text."""
        return len(self.found.visits) + len(self.found.probes) * self.probe_tokens / self.tokens

    def as_dict(self) -> dict[str, Any]:
        """The record: the same for the same question, whether it was measured now or kept."""
        space, found = self.objective.space, self.found
        return {
            "method": self.method,
            "encoding": space.encoding,
            "group": space.group,
            "shortest": space.shortest,
            "longest": space.longest,
            "objective": self.objective.as_dict(),
            "tolerance": self.tolerance.as_dict(),
            "variables": list(space.names),
            "tokens": self.tokens,
            "probes": self._probes(),
            "visits": [_visit(visit) for visit in found.visits],
            "pending": found.pending,
            "effort": self.effort,
            "best": self._best(found.best),
        }

    def _probes(self) -> dict[str, Any] | None:
        if not self.found.probes:
            return None
        length = next(n for n in self.found.probes[0][0] if n is not None)
        kl = {
            name: scores.kl
            for name, (_, scores) in zip(self.objective.space.names, self.found.probes, strict=True)
        }
        return {"tokens": self.probe_tokens, "length": length, "kl": kl}

    def _best(self, best: Visit | None) -> dict[str, Any] | None:
        if best is None or self.plan is None:
            return None
        named = dict(zip(self.objective.space.names, best.lengths, strict=True))
        return {"lengths": named, "plan": str(self.plan), "saving": best.saving, **asdict(best.scores)}


def run_search(
    method: Method,
    objective: Objective,
    tolerance: Tolerance,
    whole: Meter,
    sample: Meter,
    *,
    limit: int | None = None,
    probe: int = PROBE,
    report: Report | None = None,
    probed: Callable[[], None] | None = None,
) -> Answer:
    """Search with a model and a text.

    Parameters
    ----------
    method : str
        "published" or "sensitivity".
    objective : Objective
    tolerance : Tolerance
    whole, sample : Meter
        Of the text, and of the part of it on which the second method measures variables one by one.
    limit : int, optional
        Most evaluations on the whole text; the method's own by default.
    probe : int
        Length at which variables are measured.
    report, probed : callable, optional
        Told about each visit, and whenever one more variable was measured.

    Raises
    ------
    ValueError
        When there is no such method, or the limit is below 1.
    """
    if method not in get_args(Method):
        raise ValueError(f"the method should be {' or '.join(get_args(Method))}, not {method!r}")
    space = objective.space
    visits, probes = _Watched(whole, space), _Watched(sample, space, probed)
    if method == "published":
        found = search_published(
            objective,
            tolerance,
            visits,
            iterations=ITERATIONS if limit is None else limit,
            ahead=whole.workers.count,
            report=report,
        )
    else:
        found = search_sensitivity(
            objective,
            tolerance,
            visits,
            probes,
            probe=probe,
            evaluations=EVALUATIONS if limit is None else limit,
            report=report,
        )
    spent = sum(visits.seconds[visit.lengths] for visit in found.visits)
    timing = Timing(spent, sum(probes.seconds.values()))
    tokens = found.visits[0].scores.tokens
    return Answer(
        method,
        objective,
        tolerance,
        found,
        tokens,
        found.probes[0][1].tokens if found.probes else 0,
        timing,
    )


class _Watched:
    """A meter as a search asks it; remembers how long each combination took."""

    def __init__(self, meter: Meter, space: Space, done: Callable[[], None] | None = None) -> None:
        self.meter, self.space, self.done = meter, space, done
        self.seconds: dict[Lengths, float] = {}

    def __call__(self, some: Sequence[Lengths]) -> list[Scores]:
        entries = self.meter([Plan(self.space.activations(lengths)) for lengths in some], self.done)
        self.seconds |= {lengths: entry.seconds for lengths, entry in zip(some, entries, strict=True)}
        return [entry.scores for entry in entries]


def _visit(visit: Visit) -> dict[str, Any]:
    scores = asdict(visit.scores)
    del scores["tokens"]
    return {
        "lengths": list(visit.lengths),
        "saving": visit.saving,
        **scores,
        "passed": visit.passed,
        "accepted": visit.accepted,
    }
