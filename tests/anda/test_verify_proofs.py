"""`anda verify --proofs`: theorems about the components of a design, in the table and in the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from anda.cli import app
from hdl.pe import PeParameters
from sim.coverage import Coverage
from sim.proofs.lanes import lane_theorems
from sim.proofs.theorem import Theorem, Verdict
from sim.runner import BenchResult, BenchTest
from sim.verify import VerificationReport

LANE, TWIN = lane_theorems(PeParameters(lanes=8, level_bits=2, max_planes=3))[:2]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Verdict, Verdict]:
    """A theorem and its twin, decided for real."""
    work = tmp_path_factory.mktemp("proofs")
    return LANE.decide(work), TWIN.decide(work)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdicts: tuple[Verdict, Verdict]) -> list[Any]:
    """Benches that pass at once; without a seed the twin is taken for a theorem."""
    switches: list[Any] = []
    passed = BenchResult(
        "bench", "anda_pe", "icarus", 5, (BenchTest("corners", 1.0, None),), 1.0, 1.0, Coverage(),
        log=tmp_path, waves=None,
    )  # fmt: skip

    def verify(*components: object, proofs: bool, **options: Any) -> VerificationReport:
        switches.append(proofs)
        proved, failed = verdicts
        if not options["seed"]:
            failed = replace(failed, theorem=Theorem(TWIN.name, TWIN.statement, TWIN.design, 1))
        shown = (proved, failed) if proofs else ()
        return VerificationReport((passed,), Coverage(), 1.0, shown)

    monkeypatch.setattr("sim.verify.verify", verify)
    return switches


def test_proofs_are_shown_when_asked_for(asked: list[Any]) -> None:
    run = CliRunner().invoke
    assert "proofs" not in run(app, ["verify", "compact", "--seed", "1"]).stdout
    table = run(app, ["verify", "compact", "--seed", "1", "--proofs"])
    assert table.exit_code == 0
    assert LANE.name in table.stdout
    assert "failed" in table.stdout
    answer = json.loads(run(app, ["verify", "compact", "--seed", "1", "--proofs", "--json"]).stdout)
    assert [proof["status"] for proof in answer["proofs"]] == ["proved", "failed"]
    assert asked == [False, True, True]


def test_a_theorem_that_fails_is_told_with_its_trace(asked: list[Any]) -> None:
    result = CliRunner().invoke(app, ["verify", "compact", "--seed", "0", "--proofs"])
    assert result.exit_code == 1
    assert f"{TWIN.name}: {TWIN.statement} This should be proved, and is failed" in result.stderr.replace(
        "\n", " "
    )
    assert "cycle" in result.stderr
    assert asked == [True]
