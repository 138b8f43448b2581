from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anda.accuracy import AccuracyRow
from anda.cli import app
from anda.demo import DemoReport, PresetResult, StageResult

STAGE = StageResult(
    role="pe", module="anda_pe", simulator="verilator", cycles=80, items=10, bits=200, failures=[]
)


def preset(name: str, planes: int, area: float) -> PresetResult:
    return PresetResult(
        design=name,
        planes=planes,
        stages=[STAGE],
        sqnr_db={"qkv": 29.0 + planes, "o": 30.0},
        cycles_per_group=float(planes),
        areas={"pe": area},
        element_area=area,
        area_unit="um2",
        files=[],
    )


REPORT = DemoReport(
    preset("published", 8, 700.0), preset("compact", 7, 200.0), [AccuracyRow("o", 7, 30.8, 30.5, -0.3)]
)


def test_area_efficiency_counts_cycles_and_area() -> None:
    assert REPORT.area_efficiency == pytest.approx(700 / 200 * 8 / 7)
    assert REPORT.ok
    broken = replace(REPORT.compact, stages=[STAGE, replace(STAGE, failures=["bit 3 differs"])])
    assert not replace(REPORT, compact=broken).ok
    assert not replace(REPORT, compact=replace(REPORT.compact, stages=[])).ok


def test_the_command_prints_plots_and_fails_on_one_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = [REPORT, REPORT]
    wrong = replace(REPORT.published, stages=[replace(STAGE, failures=["item 4 should be 1 but is 3"])])
    reports.append(replace(REPORT, published=wrong))
    monkeypatch.setattr("anda.demo.run_demo", lambda *args, **options: reports.pop(0))

    table = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert table.exit_code == 0
    for text in ("all equal", "30.80/30.50", "37.00", "4.00", str(tmp_path)):
        assert text in table.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "accuracy.png", "accuracy.svg", "comparison.png", "comparison.svg"
    }  # fmt: skip
    assert "cycles per group" in (tmp_path / "comparison.svg").read_text()

    answer = json.loads(CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--json"]).stdout)
    assert answer["area_efficiency"] == pytest.approx(4.0)
    assert answer["compact"]["stages"][0]["bits"] == 200

    failed = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert failed.exit_code == 1
    assert json.loads(json.dumps(replace(REPORT, published=wrong).as_dict()))["area_efficiency"] is None
    assert "item 4 should be" in failed.stdout


def test_without_a_checkout_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anda.fixture.__file__", str(tmp_path / "anda" / "fixture.py"))
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "run from a clone of the repository" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.nightly
def test_every_bit_of_the_real_job_is_equal(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["ok"] is True
    for name, planes in (("published", 8), ("compact", 7)):
        found = answer[name]
        assert found["cycles_per_group"] == pytest.approx(planes, abs=0.01)
        assert len(found["stages"]) == 4
        assert all(stage["items"] > 1000 for stage in found["stages"])
        assert all(Path(path).stat().st_size > 0 for path in found["files"])
        assert min(found["sqnr_db"].values()) > 28
    assert answer["area_efficiency"] > 4
    assert json.loads((tmp_path / "results.json").read_text())["ok"] is True
