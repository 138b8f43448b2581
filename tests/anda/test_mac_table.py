from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from anda import mac_table
from anda.accuracy import sqnr_db
from anda.cli import app
from anda.config import load
from anda.flow import synth
from anda.flow.library import Library
from anda.mac_plot import Point, pareto, plot_mac
from anda.mac_table import BASELINE, FORMATS, PAPER, TERMS, measure_mac, out_of_order, read_rows, student_t
from golden import formats
from hdl.decoder import LevelDecoder
from hdl.emit import emit_verilog

SMALL = """
name = "small"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 4
[pe]
level_bits = 4
weights = "{weights}"
{rows}
"""

RECORDED = json.loads((Path(__file__).resolve().parents[2] / "docs" / "data" / "mac.json").read_text())

Run = Callable[..., Result]


def small(directory: Path, weights: str = "shared", rows: str = "rows = 2") -> Path:
    path = directory / "small.toml"
    path.write_text(SMALL.format(weights=weights, rows=rows))
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    told: list[str] = []
    design = load(str(small(tmp_path_factory.mktemp("design"))))
    found = measure_mac({"generic": Library.generic()}, told.append, design=design, names=["e2m1"])
    return found, told


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_baseline_is_always_measured_and_costs_nothing_extra(
    measured: tuple[dict[str, Any], list[str]],
) -> None:
    found, told = measured
    rows = read_rows(found, "generic")
    assert list(rows) == [BASELINE, "e2m1"]
    assert told == ["int4 on generic", "e2m1 on generic"]
    assert (rows[BASELINE].mac_overhead, rows[BASELINE].element_overhead) == (0, 0)
    assert rows[BASELINE].decoders == 0
    assert rows[BASELINE].decoder_share == 0


def test_a_row_adds_up(measured: tuple[dict[str, Any], list[str]]) -> None:
    rows = read_rows(measured[0], "generic")
    int4, e2m1 = rows[BASELINE], rows["e2m1"]
    assert e2m1.multiplier > 0
    assert e2m1.accumulator > int4.accumulator > 0
    assert e2m1.mac == e2m1.multiplier + e2m1.accumulator
    assert e2m1.mac_overhead == pytest.approx(e2m1.mac / int4.mac - 1)
    assert (e2m1.accumulator_bits, int4.accumulator_bits) == (17, 16)
    assert e2m1.element is not None
    assert int4.element is not None
    assert e2m1.element > int4.element
    assert e2m1.registers == int4.registers
    assert e2m1.element_total == pytest.approx(e2m1.element + (e2m1.registers or 0) + (e2m1.decoders or 0))
    assert e2m1.element_overhead == pytest.approx((e2m1.element_total or 0) / (int4.element_total or 1) - 1)


def test_a_column_shares_one_decoder_a_lane(measured: tuple[dict[str, Any], list[str]]) -> None:
    decoder = LevelDecoder(formats.get("e2m1"))
    one = synth.area(emit_verilog(decoder), decoder.module_name, Library.generic()).area
    assert read_rows(measured[0], "generic")["e2m1"].decoders == pytest.approx(one * 8 / 2)


def test_elements_with_weights_of_their_own_are_refused(tmp_path: Path, run: Run) -> None:
    path = small(tmp_path, weights="inside", rows="")
    result = run("area", path, "--table", "mac")
    assert result.exit_code == 2
    assert "elements that share their weights, but small has none" in result.stderr


def test_the_paper_is_copied_right() -> None:
    """Its areas add up, and its chip overhead is 10 % of the unit's and 60 % of the memory's (published)."""
    for name, row in PAPER.items():
        assert row.mac == pytest.approx(row.multiplier + row.accumulator, abs=0.051)
        memory = formats.get(name).code_bits / 4 - 1
        chip = 10 * (row.mac / PAPER[BASELINE].mac - 1) + 60 * memory
        # 3.547 % of E3M0 is printed as 3.6.
        assert chip == pytest.approx(row.chip_overhead, abs=0.054)


def test_where_the_paper_has_other_accumulators() -> None:
    exact = {name: formats.get(name).accumulator_bits(TERMS) for name in PAPER}
    other = {name: (row.accumulator_bits, exact[name]) for name, row in PAPER.items()}
    assert {name: pair for name, pair in other.items() if pair[0] != pair[1]} == {
        "e2m1-sp": (19, 17),
        "e2m1-i": (20, 23),
        "e2m1-b": (23, 25),
    }


def test_the_record_is_of_all_formats_as_they_are() -> None:
    assert RECORDED["configuration_sha256"] == load("compact").hash
    assert list(RECORDED["libraries"]) == ["generic", "sky130"]
    samples = student_t()
    for on in RECORDED["libraries"]:
        rows = read_rows(RECORDED, on)
        assert list(rows) == list(FORMATS)
        for name, row in rows.items():
            form = formats.get(name)
            assert (row.code_bits, row.level_bits) == (form.code_bits, form.level_bits)
            assert row.accumulator_bits == form.accumulator_bits(TERMS)
            assert (row.element is None) == (row.level_bits > 8)
            if on == "generic":
                found = sqnr_db(samples, form.quantize(samples).dequantize())
                assert found == pytest.approx(row.sqnr_db, abs=1e-3)
    assert {name: row["mac"] for name, row in RECORDED["paper"]["rows"].items()} == {
        name: row.mac for name, row in PAPER.items()
    }


def test_equal_levels_are_equal_hardware() -> None:
    for on in RECORDED["libraries"]:
        rows = read_rows(RECORDED, on)
        for a, b in (("e2m1-sr", "e2m1-sr-signed"), ("e2m1-sp", "e2m1-sp-signed"), ("int4", "int4-full")):
            assert replace(rows[a], format="", sqnr_db=0) == replace(rows[b], format="", sqnr_db=0)


def test_pairs_out_of_the_papers_order() -> None:
    rows = read_rows(RECORDED, "generic")
    as_published = {name: replace(rows[name], mac=row.mac) for name, row in PAPER.items()}
    assert out_of_order(as_published) == []
    as_published["e2m1"] = replace(as_published["e2m1"], mac=190.0)
    assert out_of_order(as_published) == [("e2m1", "apot4"), ("e2m1", "apot4-sp")]


@pytest.mark.parametrize("on", RECORDED["libraries"])
def test_the_record_differs_from_the_papers_order_where_the_page_says(on: str) -> None:
    assert set(out_of_order(read_rows(RECORDED, on))) == {
        *((name, "e2m1-sp") for name in ("e2m1-sr", "int5", "e3m0")),
        *(("int4", "apot4"), ("e2m1", "apot4"), ("e2m1", "apot4-sp")),
    }


def test_super_range_fits_five_bits_when_it_is_mirrored() -> None:
    """With a scale that carries the sign, the supernormal may as well be -8."""
    form = formats.get("e2m1-sr-signed")
    mirrored = replace(form, values=(*form.values[:8], -8.0, *form.values[9:]))
    w = student_t(512)
    found = [sqnr_db(w, each.quantize(w).dequantize()) for each in (form, mirrored)]
    assert found[1] == pytest.approx(found[0], abs=1e-3)
    assert mirrored.level_bits == 5


def test_the_front_holds_what_nothing_beats() -> None:
    points = [("a", 0.0, 15.0), ("b", 0.0, 16.0), ("c", 0.1, 15.5), ("d", 0.2, 18.0), ("e", 0.3, 18.0)]
    assert [point.name for point in pareto([Point(*point) for point in points])] == ["b", "d"]


def test_the_plot_names_every_format(tmp_path: Path) -> None:
    plot_mac(RECORDED, tmp_path / "mac.svg")
    drawn = (tmp_path / "mac.svg").read_text()
    assert all(drawn.count(f">{name}<") == (1 if name == "e2m1-b" else 2) for name in FORMATS)
    plot_mac(RECORDED, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == drawn


def test_samples_are_the_same_every_time() -> None:
    assert np.array_equal(student_t(), student_t())
    assert student_t().size == 1 << 20


def test_the_command_prints_the_table(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def recorded(libraries: dict[str, Library], report: Callable[[str], None], **more: Any) -> dict[str, Any]:
        asked.update(libraries=list(libraries), design=more["design"].name)
        report("int4 on generic")
        return dict(RECORDED, rows=[row for row in RECORDED["rows"] if row["on"] == "generic"])

    monkeypatch.setattr(mac_table, "measure_mac", recorded)
    monkeypatch.setenv("COLUMNS", "200")
    table = run("area", "--table", "mac")
    assert table.exit_code == 0, table.output
    row = read_rows(RECORDED, "generic")["e2m1-sp"]
    (line,) = (line for line in table.stdout.splitlines() if line.split()[:1] == ["e2m1-sp"])
    assert f"{row.mac:,.2f}" in line
    assert f"{row.mac_overhead:+.1%}" in line
    assert asked == {"libraries": ["generic"], "design": "compact"}
    other = tmp_path / "other.lib"
    other.write_text(Library.generic().files[0].read_text().replace("library (generic)", "library (other)"))
    answer = run("area", small(tmp_path), "--table", "mac", "--json", "--liberty", other)
    assert json.loads(answer.stdout)["terms"] == TERMS
    assert asked["design"] == "small"
    assert asked["libraries"] == ["generic", "other"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "expected a preset or a design file, or --table mac"),
        (["--table", "weather"], "the only table is mac, not 'weather'"),
        (["--table", "mac", "--component", "pe"], "--table mac has no components"),
    ],
)
def test_bad_arguments(run: Run, arguments: list[str], sentence: str) -> None:
    result = run("area", *arguments)
    assert result.exit_code == 2
    assert f"anda: {sentence}" in result.stderr
