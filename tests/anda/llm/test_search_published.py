"""The published search against its paper (arXiv 2411.15982): figure 9 and table II."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from anda.llm.evaluate import Scores
from anda.llm.search import Lengths, Objective, Space, Tolerance, Variable, search_published

TOLERANCE = Tolerance.relative("perplexity", 0.01, 20.0)

TRACE: list[tuple[tuple[int, int, int, int], int, bool]] = [
    ((4, 4, 4, 4), 48, False),
    ((5, 5, 5, 5), 60, False),
    ((6, 6, 6, 6), 72, False),
    ((7, 7, 7, 7), 84, True),
    ((7, 7, 6, 7), 80, True),
    ((7, 7, 5, 7), 76, False),
    ((7, 7, 6, 6), 76, True),
    ((7, 7, 5, 6), 72, False),
    ((7, 7, 6, 5), 72, True),
    ((7, 7, 5, 5), 68, False),
]
"""OPT-125M at 1 %: combination, its weighted sum of lengths, whether it passed."""

OPT, LLAMA_7B, LLAMA_13B = (3, 1, 4, 4), (3, 1, 2 * 11008 / 4096, 11008 / 4096), (3, 1, 5.4, 2.7)

TABLE = [
    (OPT, (8, 6, 5, 5), 2.74),
    (OPT, (7, 5, 5, 5), 2.91),
    (OPT, (7, 5, 5, 4), 3.10),
    (LLAMA_7B, (9, 8, 8, 7), 1.99),
    (LLAMA_7B, (9, 7, 8, 8), 1.96),
    (OPT, (7, 6, 5, 5), 2.86),
    (LLAMA_13B, (10, 8, 8, 8), 1.88),
    (LLAMA_13B, (10, 10, 8, 9), 1.80),
    (OPT, (7, 5, 5, 4), 3.10),
    (OPT, (8, 5, 5, 4), 2.95),
    (OPT, (6, 5, 5, 4), 3.25),
    (OPT, (6, 4, 5, 4), 3.31),
    (LLAMA_7B, (7, 6, 6, 6), 2.56),
    (LLAMA_7B, (7, 6, 6, 6), 2.56),
    (OPT, (6, 6, 5, 4), 3.20),
    (LLAMA_13B, (7, 5, 6, 6), 2.59),
    (LLAMA_13B, (7, 7, 6, 7), 2.44),
    (OPT, (6, 4, 5, 4), 3.31),
]
"""Weights of the four kinds, tuple and printed saving: nine models at 0.1 %, then the same at 1 %."""


def bops(weights: Sequence[float]) -> Objective:
    """The paper's objective for products in these proportions."""
    kinds = ("qkv", "o", "up_gate", "down")
    variables = tuple(Variable(kind, 64, round(4096 * 5 * w)) for kind, w in zip(kinds, weights, strict=True))
    return Objective("bops", Space(variables, "sign-magnitude"))


class Oracle:
    """Answers from a list of combinations that pass; remembers what it was asked, and how."""

    def __init__(self, passing: set[Lengths]) -> None:
        self.passing = passing
        self.batches: list[list[Lengths]] = []

    def __call__(self, some: Sequence[Lengths]) -> list[Scores]:
        self.batches.append(list(some))
        return [Scores(1, 20.1 if lengths in self.passing else 21.0, 0.0, 1.0) for lengths in some]

    @property
    def asked(self) -> list[Lengths]:
        return [lengths for batch in self.batches for lengths in batch]


def test_the_paper_s_trace() -> None:
    objective = bops(OPT)
    oracle = Oracle({lengths for lengths, _, passed in TRACE if passed})
    found = search_published(objective, TOLERANCE, oracle, iterations=len(TRACE))
    assert [(visit.lengths, visit.passed) for visit in found.visits] == [(a, c) for a, _, c in TRACE]
    assert oracle.asked == [lengths for lengths, *_ in TRACE]
    unit = objective.cost((4, 4, 4, 4)) / 48
    assert [visit.cost / unit for visit in found.visits] == [total for _, total, _ in TRACE]
    assert found.best is not None
    assert found.best.lengths == (7, 7, 6, 5)
    assert found.best.saving == pytest.approx(16 * 12 / 72)


@pytest.mark.parametrize(("weights", "lengths", "printed"), TABLE)
def test_the_paper_s_savings(weights: tuple[float, ...], lengths: tuple[int, ...], printed: float) -> None:
    saving = bops(weights).saving(lengths)
    assert saving == pytest.approx(printed, abs=0.01)
    # Two are truncated in print, the others rounded.
    truncated = (weights, lengths) in [(OPT, (7, 6, 5, 5)), (LLAMA_13B, (7, 5, 6, 6))]
    assert round(saving - (0.005 if truncated else 0), 2) == printed


def test_formats_of_one_length_save_what_the_paper_says() -> None:
    """FIGNA has 13 bits, VS-Quant 4."""
    assert bops(OPT).saving((13,) * 4) == pytest.approx(1.23, abs=0.001)
    assert bops(OPT).saving((4,) * 4) == 4


def test_it_ends_when_nothing_cheaper_is_known() -> None:
    """All neighbours of the last best fail: what is left is dearer, and counted."""
    passing: set[Lengths] = {lengths for lengths, _, passed in TRACE if passed}
    found = search_published(bops(OPT), TOLERANCE, Oracle(passing))
    assert found.best is not None
    assert found.best.lengths == (7, 7, 6, 5)
    assert (
        found.visits[: len(TRACE)]
        == search_published(bops(OPT), TOLERANCE, Oracle(passing), iterations=len(TRACE)).visits
    )
    assert all(visit.cost < found.best.cost for visit in found.visits[len(TRACE) :])
    # Known: ten uniform ones and four neighbours of each of the four accepted, none of them twice.
    assert len(found.visits) + found.pending == 26
    assert len({visit.lengths for visit in found.visits}) == len(found.visits)


def test_evaluating_ahead_changes_nothing_but_the_batches() -> None:
    passing: set[Lengths] = {lengths for lengths, _, passed in TRACE if passed}
    one, four = Oracle(passing), Oracle(passing)
    alone = search_published(bops(OPT), TOLERANCE, one)
    ahead = search_published(bops(OPT), TOLERANCE, four, ahead=4)
    assert ahead == alone
    assert {len(batch) for batch in one.batches} == {1}
    assert four.batches[0] == [(n, n, n, n) for n in (4, 5, 6, 7)]
    assert len(four.batches) < len(one.batches)
    assert len(set(four.asked)) == len(four.asked)


def test_lengths_do_not_fall_below_the_shortest() -> None:
    objective = bops(OPT)
    everything = Oracle({(4, 4, 4, 4)})
    found = search_published(objective, TOLERANCE, everything)
    assert [visit.lengths for visit in found.visits] == [(4, 4, 4, 4)]


def test_nothing_passes() -> None:
    told: list[Lengths] = []
    found = search_published(bops(OPT), TOLERANCE, Oracle(set()), report=lambda v: told.append(v.lengths))
    assert found.best is None
    assert told == [(n, n, n, n) for n in range(4, 14)]
    assert found.pending == 0


@pytest.mark.parametrize("limits", [{"iterations": 0}, {"ahead": 0}])
def test_a_limit_of_nothing(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 combination, not 0"):
        search_published(bops(OPT), TOLERANCE, Oracle(set()), **limits)
