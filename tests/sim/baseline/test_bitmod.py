"""The bench of the term-serial element: it passes on it, and fails on faulty ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.bitmod import BitMod, BitModParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors

TINY = BitModParameters(group=8, lanes=4)


def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(BitMod(TINY), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


@pytest.mark.nightly
def test_many_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["bitmod"], 6, Random(7))
    verify((recipe() for recipe in recipes), simulator=SMALL, work=sim_work).check()


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(BitMod(TINY), 40, sim_work)
    assert len(left) <= 4, left
