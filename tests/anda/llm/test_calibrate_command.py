"""`anda calibrate` without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from anda.cli import app

from .conftest import TinyModel


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    letters = np.random.default_rng(3).integers(ord("a"), ord("z") + 1, 400)
    path.write_text("".join(map(chr, letters)))
    return path


def run(tiny: TinyModel, text: Path, *arguments: object) -> Result:
    fixed = ("calibrate", tiny.path, "--text", text, "--judge", text, "--windows", 3, "--length", 24)
    sizes = ("--tokens", 96, "--window", 24)
    return CliRunner().invoke(app, [str(part) for part in (*fixed, *sizes, *arguments)])


def test_report_and_blocks_are_written_and_found_again(tiny: TinyModel, text: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ("--bits", "W2*A8", "--method", "gptq", "--clip", "-o", output)
    first = run(tiny, text, *arguments, "--json")
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert report["recipe"] == {
        "weights": "2*",
        "activations": "8",
        "method": "gptq",
        "group": None,
        "clip": True,
    }
    assert report["scores"]["tokens"] == 92
    assert json.loads((output / "report.json").read_text()) == report
    names = ["block-000.npz", "block-001.npz", "recipe.json", "report.json"]
    assert sorted(path.name for path in output.iterdir()) == names
    again = run(tiny, text, *arguments)
    assert again.exit_code == 0
    assert f"{report['scores']['kl']:.6f}" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--bits", "4A4"), "bits are written like W4A4 or W2*A8, not '4A4'"),
        (("--bits", "W3*A8"), "only 1 and 2 bits have a balanced format, not 3"),
        (("--bits", "W4A4", "--method", "awq"), "a method is rtn, gptq, abq or abq+, not 'awq'"),
        (("--bits", "W4A4", "--method", "rtn", "--windows", 999), "should have 999 windows of 24 tokens"),
        (("--bits", "W4A4", "--method", "gptq", "--group", 48), "groups of 48 weights should fill rows"),
        (("--bits", "W4A4", "--method", "rtn", "--epochs", 3), "--epochs is for abq and abq+, rtn has none"),
        (("--bits", "W4A4", "--method", "abq", "--clip"), "--clip is for rtn and gptq, abq learns where"),
    ],
)
def test_errors_are_one_sentence(
    tiny: TinyModel, text: Path, tmp_path: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    found = run(tiny, text, *arguments, "-o", tmp_path / "out")
    assert found.exit_code == 2
    assert sentence in " ".join(found.stderr.split())
    assert not (tmp_path / "out").exists()
