from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.llm import measure
from anda.llm.cache import ResultCache
from anda.llm.evaluate import Reference, evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.pool import open_workers

from .conftest import TinyModel

TOKENS = np.random.default_rng(5).integers(0, 200, 40)
PLANS = [Plan.parse("anda:5"), Plan.parse("anda:7"), Plan.parse("anda:5")]


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    measure._models.clear()
    measure._references.clear()


def kept(directory: Path) -> tuple[ResultCache, list[str]]:
    told: list[str] = []
    return ResultCache(directory, told.append), told


def test_scores_are_those_of_evaluate_and_each_plan_is_measured_once(tiny: TinyModel) -> None:
    meter = Meter(tiny.path, TOKENS, window=16, stride=8)
    done: list[int] = []
    entries = meter(PLANS, lambda: done.append(meter.measured))
    llama = Llama(GgufFile(tiny.path))
    reference = Reference.of(llama, TOKENS, window=16, stride=8)
    for plan, entry in zip(PLANS, entries, strict=True):
        scores = evaluate(llama, TOKENS, plan.arithmetic(llama), window=16, stride=8, reference=reference)
        assert entry.scores == scores
        assert entry.seconds > 0
    assert entries[0] == entries[2] != entries[1]
    assert meter.measured == 2
    assert done == [0, 1, 2]
    plain = meter.float().scores
    assert plain == evaluate(llama, TOKENS, window=16, stride=8)
    assert (plain.kl, plain.top1) == (0, 1)


def test_a_repeated_evaluation_is_free(tiny: TinyModel, tmp_path: Path) -> None:
    cache, told = kept(tmp_path)
    first = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)
    entries = first(PLANS)
    assert first.measured == 2
    measure._models.clear()
    again = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)
    assert again(PLANS) == entries
    assert again.measured == 0
    assert measure._models == {}
    other = Meter(tiny.path, TOKENS[:-1], window=16, stride=16, cache=cache)
    other(PLANS[:1])
    assert other.measured == 1
    assert told == []


def test_what_came_before_an_interruption_is_kept(tiny: TinyModel, tmp_path: Path) -> None:
    cache, _ = kept(tmp_path)
    meter = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        meter(PLANS[:2], interrupt)
    again = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)
    again(PLANS[:2])
    assert (meter.measured, again.measured) == (1, 1)


def test_damaged_hidden_states_are_told_and_computed_again(tiny: TinyModel, tmp_path: Path) -> None:
    cache, told = kept(tmp_path)
    entries = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)(PLANS[:1])
    (states,) = tmp_path.glob("*.npz")
    good = states.read_bytes()
    states.write_bytes(good[:-30])
    for path in tmp_path.glob("*.json"):
        path.unlink()
    measure._references.clear()
    again = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache)(PLANS[:1])
    assert again[0].scores == entries[0].scores
    assert len(told) == 1
    assert "are damaged and are computed again" in told[0]
    assert len(states.read_bytes()) == len(good)


def test_processes_find_the_same(tiny: TinyModel, tmp_path: Path) -> None:
    alone = Meter(tiny.path, TOKENS, window=16, stride=16)(PLANS)
    with open_workers(2) as workers:
        cache, _ = kept(tmp_path)
        together = Meter(tiny.path, TOKENS, window=16, stride=16, cache=cache, workers=workers)(PLANS)
    for one, other in zip(alone, together, strict=True):
        assert other.scores.perplexity == pytest.approx(one.scores.perplexity, rel=1e-6)
        assert other.scores.kl == pytest.approx(one.scores.kl, rel=1e-3)
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_only_the_last_few_texts_stay_in_memory(tiny: TinyModel) -> None:
    for length in range(20, 27):
        Meter(tiny.path, TOKENS[:length], window=16, stride=16)(PLANS[:1])
    assert len(measure._references) == 4
    assert len(measure._models) == 1


def test_a_worker_with_another_file(tiny: TinyModel, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny.path.read_bytes())
    meter = Meter(path, TOKENS, window=16, stride=16)
    path.write_bytes(tiny.path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"model\.gguf is another file here than where the work was given"):
        meter(PLANS[:1])


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a file was expected at .*none\.gguf"):
        Meter(tmp_path / "none.gguf", TOKENS)
