"""The bench of the dot product unit, and its replay on a mapped netlist."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.fp_fp_dot import FpFpDot, FpFpDotParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.replays.fp_fp import replay
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors
from tests.sim.baseline.real import random_row, run_on_gates

TINY = FpFpDotParameters(lanes=2)


def test_it_passes(sim_work: Path) -> None:
    verify(FpFpDot(FpFpDotParameters()), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


def test_faulty_hardware_does_not_pass(sim_work: Path) -> None:
    left = survivors(FpFpDot(TINY), 2, sim_work)
    assert not left, left


def test_what_a_replay_refuses() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        replay(FpFpDotParameters(weights="inside"), *random_row(1, 1))


def test_a_replay_wastes_no_cycle() -> None:
    p = FpFpDotParameters()
    made = replay(p, *random_row(runs=2, groups=3))
    assert made.macs == 3 * 64
    # The sum of the second slot leaves three cycles behind that of the first.
    assert made.cycles == 3 * 64 // 4 - 1 + 2 + p.latency + 1


@pytest.mark.nightly
@pytest.mark.parametrize("slots", [1, 2, 4])
def test_the_replay_fits_the_netlist(slots: int) -> None:
    p = FpFpDotParameters(lanes=2, slots=slots)
    run_on_gates(FpFpDot(p), replay(p, *random_row(runs=3, groups=2)))


@pytest.mark.nightly
def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(FpFpDot(FpFpDotParameters()), seed=1, simulator=SMALL, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


@pytest.mark.nightly
def test_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["fp-fp-dot"], 4, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(FpFpDot(TINY), 40, sim_work)
    assert len(left) <= 4, left
