"""The report on components: what it holds, and that it fails when it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from hdl.pe import PeParameters, ProcessingElement
from hdl.weights import WeightBuffer
from sim.build import available_simulators
from sim.coverage import Coverage
from sim.runner import BenchResult, BenchTest
from sim.verify import VerificationReport, verify, verify_random

QUICK = min(available_simulators())


def test_a_report_holds_runs_coverage_and_proofs(sim_work: Path) -> None:
    element = ProcessingElement(PeParameters(lanes=8, level_bits=2, max_planes=3))
    seen: list[BenchResult] = []
    report = verify(
        [element, WeightBuffer(lanes=8, level_bits=2)],
        seed=9,
        simulator=QUICK,
        quick=True,
        proofs=True,
        work=sim_work,
        progress=seen.append,
    ).check()
    assert report.runs == tuple(seen)
    held = json.loads(json.dumps(report.as_dict()))
    assert held["ok"] is True
    assert [run["component"] for run in held["runs"]] == [element.module_name, "anda_weights_8x2"]
    assert {run["seed"] for run in held["runs"]} == {9}
    assert held["coverage"]["pe: planes"] == {"percent": 100.0, "unreached": []}
    # Each of three theorems, and the twin of it that must fail, with a trace.
    outcomes = [(proof["expected"], proof["status"]) for proof in held["proofs"]]
    assert sorted(outcomes) == [("failed", "failed")] * 3 + [("proved", "proved")] * 3
    assert all(bool(proof["trace"]) == (proof["status"] == "failed") for proof in held["proofs"])
    assert any("exact" in (proof["trace"] or "") for proof in held["proofs"])
    console = Console(width=120)
    with console.capture() as shown:
        console.print(report.table())
    assert element.module_name in shown.get()


def test_a_failed_run_fails_the_report(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("the end")
    tests = (BenchTest("corners", 0.1, "item 3 should be 1 but is 2"),)
    run = BenchResult("sim.benches.pe", "top", "icarus", 7, tests, 0.0, 0.1, Coverage(), log, None)
    report = VerificationReport((run,), Coverage(), 0.1)
    assert not report.ok
    assert report.failures == [
        "sim.benches.pe.corners on top: item 3 should be 1 but is 2 (simulator icarus, seed 7)"
    ]
    assert report.as_dict()["runs"][0]["ok"] is False
    with pytest.raises(AssertionError, match="item 3 should be 1 but is 2"):
        report.check()


def test_a_report_on_nothing_fails() -> None:
    report = verify([])
    assert not report.ok
    with pytest.raises(AssertionError, match="no component was checked"):
        report.check()


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"can be drawn of accumulator, .*, not of 'adder'"):
        verify_random("adder", 1)
