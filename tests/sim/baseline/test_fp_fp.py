"""The bench of the FP16 multiply-adds, and their replay on a mapped netlist."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.fp_fp import FpFp, FpFpParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.replays.fp_fp import replay
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors
from tests.sim.baseline.real import random_row, run_on_gates

TINY = FpFpParameters(lanes=1)


def test_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["fp-fp"], 1, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(FpFp(FpFpParameters(lanes=2)), seed=1, simulator=SMALL, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


@pytest.mark.parametrize("slots", [pytest.param(1, marks=pytest.mark.nightly), 2])
def test_the_replay_fits_the_netlist(slots: int) -> None:
    p = FpFpParameters(lanes=1, slots=slots)
    run_on_gates(FpFp(p), replay(p, *random_row(runs=3, groups=2)))


def test_what_a_replay_refuses() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        replay(FpFpParameters(weights="inside"), *random_row(1, 1))
    with pytest.raises(ValueError, match="64 elements do not fill 3 lanes of 2 slots evenly"):
        replay(FpFpParameters(lanes=3), *random_row(1, 1))


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(FpFp(TINY), 40, sim_work)
    assert len(left) <= 4, left
