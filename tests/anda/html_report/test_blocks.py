"""The block diagrams are of the designs as they are generated now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anda.config import load
from anda.generate import generate
from anda.html_report.blocks import SHOWN
from anda.html_report.provenance import read_sources
from anda.tops import choose, tops

ROWS = read_sources(Path(__file__).resolve().parents[3] / "docs" / "data")["blocks"].data["rows"]
NEWLY = "run scripts/measure_blocks.py"


def test_every_design_that_is_shown_is_recorded_as_it_is() -> None:
    recorded = {(row["design"], row["role"]): row["configuration_sha256"] for row in ROWS}
    assert recorded == {(preset, role): load(preset).hash for preset, role in SHOWN}, NEWLY


def _rows() -> list[Any]:
    """One design in the quick tests, the larger ones at night: generating them takes seconds."""
    quick = ("compact", "datapath")
    return [
        pytest.param(
            row,
            id=f"{row['design']} {row['role']}",
            marks=() if (row["design"], row["role"]) == quick else pytest.mark.nightly,
        )
        for row in ROWS
    ]


@pytest.mark.parametrize("row", _rows())
def test_recorded_blocks_are_of_the_verilog_as_it_is_generated_now(row: dict[str, str]) -> None:
    design = load(row["design"])
    product = generate(design, choose(tops(design), [row["role"]])[0])
    assert product.sidecar["verilog_sha256"] == row["verilog_sha256"], NEWLY
