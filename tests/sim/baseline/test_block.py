"""The bench of the block elements: it passes on them in every shape, and fails on faulty ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.block import BlockParameters
from hdl.baseline.mxint8 import MxInt8, MxInt8Parameters
from hdl.modules import NamedComponent
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors


def tiny(kind: str) -> NamedComponent:
    if kind == "bfp":
        return Bfp(BfpParameters(block=BlockParameters(bits=4, block=8, lanes=4, level_bits=3)))
    return MxInt8(MxInt8Parameters(kind="mxint8", lanes=16))


KINDS = ["bfp", "mxint8"]


@pytest.mark.parametrize("kind", KINDS)
def test_random_configurations(kind: str, sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS[kind], 1, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.parametrize("kind", KINDS)
def test_every_corner_is_reached(kind: str, sim_work: Path) -> None:
    report = verify(tiny(kind), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


def test_faulty_hardware_does_not_pass(sim_work: Path) -> None:
    left = survivors(tiny("bfp"), 2, sim_work)
    assert not left, left


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_configurations(kind: str, sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS[kind], 12, Random(7))
    verify((recipe() for recipe in recipes), simulator=SMALL, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_mutation_score(kind: str, sim_work: Path) -> None:
    left = survivors(tiny(kind), 40, sim_work)
    assert len(left) <= 4, left
