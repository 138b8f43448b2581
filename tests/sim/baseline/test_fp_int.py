"""The bench of the FP-INT element, and its replay on a mapped netlist."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.fp_int import FpInt, FpIntParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.replays.fp_int import replay
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors
from tests.sim.baseline.real import random_row, run_on_gates


def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(FpInt(FpIntParameters(lanes=2)), seed=1, simulator=SMALL, quick=True, work=sim_work)
    coverage = report.check().coverage
    assert not {name: bins for name in coverage if (bins := coverage.unreached(name))}


def test_what_a_replay_refuses() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        replay(FpIntParameters(weights="inside"), *random_row(1, 1))


@pytest.mark.nightly
@pytest.mark.parametrize("lanes", [1, 4])
def test_the_replay_fits_the_netlist(lanes: int) -> None:
    p = FpIntParameters(lanes=lanes)
    run_on_gates(FpInt(p), replay(p, *random_row(runs=3, groups=3)))


@pytest.mark.nightly
def test_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["fp-int"], 4, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(FpInt(FpIntParameters(lanes=1)), 40, sim_work)
    assert len(left) <= 4, left
