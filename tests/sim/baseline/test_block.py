"""The bench of the block elements: it passes on them in every shape, and fails on faulty ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.block import BlockParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors

TINY = BfpParameters(block=BlockParameters(bits=4, block=8, lanes=4, level_bits=3))


def test_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["bfp"], 3, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(Bfp(TINY), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


def test_faulty_hardware_does_not_pass(sim_work: Path) -> None:
    left = survivors(Bfp(TINY), 3, sim_work)
    assert len(left) <= 1, left


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(Bfp(TINY), 40, sim_work)
    assert len(left) <= 4, left
