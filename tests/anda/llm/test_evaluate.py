from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import anda.llm.evaluate
from anda.llm.arithmetic import FLOAT, Arithmetic, Kind
from anda.llm.evaluate import Reference, Scores, evaluate, windows
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama

from .conftest import TinyModel


class Coarse(Arithmetic):
    """Activations in steps; enough of a change to be seen in every figure."""

    def __init__(self, step: float) -> None:
        self.step = step

    def activation(self, layer: int, kind: Kind, x: NDArray[Any]) -> NDArray[Any]:
        return np.round(x / self.step) * self.step


@pytest.fixture(scope="module")
def text(tiny: TinyModel) -> NDArray[np.int64]:
    return np.random.default_rng(3).integers(0, len(tiny.tokens), 50)


def log_softmax(row: list[float]) -> list[float]:
    total = math.log(math.fsum(math.exp(x - max(row)) for x in row)) + max(row)
    return [x - total for x in row]


def slow_scores(
    model: Llama, tokens: NDArray[np.int64], arithmetic: Arithmetic, window: int, stride: int
) -> Scores:
    """Token by token, in Python floats; a token counts in the first window that has one before it."""
    loss, divergence, same, count, scored = 0.0, 0.0, 0, 0, set[int]()
    for first in range(0, len(tokens), stride):
        part = tokens[first : first + window]
        pair = [model.logits(part, kind).tolist() for kind in (FLOAT, arithmetic)]
        for at, (exact, actual) in enumerate(zip(pair[0][:-1], pair[1][:-1], strict=True)):
            if first + at + 1 in scored:
                continue
            scored.add(first + at + 1)
            logs = [log_softmax(row) for row in (exact, actual)]
            loss -= logs[1][part[at + 1]]
            divergence += math.fsum(math.exp(p) * (p - q) for p, q in zip(*logs, strict=True))
            same += exact.index(max(exact)) == actual.index(max(actual))
            count += 1
        if first + window >= len(tokens):
            break
    return Scores(count, math.exp(loss / count), divergence / count, same / count)


@pytest.mark.parametrize(("window", "stride"), [(50, 50), (64, 64), (16, 16), (16, 5), (7, 6), (2, 2)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-5)])
def test_scores_are_those_of_a_slow_reference(
    tiny: TinyModel,
    text: NDArray[np.int64],
    window: int,
    stride: int,
    dtype: Any,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Several chunks of the vocabulary's scores, the last one short.
    monkeypatch.setattr(anda.llm.evaluate, "_CHUNK_SCORES", 9 * len(tiny.tokens))
    arithmetic = Coarse(0.25)
    found = evaluate(Llama(GgufFile(tiny.path), dtype), text, arithmetic, window=window, stride=stride)
    expected = slow_scores(Llama(GgufFile(tiny.path), np.float64), text, arithmetic, window, stride)
    assert found.tokens == expected.tokens
    assert found.perplexity == pytest.approx(expected.perplexity, rel=50 * tolerance)
    assert found.kl == pytest.approx(expected.kl, rel=50 * tolerance, abs=tolerance)
    assert found.top1 == pytest.approx(expected.top1)
    assert found.kl > 0.01
    assert 0.2 < found.top1 < 1


def test_the_float_model_does_not_differ_from_itself(tiny: TinyModel, text: NDArray[np.int64]) -> None:
    model = Llama(GgufFile(tiny.path))
    plain = evaluate(model, text, window=20, stride=10)
    assert (plain.kl, plain.top1) == (0, 1)
    # The same by way of two runs and a comparison.
    assert evaluate(model, text, Arithmetic(), window=20, stride=10) == plain


def test_a_tiny_divergence_is_not_lost_in_rounding() -> None:
    rng = np.random.default_rng(5)
    exact = rng.normal(0, 4, (3, 1000))
    actual = exact + rng.normal(0, 1e-3, exact.shape) + 7.5
    p, q = (np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) for x in (exact, actual))
    expected = (p * np.log(p / q)).sum()
    targets = np.zeros(3, dtype=np.int64)
    loss, kl, same = anda.llm.evaluate._compare(exact, actual, targets)
    assert kl == pytest.approx(expected, rel=1e-6)
    assert loss == pytest.approx(-np.log(q[:, 0]).sum())
    assert same == 3
    single = anda.llm.evaluate._compare(exact.astype(np.float32), actual.astype(np.float32), targets)
    assert single[1] == pytest.approx(expected, abs=3e-7)


def test_extreme_scores_stay_finite() -> None:
    exact, actual = np.array([[9e4, -9e4, 0]], np.float32), np.array([[9e4, 9e4, -9e4]], np.float32)
    loss, kl, same = anda.llm.evaluate._compare(exact, actual, np.array([1]))
    assert loss == pytest.approx(math.log(2))
    assert kl == pytest.approx(math.log(2))
    assert same == 1


def test_every_token_counts_once_with_enough_context() -> None:
    for count in range(2, 40):
        for window in range(2, 12):
            for stride in range(1, window + 1):
                found = windows(count, window, stride)
                scored = [token for w in found for token in range(w.counted, w.stop)]
                assert scored == sorted(set(scored))
                missing = set(range(1, count)) - set(scored)
                assert missing == (set(range(window, count, window)) if stride == window else set())
                for w in found:
                    assert w.stop - w.first <= window
                    assert w.counted > w.first
                    assert w.first == 0 or w.counted - w.first >= max(window - stride, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 1, 1), "a window must have at least 2 tokens, not 1"),
        ((10, 4, 5), r"the stride must be in 1\.\.4 \(the window\), not 5"),
        ((10, 4, 0), r"the stride must be in 1\.\.4 \(the window\), not 0"),
        ((1, 4, 4), "the text must have at least 2 tokens, not 1"),
    ],
)
def test_impossible_windows_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows(*arguments)


def test_a_reference_saves_the_float_run(tiny: TinyModel, text: NDArray[np.int64], tmp_path: Path) -> None:
    model = Llama(GgufFile(tiny.path))
    reference = Reference.of(model, text, window=20, stride=20)
    reference.save(tmp_path / "cache" / "reference.npz")
    back = Reference.load(tmp_path / "cache" / "reference.npz")
    assert back.hidden.shape == (47, model.config.hidden)
    arithmetic = Coarse(0.25)
    counts: list[tuple[int, int]] = []
    fresh = evaluate(
        model, text, arithmetic, window=20, stride=20, progress=lambda *step: counts.append(step)
    )
    saved: list[tuple[int, int]] = []
    again = evaluate(
        model,
        text,
        arithmetic,
        window=20,
        stride=20,
        reference=back,
        progress=lambda *step: saved.append(step),
    )
    assert again == fresh
    # Windows of 20 together, the one of 10 alone, two blocks each; once for each model, and one chunk.
    assert counts == [(step, 9) for step in range(1, 10)]
    assert saved == [(step, 5) for step in range(1, 6)]
    with pytest.raises(ValueError, match="of the same text, window and stride, but is of others"):
        evaluate(model, text, arithmetic, window=20, stride=10, reference=back)


def test_batches_change_no_figure(
    tiny: TinyModel, text: NDArray[np.int64], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    together = evaluate(model, text, Coarse(0.25), window=8, stride=4)
    monkeypatch.setattr(anda.llm.evaluate, "_BATCH_TOKENS", 16)
    apart = evaluate(model, text, Coarse(0.25), window=8, stride=4)
    assert apart.top1 == together.top1
    assert apart.perplexity == pytest.approx(together.perplexity, rel=1e-12)
    assert apart.kl == pytest.approx(together.kl, rel=1e-9)
