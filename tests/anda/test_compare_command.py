"""`anda compare`: one row again, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anda.cli import app


def test_a_row_again(tmp_path: Path) -> None:
    words = [
        "compare",
        "--only",
        "stages-own",
        "--cache",
        str(tmp_path / "kept"),
        "-o",
        str(tmp_path),
        "--json",
    ]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    [row] = json.loads(ran.stdout)["rows"]
    assert (row["name"], row["library"], row["accounting"]) == ("stages-own", "generic", "shared")
    assert row["command"] == "anda compare --only stages-own --planes 6"
    assert json.loads((tmp_path / "comparison.json").read_text())["rows"] == [row]
    table = CliRunner().invoke(app, words)
    assert table.exit_code == 0
    assert "stages-own" in table.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "fp-pf"], "expected an element among"),
        (["--planes", "six"], "expected numbers of planes such as 6"),
        (["--clock", "0"], "expected a clock above 0 MHz, not 0"),
        (["--only", "compact", "--planes", "99"], "none of these elements takes groups of 99 planes"),
        (["--liberty", "x=nowhere.lib"], "nowhere.lib"),
    ],
)
def test_broken_input_is_one_sentence(words: list[str], sentence: str) -> None:
    ran = CliRunner().invoke(app, ["compare", *words])
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert ran.stderr.strip().count("\n") == 0
