"""Whole models on the array of the paper, and the recorded figures of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anda.models import MODELS, TOLERANCES, model
from anda.system_runs import BASELINE, SYSTEMS, measure_systems, model_traffic, total_traffic
from anda.system_tables import SYSTEM_TABLES

DATA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "data" / "system_cycles.json").read_text())


def test_the_recorded_figures_are_of_the_models_as_they_are() -> None:
    told: list[str] = []
    own = measure_systems(told.append, models=(MODELS[6],))
    assert told == ["LLaMA-13B"]
    assert own["rows"] == [row for row in DATA["rows"] if row["model"] == "LLaMA-13B"], (
        "run scripts/measure_system.py"
    )
    assert [row["name"] for row in DATA["models"]] == [each.name for each in MODELS]
    assert DATA["evidence"] == "computed"


def test_the_array_is_busy_and_a_group_costs_its_words() -> None:
    prefill = [row for row in DATA["rows"] if row["phase"] == "prefill"]
    assert len(prefill) == 9 * 4 * (1 + 2 * 2)
    for row in prefill:
        assert row["beats"] / row["cycles"] > 0.99
        assert row["macs"] == pytest.approx(row["beats"] * 16 * 16 * 64 / row["words"], rel=1e-12)


def test_a_matrix_is_read_at_least_once_and_all_weights_in_decoding() -> None:
    weights = {each.name: each.blocks and each.parameters // each.blocks for each in MODELS}
    for name, count in weights.items():
        rows = [row for row in DATA["rows"] if (row["model"], row["phase"]) == (name, "decode")]
        per_block = {(row["system"], row["tolerance"]): 0 for row in rows}
        for row in rows:
            per_block[row["system"], row["tolerance"]] += row["dram_weights"]
        # Four bits, and sixteen for 128 of them.
        assert set(per_block.values()) == {count * (4 + 16 / 128) / 8}


def test_shorter_activations_halve_the_traffic_of_the_papers_example() -> None:
    """The paper: DRAM 2.0 times less, for LLaMA-13B at 1 %."""
    llama = model("LLaMA-13B")
    base = total_traffic(model_traffic(BASELINE, llama, 2048))
    published = total_traffic(model_traffic(SYSTEMS["published"], llama, 2048, "1%"))
    compact = total_traffic(model_traffic(SYSTEMS["compact"], llama, 2048, "1%"))
    assert base.dram_bytes / published.dram_bytes > 2
    assert compact.dram_bytes < published.dram_bytes
    assert compact.sram_bytes < published.sram_bytes < base.sram_bytes
    assert base.macs == published.macs == compact.macs == 2048 * llama.parameters


def test_speed_is_that_of_the_cycle_law() -> None:
    headers, body = SYSTEM_TABLES["system-speed"](DATA)
    found = {row[0]: row[2:] for row in body}
    for each in MODELS:
        for place, tolerance in zip((0, 2), TOLERANCES, strict=True):
            law = 16 / (each.mean_length(tolerance) + 1)
            assert float(found[each.name][place]) == pytest.approx(law, abs=0.02)
    assert headers[2:] == ["`published`, 0.1 %", "`compact`, 0.1 %", "`published`, 1 %", "`compact`, 1 %"]


@pytest.mark.parametrize("name", SYSTEM_TABLES)
def test_tables_have_a_cell_for_every_header(name: str) -> None:
    headers, body = SYSTEM_TABLES[name](DATA)
    assert body
    assert {len(row) for row in body} == {len(headers)}
