"""Power beside OpenSTA: cells added up by hand, OpenSTA's rules, and the recorded figures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from anda import power_cells, power_check
from anda.config import load
from anda.flow.opensta import OpenStaError, OpenStaPower, OpenStaReport, opensta_version
from anda.power_cells import CELLS, measure_cells
from anda.power_check import POWER_CHECK_TABLES, PRESET, measure_power_check
from anda.tops import accumulator_parameters, pe_parameters
from hdl.accumulator import Accumulator
from hdl.emit import emit_verilog
from hdl.heap import AdderCells
from hdl.pe import ProcessingElement
from hdl.weights import WeightBuffer

DATA: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "data" / "power.json").read_text()
)
NOTHING = OpenStaReport("0", OpenStaPower(0.0, 0.0, 0.0), None, 1.0)


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Measured with a stand-in for OpenSTA, so that the tests run without it."""
    monkeypatch.setattr(power_cells, "cross_check", lambda *_: NOTHING)
    return list(measure_cells())


def test_our_sums_are_those_by_hand(cells: list[dict[str, Any]]) -> None:
    assert len(cells) == len(CELLS) >= 8
    for found, cell in zip(cells, CELLS, strict=True):
        assert found["anda"]["internal_fj"] == pytest.approx(cell.internal_fj), cell.about
        assert found["anda"]["leakage_nw"] == pytest.approx(cell.leakage_nw), cell.about


def test_the_rules_are_what_opensta_said(cells: list[dict[str, Any]]) -> None:
    said = {row["cell"]: row["opensta"]["internal_fj"] for row in DATA["cells"]}
    ruled = {row["cell"]: row["rules"]["internal_fj"] for row in cells}
    assert ruled == pytest.approx(said, rel=1e-5)


def test_opensta_says_the_same_again() -> None:
    """Nothing to compare where its recorded version is not installed: then that is all."""
    if opensta_version() == DATA["tools"]["opensta"]:
        assert list(measure_cells()) == DATA["cells"]


def test_recorded_parts_differ_by_rules_and_capacitances_alone() -> None:
    assert len(DATA["parts"]) == 9
    for row in DATA["parts"]:
        for kind in ("internal_w", "switching_w"):
            assert row["rules"][kind] == pytest.approx(row["opensta"][kind], rel=0.01)
        assert 0.999 < row["opensta"]["switching_w"] / row["anda"]["switching_w"] < 1.15
        if row["on"] != "ASAP7":
            assert row["opensta"]["leakage_w"] == pytest.approx(row["anda"]["leakage_w"], rel=1e-4)
        assert row["opensta"]["longest_path_ns"] == pytest.approx(row["anda"]["longest_path_ns"], rel=0.1)


def test_recorded_parts_are_of_the_verilog_as_it_is_generated_now() -> None:
    design = load(PRESET)
    assert DATA["configuration_sha256"] == design.hash
    p = pe_parameters(design, AdderCells.PLAIN)
    made = {
        "pe": ProcessingElement(p),
        "weights": WeightBuffer(lanes=p.lanes, level_bits=p.level_bits),
        "accumulator": Accumulator(accumulator_parameters(design, AdderCells.PLAIN)),
    }
    recorded = {row["part"]: row["verilog_sha256"] for row in DATA["parts"] if row["on"] == "sky130"}
    found = {part: hashlib.sha256(emit_verilog(c).encode()).hexdigest() for part, c in made.items()}
    assert found == recorded, "run make power-check"


def test_every_table_has_a_cell_for_each_heading() -> None:
    for table in POWER_CHECK_TABLES.values():
        headers, body = table(DATA)
        assert body
        assert {len(row) for row in body} == {len(headers)}


def test_without_opensta_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_check, "opensta_version", lambda: None)
    with pytest.raises(OpenStaError, match="Expected OpenSTA's program sta on the path"):
        measure_power_check({}, print)
