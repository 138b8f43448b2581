"""The command `anda report`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anda.cli import app
from tests.anda.html_report.parsed import parse

DATA = Path(__file__).resolve().parents[3] / "docs" / "data"

SMALL = """
name = "small"
description = "Eight lanes, for a test."
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 4
[pe]
level_bits = 2
weights = "outside"
"""


@pytest.fixture
def few(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    shutil.copy(DATA / "bench.json", directory)
    return directory


def test_a_page_of_recorded_data(few: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "report.html"
    result = CliRunner().invoke(app, ["report", "--data", str(few), "-o", str(output)])
    assert result.exit_code == 0, result.output
    page = parse(output.read_text())
    assert [each.attributes["id"] for each in page.all("figure")] == ["table-speed"]


def test_a_design_is_measured_and_comes_first(few: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "small.toml", tmp_path / "report.html"
    source.write_text(SMALL)
    result = CliRunner().invoke(app, ["report", str(source), "--data", str(few), "-o", str(output)])
    assert result.exit_code == 0, result.output
    page = parse(output.read_text())
    section = next(page.all("section"))
    assert section.attributes["id"] == "design"
    assert "Eight lanes, for a test." in section.words
    diagram, area, keys = section.all("figure")
    assert diagram.attributes["id"] == "blocks-small-pe"
    assert "levels" in diagram.words
    assert [badge.words for badge in area.of_class("badge")] == ["synthesized: areas", "generated: modules"]
    (row,) = (tr for tr in area.all("tr") if tr.children[0].words == "pe")
    assert float(row.children[1].words.replace(",", "")) > 50
    assert ["format.max_planes", "4"] in [[cell.words for cell in tr.children] for tr in keys.all("tr")]
    assert f"anda report {source}" in keys.words
    facts = {dt.text: dd.text for dt, dd in zip(keys.all("dt"), keys.all("dd"), strict=True)}
    assert facts["data"] == "measured for this page"
    assert facts["library generic"].startswith("generic.lib ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "expected recorded data"),
        (["--liberty", "some.lib"], "--liberty is for a design"),
        (["-o", "."], "is a directory"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["report", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.strip().count("\n") == 0
