"""The searches of docs/search.md are asked as the page says, and its tables and plots show the answers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda.figures import rendered
from anda.llm.gguf import GgufFile
from anda.llm.llama import LlamaConfig
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.search_plots import plot_found, plot_layers, plot_searches
from anda.search_runs import ENCODINGS, GOAL_QUESTIONS, GOALS, QUESTIONS, Bench, Question, measure_searches
from anda.search_tables import SEARCH_TABLES, chosen, title
from anda.tables import TABLES, write_tables

from .conftest import FFN, LAYERS, TinyModel

RECORDED = json.loads((Path(__file__).resolve().parents[3] / "docs" / "data" / "search.json").read_text())
TOKENS = np.random.default_rng(9).integers(0, 200, 112)


@pytest.fixture(scope="module")
def bench(tiny: TinyModel) -> Bench:
    parts = (TOKENS[:48], TOKENS[48:], TOKENS[:24])
    meters = (Meter(tiny.path, part, window=24, stride=24) for part in parts)
    return Bench(LlamaConfig.of(GgufFile(tiny.path)), FFN, *meters)


@pytest.fixture(scope="module")
def data(bench: Bench) -> dict[str, Any]:
    told: list[str] = []
    found = measure_searches(bench, told.append, (0.01, 0.001), uniform=range(5, 8))
    assert len(told) == 2 * len(QUESTIONS) + len(GOAL_QUESTIONS) + 2 * 3
    return json.loads(json.dumps(found))


def test_the_first_question_is_the_paper_s() -> None:
    assert QUESTIONS[0] == Question("2a", "published", metric="perplexity", goal="bops")
    assert len(set(QUESTIONS)) == len(QUESTIONS)
    assert {question.encoding for question in QUESTIONS} == set(ENCODINGS)


def test_every_answer_is_measured_on_both_parts_of_the_text(data: dict[str, Any], bench: Bench) -> None:
    assert len(data["searches"]) == 2 * len(QUESTIONS) + len(GOAL_QUESTIONS)
    assert data["text"]["calibration"]["tokens"] == 48
    assert data["text"]["held_out"]["sha256"] == bench.held_out.tokens_sha256
    row = chosen(data, delta=0.01, encoding="2b", per_layer=True, metric="kl", goal="traffic")[0]
    lengths = {kind: own.split() for kind, own in row["best"]["lengths"].items()}
    assert {len(own) for own in lengths.values()} == {LAYERS}
    named = {f"{layer}.{kind}": int(n) for kind, own in lengths.items() for layer, n in enumerate(own)}
    for part, meter in (("calibration", bench.calibration), ("held_out", bench.held_out)):
        (entry,) = meter([Plan.lengths(named)])
        assert row["best"][part]["kl"] == pytest.approx(entry.scores.kl, rel=1e-5)
    assert row["best"]["calibration"]["kl"] <= row["limit"] * (1 + 1e-5)
    saving = next(visit["saving"] for visit in reversed(row["visits"]) if visit["accepted"])
    assert row["best"]["savings"]["traffic"] == saving
    assert set(row["best"]["savings"]) == set(GOALS)
    assert data["float"]["held_out"]["kl"] == 0


def test_at_the_divergence_of_what_the_paper_s_search_found(data: dict[str, Any]) -> None:
    for delta in (0.01, 0.001):
        for encoding in ENCODINGS:
            paper = chosen(data, delta=delta, encoding=encoding, method="published", metric="perplexity")[0]
            rows = chosen(data, delta=delta, kl_of=encoding)
            assert len(rows) == 2
            assert {row["limit"] for row in rows} == {paper["best"]["calibration"]["kl"]}


def test_tables_have_a_row_for_every_search(data: dict[str, Any]) -> None:
    for name, delta in (("search-1", 0.01), ("search-01", 0.001)):
        headers, body = SEARCH_TABLES[name](data)
        rows = chosen(data, delta=delta, goal="bops")
        assert [line[1] for line in body] == [title(row) for row in rows]
        assert {len(line) for line in body} == {len(headers)}
        best = rows[0]["best"]
        assert body[0][2] == " ".join(best["lengths"][kind] for kind in ("qkv", "o", "up_gate", "down"))
        assert body[0][6] == f"{best['savings']['bops']:.3f}"
        change = 100 * (best["held_out"]["perplexity"] / data["float"]["held_out"]["perplexity"] - 1)
        assert body[0][-1] == f"{change:+.2f}"
    headers, body = SEARCH_TABLES["search-uniform"](data)
    assert [line[0] for line in body] == ["5", "6", "7"]
    assert [line[1] for line in body] == ["6", "7", "8"]
    assert [line[5] for line in body] == ["5", "6", "7"]
    headers, body = SEARCH_TABLES["search-goals"](data)
    assert [line[0] for line in body] == ["bit operations", "memory", "energy"]
    assert {len(line) for line in body} == {len(headers)}


def test_a_search_that_found_nothing_has_a_row(data: dict[str, Any]) -> None:
    nothing = [{**row, "best": None} for row in data["searches"]]
    empty = {**data, "searches": nothing}
    headers, body = SEARCH_TABLES["search-1"](empty)
    assert {len(line) for line in body} == {len(headers)}
    assert {line[2] for line in body} == {"none"}
    assert SEARCH_TABLES["search-goals"](empty)[1] == []
    assert plot_found(empty).axes


def test_the_tables_are_among_those_of_the_pages(data: dict[str, Any]) -> None:
    for name in SEARCH_TABLES:
        assert TABLES[name][0] == "search"
    page = write_tables("<!-- table: search-1 -->\n<!-- end -->", {"search": data})
    assert page.count("\n| ") == 1 + len(chosen(data, delta=0.01, goal="bops"))


def test_plots_are_the_same_every_time(data: dict[str, Any]) -> None:
    panels = plot_searches(data).axes
    assert [panel.get_title() for panel in panels] == [
        "2a published, kinds\nperplexity",
        "2b published, kinds\nkl",
        "2b sensitivity, kinds\nkl",
        "2b sensitivity, layers\nkl",
    ]
    assert len(plot_layers(data).axes) == 2
    points = [line for line in plot_found(data).axes[0].lines if line.get_linestyle() == "None"]
    assert len(points) == sum(row["best"] is not None for row in chosen(data, goal="bops"))
    assert rendered(plot_found(data), "a") == rendered(plot_found(data), "a")


def recorded(**facts: Any) -> dict[str, Any]:
    (row,) = chosen(RECORDED, goal="bops", **facts)
    return row


def saving(row: dict[str, Any], goal: str = "cycles") -> float:
    return row["best"]["savings"][goal]


@pytest.mark.parametrize(("delta", "kinds", "layers", "worth"), [(0.01, 11, 16, 6), (0.001, 11, 13, 5)])
def test_the_record_is_as_the_page_says(delta: float, kinds: int, layers: int, worth: int) -> None:
    within = {
        (encoding, method, per_layer): recorded(
            delta=delta, metric="kl", kl_of=None, encoding=encoding, method=method, per_layer=per_layer
        )
        for encoding, method, per_layer in (
            ("2a", "sensitivity", False),
            ("2a", "sensitivity", True),
            ("2b", "sensitivity", False),
            ("2b", "sensitivity", True),
            ("2b", "published", False),
        )
    }
    for row in within.values():
        assert row["best"]["calibration"]["kl"] <= -math.log1p(-delta)
    ours, published = within["2b", "sensitivity", False], within["2b", "published", False]
    assert saving(ours) >= saving(published)
    assert ours["effort"] < published["effort"] / 4
    for per_layer, gain in ((False, kinds), (True, layers)):
        rows = [within[encoding, "sensitivity", per_layer] for encoding in ("2b", "2a")]
        assert round(100 * (saving(rows[0]) / saving(rows[1]) - 1)) == gain
        assert saving(rows[0], "bops") == pytest.approx(saving(rows[1], "bops"), rel=0.03)
    assert round(100 * (saving(within["2b", "sensitivity", True]) / saving(ours) - 1)) == worth


def test_what_the_page_says_of_perplexity_is_so() -> None:
    row = recorded(delta=0.01, metric="perplexity", encoding="2b", method="published")
    assert len(row["visits"]) == 29
    unseen = row["best"]["held_out"]["perplexity"] / RECORDED["float"]["held_out"]["perplexity"]
    assert unseen == pytest.approx(1.045, abs=0.001)
    seen = row["best"]["calibration"]["perplexity"] / RECORDED["float"]["calibration"]["perplexity"]
    assert seen < 1.0101
    assert row["best"]["held_out"]["kl"] == pytest.approx(row["best"]["calibration"]["kl"], rel=0.1)
    paper = recorded(delta=0.001, metric="perplexity", encoding="2a", method="published")
    assert paper["best"]["calibration"]["kl"] / -math.log1p(-0.001) == pytest.approx(24, abs=0.5)
    paper = recorded(delta=0.01, metric="perplexity", encoding="2a", method="published")
    for per_layer, fewer in ((False, 0.14), (True, 0.20)):
        row = recorded(delta=0.01, kl_of="2a", per_layer=per_layer)
        assert 1 - saving(paper) / saving(row) == pytest.approx(fewer, abs=0.005)
