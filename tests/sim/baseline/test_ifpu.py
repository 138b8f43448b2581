"""The bench of the iFPU element, and its replay on a mapped netlist."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.ifpu import Ifpu, IfpuParameters
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.replays.ifpu import replay
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors
from tests.sim.baseline.real import random_row, run_on_gates

SMALLEST = IfpuParameters(lanes=4, mantissa_bits=24)


def test_every_corner_is_reached(sim_work: Path) -> None:
    report = verify(Ifpu(SMALLEST), seed=1, simulator=SMALL, quick=True, work=sim_work)
    coverage = report.check().coverage
    assert not {name: bins for name in coverage if (bins := coverage.unreached(name))}


def test_what_a_replay_refuses() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        replay(IfpuParameters(weights="inside"), *random_row(1, 1))


@pytest.mark.nightly
def test_the_replay_fits_the_netlist() -> None:
    run_on_gates(Ifpu(SMALLEST), replay(SMALLEST, *random_row(runs=3, groups=3)))


@pytest.mark.nightly
def test_random_configurations(sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS["ifpu"], 4, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.nightly
def test_mutation_score(sim_work: Path) -> None:
    left = survivors(Ifpu(SMALLEST), 40, sim_work)
    assert len(left) <= 4, left
