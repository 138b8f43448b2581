"""Real projections: what is read, how it is measured, and what was recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from anda.accelerator_files import accelerator_parameters
from anda.projection import (
    CONFIGURATION,
    QUESTIONS,
    Question,
    configuration_hash,
    fixture_projections,
    measure_projections,
    real_projection,
)
from anda.projection_table import projection_rows
from sim.accelerator_projection import accelerator_cycles

DATA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "data" / "projection.json").read_text())


def test_the_recorded_runs_are_of_this_configuration() -> None:
    parameters = accelerator_parameters(CONFIGURATION)
    assert DATA["configuration_sha256"] == configuration_hash(CONFIGURATION), (
        "run scripts/measure_projection.py"
    )
    assert [(row["matrix"], row["planes"]) for row in DATA["rows"]] == [
        (question.matrix, question.planes) for question in QUESTIONS
    ]
    for row in DATA["rows"]:
        model = accelerator_cycles(parameters, row["n"], row["k"], row["c"], row["planes"])
        assert row["cycles"] == row["model_cycles"] == model, "run scripts/measure_projection.py"


def test_the_array_was_busy_in_every_projection() -> None:
    assert DATA["evidence"] == "simulated"
    shapes = {(row["n"], row["k"], row["c"]) for row in DATA["rows"]}
    assert {(16, 576, 576), (16, 576, 1536)} <= shapes
    for row in DATA["rows"]:
        assert row["results"] == row["n"] * row["c"]
        assert row["cycles"] == row["beats"] + row["check"] + sum(row["stalls"].values())
        assert row["macs_per_cycle"] == pytest.approx(row["macs"] / row["cycles"], abs=1e-3)
        assert row["utilization"] > 0.99


def test_the_walk_through_of_the_page_is_that_of_the_first_run() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "projection.md").read_text()
    steps = re.findall(r"^\| (\d+) \| ", page, flags=re.M)
    first = DATA["rows"][0]
    assert (first["matrix"], first["planes"]) == ("attn_q", 8)
    assert f"= {first['beats']:,} beats" in page
    assert sum(map(int, steps)) == first["check"] + first["stalls"]["weights"]
    assert first["stalls"]["weights"] + first["check"] == first["cycles"] - first["beats"]


def test_the_table_has_a_cell_for_every_header() -> None:
    headers, body = projection_rows(DATA)
    assert {len(row) for row in body} == {len(headers)}
    assert len(body) == len(QUESTIONS)


def test_an_unknown_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a matrix must be one of attn_q, .*, not 'attn_x'"):
        real_projection(["attn_x"])


def test_the_real_data_of_a_checkout_need_no_model() -> None:
    found = fixture_projections(5)
    assert list(found) == ["qkv", "o", "up_gate", "down"]
    assert {(len(p.x), p.weights.channels) for p in found.values()} == {(5, 32)}


@pytest.mark.nightly
def test_real_projections_on_a_small_array(tmp_path: Path) -> None:
    """Two slices of the checkout and one whole matrix of the model."""
    small = {**CONFIGURATION, "columns": 4, "columns_per_load": 2, "lanes": 16, "max_planes": 6}
    small |= {"plane_groups": 512, "activations_bits": 256, "results_bits": 64}
    told: list[str] = []
    projections = {**fixture_projections(5), **real_projection(["attn_k"], tokens=5)}
    assert projections["attn_k"].weights.codes.shape == (192, 576)
    assert projections["attn_k"].x.dtype == np.float16
    questions = [Question("qkv", 5), Question("down", 5), Question("attn_k", 5)]
    data = measure_projections(
        told.append, questions, small, projections=projections, simulator="verilator", work=tmp_path
    )
    assert [row["results"] for row in data["rows"]] == [160, 160, 960]
    assert data["rows"][-1]["utilization"] > 0.9
    assert "960 results right" in told[-1]
