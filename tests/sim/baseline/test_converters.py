"""The bench of the converters: it passes on them in every shape, and fails on faulty ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hdl.baseline.aligner import Aligner, AlignerParameters
from hdl.baseline.to_mxint8 import MxInt8Converter, MxInt8ConverterParameters
from hdl.modules import NamedComponent
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors

KINDS = ["aligner", "to_mxint8"]


def tiny(kind: str) -> NamedComponent:
    if kind == "aligner":
        return Aligner(
            AlignerParameters(bits=6, group=8, lanes=4, encoding="twos-complement", rounding="nearest")
        )
    return MxInt8Converter(MxInt8ConverterParameters(lanes=16))


@pytest.mark.parametrize("kind", KINDS)
def test_every_corner_is_reached(kind: str, sim_work: Path) -> None:
    report = verify(tiny(kind), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


def test_faulty_hardware_does_not_pass(sim_work: Path) -> None:
    left = survivors(tiny("aligner"), 2, sim_work)
    assert not left, left


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_configurations(kind: str, sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS[kind], 6, Random(7))
    verify((recipe() for recipe in recipes), simulator=SMALL, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_mutation_score(kind: str, sim_work: Path) -> None:
    left = survivors(tiny(kind), 40, sim_work)
    assert len(left) <= 4, left
