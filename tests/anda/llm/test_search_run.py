"""Searches on a tiny real model: records, plots, and what is told on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda.figures import rendered
from anda.llm.cache import ResultCache
from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.llama import LlamaConfig
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.llm.search import Objective, Space, Tolerance, llama_variables, predict, probe_lengths
from anda.llm.search.plot import plot_trace, plot_traces
from anda.llm.search.run import Answer, run_search
from anda.llm.tokenizer import Tokenizer

from .conftest import FFN, LAYERS, TinyModel

TOKENS = np.random.default_rng(9).integers(0, 200, 64)


def ask(tiny: TinyModel, directory: Path, method: str, per_layer: bool = False, **more: Any) -> Answer:
    variables = llama_variables(LlamaConfig.of(GgufFile(tiny.path)), FFN, per_layer=per_layer)
    objective = Objective("bops", Space(variables, "twos-complement", group=8))
    cache = ResultCache(directory, pytest.fail)
    whole, sample = (
        Meter(tiny.path, tokens, window=32, stride=32, cache=cache) for tokens in (TOKENS, TOKENS[:32])
    )
    tolerance = Tolerance("kl", 1e-3, whole.float().scores.perplexity)
    return run_search(method, objective, tolerance, whole, sample, **more)


@pytest.mark.parametrize(("method", "per_layer"), [("published", False), ("sensitivity", True)])
def test_a_record_is_the_same_every_time(
    tiny: TinyModel, tmp_path: Path, method: str, per_layer: bool
) -> None:
    answer = ask(tiny, tmp_path, method, per_layer)
    record = answer.as_dict()
    again = ask(tiny, tmp_path, method, per_layer)
    assert json.dumps(again.as_dict()) == json.dumps(record)
    assert again.timing == answer.timing
    assert answer.timing.total >= answer.timing.evaluations > 0
    best = record["best"]
    assert best["kl"] <= 1e-3
    assert best["saving"] == max(visit["saving"] for visit in record["visits"] if visit["accepted"])
    assert set(best["lengths"]) == set(record["variables"])
    assert Plan.parse(best["plan"]).key() == answer.plan.key()
    assert len(record["variables"]) == (4 * LAYERS if per_layer else 4)
    if method == "published":
        assert record["probes"] is None
        assert record["effort"] == len(record["visits"])
        assert answer.timing.probes == 0
    else:
        assert set(record["probes"]["kl"]) == set(record["variables"])
        # 31 of 62 tokens, 8 variables.
        assert record["effort"] == len(record["visits"]) + 8 / 2
        assert answer.timing.probes > 0


def test_the_limit_and_what_is_told(tiny: TinyModel, tmp_path: Path) -> None:
    told: list[Any] = []
    probed: list[None] = []
    answer = ask(
        tiny,
        tmp_path,
        "sensitivity",
        limit=1,
        report=told.append,
        probed=lambda: probed.append(None),
    )
    assert told == list(answer.found.visits)
    assert len(told) == 1
    assert len(probed) == 4
    assert len(ask(tiny, tmp_path, "published", limit=3).found.visits) == 3


def test_nothing_found_is_recorded_as_nothing(tiny: TinyModel, tmp_path: Path) -> None:
    answer = ask(tiny, tmp_path, "published", limit=1)
    assert answer.plan is None
    assert answer.as_dict()["best"] is None
    assert rendered(plot_trace(answer.as_dict()), "trace")


def test_plots_show_every_visit_and_are_the_same_every_time(tiny: TinyModel, tmp_path: Path) -> None:
    records = {
        name: ask(tiny, tmp_path, name, name == "sensitivity").as_dict()
        for name in ("published", "sensitivity")
    }
    for record in records.values():
        figure = plot_trace(record)
        trace, lengths = figure.axes
        drawn = sum(len(line.get_xdata()) for line in trace.lines if line.get_marker() in ("o", "x"))
        assert drawn == len(record["visits"])
        assert len(lengths.lines) == 4
        assert rendered(figure, "trace") == rendered(plot_trace(record), "trace")
    both = plot_traces({name: record["visits"] for name, record in records.items()}, "bops")
    assert [panel.get_title() for panel in both.axes] == list(records)


def test_no_such_method(tiny: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="published or sensitivity, not 'guess'"):
        ask(tiny, tmp_path, "guess")


@pytest.mark.nightly
def test_divergences_of_a_real_model_add_up_and_fall_by_four_for_a_bit() -> None:
    """What the search from sensitivities rests on; evaluations correct the rest."""
    path = find_smollm2()
    file = GgufFile(path)
    space = Space(llama_variables(LlamaConfig.of(file), file.shape("blk.0.ffn_up.weight")[0]))
    text = (Path(__file__).resolve().parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")
    meter = Meter(path, Tokenizer(file).encode(text)[:256], window=256, stride=256)
    probes = [entry.scores for entry in meter([Plan(space.activations(n)) for n in probe_lengths(space)])]
    predicted = predict(space, probes).sum(axis=0)
    for length in (7, 8, 9):
        (entry,) = meter([Plan(space.activations(space.uniform(length)))])
        assert 0.5 < entry.scores.kl / predicted[length - space.shortest] < 2
