"""`anda axe`: from files to levels and a certificate that `anda certify` accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from anda.cli import app
from tests.anda.ptq.layers import arrays

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    weights, inputs = arrays(6, 96, 60)
    path = tmp_path / "captured.npz"
    np.savez(path, weights=weights, inputs=inputs, metadata="{}")
    return path


def test_what_capture_wrote_becomes_levels_and_a_certificate(run: Run, layer: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("axe", layer, "-p", 14, "-t", 40, "-s", "gpfq", "-o", out, "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert (answer["inner_bits"], answer["tile"], answer["shape"]) == (14, 40, [6, 96])
    assert json.loads((out / "report.json").read_text()) == answer
    with np.load(out / "layer.npz") as written:
        assert written["levels"].dtype == np.int8
        assert written["levels"].shape == (6, 96)
        assert written["scales"].shape == (6, 1)
        assert float(written["activation_scale"]) == answer["activation_scale"]
    checked = run("certify", out / "layer.npz", out / "certificate.json")
    assert checked.exit_code == 0, checked.output


def test_tables_and_inputs_in_a_file_of_their_own(run: Run, tmp_path: Path) -> None:
    weights, inputs = arrays(6, 64, 60)
    np.save(tmp_path / "w.npy", weights)
    np.save(tmp_path / "x.npy", inputs)
    found = run("axe", tmp_path / "w.npy", "-x", tmp_path / "x.npy", "--unsigned", "-t", "none", "-s", "gptq")
    assert found.exit_code == 0, found.output
    assert "unsigned, zero point" in found.stdout
    assert "64 inputs" in found.stdout
    measured = run(
        "axe", tmp_path / "w.npy", "-x", tmp_path / "x.npy", "--policy", "wrap", "-p", 8, "-s", "gpfq"
    )
    assert "error if registers wrap" in measured.stdout


def test_joint_search(run: Run, layer: Path) -> None:
    found = run("axe", layer, "-p", 12, "-t", 48, "-n", 6, "--joint")
    assert found.exit_code == 0, found.output
    assert "activation bits" in found.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-t", "many"], "--tile should be a number of inputs or `none`"),
        (["-s", "magic"], "--solver should be one of best, gpfq, gptq"),
        (["--policy", "hope"], "--policy should be one of safe, wrap, saturate"),
        (["--joint", "-s", "gptq"], "--joint goes with"),
        (["-p", "40"], "8 to 32 bits"),
        (["-f", "nf4"], "take a hardened format"),
    ],
)
def test_bad_options_are_one_sentence(
    run: Run, layer: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    found = run("axe", layer, "-o", tmp_path / "out", *options)
    assert found.exit_code == 2
    assert message in found.stderr
    assert not (tmp_path / "out").exists()


def test_inputs_are_asked_for(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((2, 4)))
    found = run("axe", tmp_path / "w.npy")
    assert found.exit_code == 2
    assert "--inputs should name a file" in found.stderr
