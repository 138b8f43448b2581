"""The benches of block elements and of converters: they pass in every shape, and fail on faulty ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from hdl.baseline.aligner import Aligner, AlignerParameters
from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.block import BlockParameters
from hdl.baseline.mxint8 import MxInt8, MxInt8Parameters
from hdl.baseline.to_mxint8 import MxInt8Converter, MxInt8ConverterParameters
from hdl.modules import NamedComponent
from sim.baseline_configurations import BASELINE_DRAWS
from sim.configurations import distinct
from sim.verify import verify
from tests.sim.baseline.faults import SMALL, survivors

TINY: dict[str, Callable[[], NamedComponent]] = {
    "bfp": lambda: Bfp(BfpParameters(block=BlockParameters(bits=4, block=8, lanes=4, level_bits=3))),
    "mxint8": lambda: MxInt8(MxInt8Parameters(kind="mxint8", lanes=16)),
    "aligner": lambda: Aligner(
        AlignerParameters(bits=6, group=8, lanes=4, encoding="twos-complement", rounding="nearest")
    ),
    "to_mxint8": lambda: MxInt8Converter(MxInt8ConverterParameters(lanes=16)),
}


@pytest.mark.parametrize("kind", ["bfp", "mxint8"])
def test_random_configurations(kind: str, sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS[kind], 1, Random(2026))
    verify((recipe() for recipe in recipes), seed=1, simulator=SMALL, quick=True, work=sim_work).check()


@pytest.mark.parametrize("kind", TINY)
def test_every_corner_is_reached(kind: str, sim_work: Path) -> None:
    report = verify(TINY[kind](), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    assert not {name: bins for name in report.coverage if (bins := report.coverage.unreached(name))}


@pytest.mark.parametrize("kind", ["bfp", "aligner"])
def test_faulty_hardware_does_not_pass(kind: str, sim_work: Path) -> None:
    left = survivors(TINY[kind](), 2, sim_work)
    assert not left, left


@pytest.mark.nightly
@pytest.mark.parametrize("kind", TINY)
def test_many_random_configurations(kind: str, sim_work: Path) -> None:
    recipes = distinct(BASELINE_DRAWS[kind], 12, Random(7))
    verify((recipe() for recipe in recipes), simulator=SMALL, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("kind", TINY)
def test_mutation_score(kind: str, sim_work: Path) -> None:
    left = survivors(TINY[kind](), 40, sim_work)
    assert len(left) <= 4, left
