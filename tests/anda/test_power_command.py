"""`anda power`: what it asks for and what it refuses; the figures are tested with the power of components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from anda.cli import app
from anda.cli.power import _planes
from anda.fixture import load
from anda.flow.power_sample import sample
from tests.anda.test_power import mappable

DESIGN = """
name = "small"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 4
[pe]
level_bits = 4
weights = "shared"
rows = 2
"""


def _run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["power", *map(str, arguments)])


def _complaint(result: Result) -> str:
    assert result.exit_code == 2
    return result.stderr.splitlines()[-1]


@pytest.fixture
def design(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(DESIGN, encoding="utf-8")
    return path


def test_an_element_is_the_sum_of_its_parts(tmp_path: Path, design: Path) -> None:
    import json

    library = mappable(tmp_path)
    files = tmp_path / "files"
    found = _run(
        design, "--liberty", library.files[0], "--planes", "3", "--runs", 8, "--json", "--export", files
    )
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    (element,) = answer["elements"]
    parts = {part["part"]: part for part in element["parts"]}
    assert {name: part["share"] for name, part in parts.items()} == {"pe": 1.0, "weights": 0.5}
    reports = [part["report"] for part in parts.values()]
    assert element["dynamic_fj_per_mac"] == pytest.approx(sum(r["dynamic_fj_per_mac"] for r in reports))
    assert element["area"] == pytest.approx(sum(p["share"] * p["report"]["area"] for p in parts.values()))
    assert element["leakage_w"] == pytest.approx(
        sum(p["share"] * p["report"]["leakage_w"] for p in parts.values())
    )
    assert element["macs_per_cycle"] == pytest.approx(8 / 3)
    assert element["total_w"] == pytest.approx(
        element["total_fj_per_mac"] * 1e-15 * 100e6 * element["macs_per_cycle"]
    )
    # Registers load a group for two rows: twice the multiply-accumulates of an element.
    assert parts["weights"]["report"]["macs"] == 2 * parts["pe"]["report"]["macs"]
    assert all(report["results"] > 0 for report in reports)
    assert answer["evidence"] == "simulated on the mapped netlist"
    assert set(answer["checks"]) == {"pe", "weights"}
    assert (files / "pe" / "power.tcl").is_file()


def test_what_cannot_be_measured(tmp_path: Path, design: Path) -> None:
    assert "Expected a library with tables of internal power" in _complaint(_run(design))
    library = mappable(tmp_path).files[0]
    complaint = _complaint(_run(design, "-l", library, "-c", "accumulator"))
    assert "expected a part of the element of small (pe, weights), not 'accumulator'" in complaint
    design.write_text(DESIGN.replace("rows", 'products = "pairs"\nrows'), encoding="utf-8")
    assert "takes products of pairs, whose sums and lines it shares" in _complaint(
        _run(design, "-l", library)
    )
    assert "Expected a Liberty file at sky130hd" in _complaint(_run(design, "-l", "sky130hd"))


@pytest.mark.parametrize("clock", ["0", "-5"])
def test_a_clock_that_is_none_is_refused_before_anything_is_mapped(design: Path, clock: str) -> None:
    assert _complaint(_run(design, "--clock", clock)) == f"anda: expected a clock above 0 MHz, not {clock}"


@pytest.mark.parametrize(
    ("text", "planes"), [("6", [6]), ("4-6", [4, 5, 6]), ("4,8, 9-10", [4, 8, 9, 10]), (None, [4, 5])]
)
def test_numbers_of_planes(text: str | None, planes: list[int]) -> None:
    assert _planes(text, 5) == planes


@pytest.mark.parametrize("text", ["", "a", "4-", "6-4"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected numbers of planes"):
        _planes(text, 10)


def test_the_sample_is_real() -> None:
    found = sample(8, rows=3, lanes=64, seed=1)
    assert found.activations.shape == (8, 3, 9, 64)
    assert found.weights.shape == (8, 9, 64)
    p = load()["qkv"]
    row = found.activations[0, 1].reshape(-1)
    (token,) = np.flatnonzero((p.x == row).all(axis=1))
    assert np.array_equal(found.activations[0, 2].reshape(-1), p.x[token + 1])
    (channel, *_) = np.flatnonzero((p.levels == found.weights[0].reshape(-1)).all(axis=1))
    assert np.array_equal(found.scales[0], p.scales[channel][np.arange(9) // 2])
    assert np.array_equal(sample(8, rows=3, seed=1).scales, found.scales)
    with pytest.raises(ValueError, match="so 1 to 64 rows, not 65"):
        sample(1, rows=65)
