"""Soaks: as long as asked, repeatable, and over when something fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Fragment

from hdl.modules import NamedComponent
from sim.build import available_simulators
from sim.coverage import Coverage
from sim.runner import BenchResult, BenchTest
from sim.verify import VerificationReport, soak

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int]]:
    """Which components are verified with which seeds; the fourth of a soak fails."""
    seen: list[tuple[str, int]] = []

    def verify(component: NamedComponent, *, seed: int, **_: Any) -> VerificationReport:
        Fragment.get(component, None)
        seen.append((component.module_name, seed))
        failure = "wrong" if len(seen) % 4 == 0 else None
        test = BenchTest("corners", 0.1, failure)
        run = BenchResult("b", "top", "icarus", seed, (test,), 0.0, 0.1, Coverage(), tmp_path, None)
        return VerificationReport((run,), Coverage(), 0.1)

    monkeypatch.setattr("sim.verify.verify", verify)
    return seen


def test_a_soak_ends_with_the_first_failure(tried: list[tuple[str, int]]) -> None:
    told: list[bool] = []
    report = soak("weights", 60, seed=5, report=lambda found: told.append(found.ok))
    assert told == [True, True, True, False]
    assert len(report.runs) == 4
    assert not report.ok
    first, tried[:] = list(tried), []
    soak("weights", 60, seed=5)
    assert tried == first
    assert len({seed for _, seed in tried}) == 4


def test_a_soak_tries_something_however_short_it_is(tried: list[tuple[str, int]]) -> None:
    assert soak("weights", 0).ok
    assert len(tried) == 1


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"can be drawn of accumulator, .*, not of 'adder'"):
        soak("adder", 1)


@pytest.mark.nightly
def test_accelerators_for_a_minute(sim_work: Path) -> None:
    report = soak("accelerator", 1, simulator=SMALL, quick=True, work=sim_work).check()
    assert report.seconds >= 60
