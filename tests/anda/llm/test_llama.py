from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anda.llm.gguf import GgufFile
from anda.llm.llama import PROJECTIONS, Llama, perplexity

from .conftest import EPSILON, FFN, HEADS, HIDDEN, KV_HEADS, LAYERS, ROPE_BASE, TinyModel, write

Vector = list[float]
HEAD = HIDDEN // HEADS
TOKENS = np.array([5, 80, 3, 200, 80, 17], dtype=np.int64)


def linear(weights: NDArray[np.float64], x: Vector) -> Vector:
    return [math.fsum(w * v for w, v in zip(row, x, strict=True)) for row in weights.tolist()]


def normalize(x: Vector, gain: NDArray[np.float64]) -> Vector:
    root = math.sqrt(math.fsum(v * v for v in x) / len(x) + EPSILON)
    return [v / root * g for v, g in zip(x, gain.tolist(), strict=True)]


def rotate(x: Vector, position: int) -> Vector:
    """Each pair of neighbours is one complex number, turned by its own angle."""
    out: Vector = []
    for pair in range(len(x) // 2):
        angle = position * ROPE_BASE ** (-2 * pair / len(x))
        turned = complex(x[2 * pair], x[2 * pair + 1]) * complex(math.cos(angle), math.sin(angle))
        out += [turned.real, turned.imag]
    return out


def attend(queries: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
    """All heads of one token over the tokens up to itself."""
    position, out = len(keys) - 1, []
    for head in range(HEADS):
        own = slice(head * HEAD, (head + 1) * HEAD)
        shared = head * KV_HEADS // HEADS
        theirs = slice(shared * HEAD, (shared + 1) * HEAD)
        query = rotate(queries[own], position)
        scores = [
            math.fsum(a * b for a, b in zip(query, rotate(key[theirs], at), strict=True)) / math.sqrt(HEAD)
            for at, key in enumerate(keys)
        ]
        shares = [math.exp(score) / math.fsum(map(math.exp, scores)) for score in scores]
        out += [
            math.fsum(share * value[theirs][i] for share, value in zip(shares, values, strict=True))
            for i in range(HEAD)
        ]
    return out


def slow_forward(
    weights: dict[str, Any], tokens: list[int]
) -> tuple[list[Vector], dict[tuple[int, str], list[Vector]]]:
    """Logits and projection inputs, one token and one scalar at a time."""
    stream = [weights["token_embd"][token].tolist() for token in tokens]
    seen: dict[tuple[int, str], list[Vector]] = {
        (layer, name): [] for layer in range(LAYERS) for name in PROJECTIONS
    }
    for layer in range(LAYERS):
        keys: list[Vector] = []
        values: list[Vector] = []
        w = {name.removeprefix(f"blk.{layer}."): weight for name, weight in weights.items()}
        for at, x in enumerate(stream):
            inside = normalize(x, w["attn_norm"])
            keys.append(linear(w["attn_k"], inside))
            values.append(linear(w["attn_v"], inside))
            mixed = attend(linear(w["attn_q"], inside), keys, values)
            x = [a + b for a, b in zip(x, linear(w["attn_output"], mixed), strict=True)]
            unit = normalize(x, w["ffn_norm"])
            gate, up = linear(w["ffn_gate"], unit), linear(w["ffn_up"], unit)
            hidden = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up, strict=True)]
            stream[at] = [a + b for a, b in zip(x, linear(w["ffn_down"], hidden), strict=True)]
            for name, value in zip(PROJECTIONS, (inside, mixed, unit, hidden), strict=True):
                seen[layer, name].append(value)
    logits = [linear(weights["token_embd"], normalize(x, weights["output_norm"])) for x in stream]
    return logits, seen


@pytest.fixture(scope="module")
def slow(tiny: TinyModel) -> tuple[list[Vector], dict[tuple[int, str], list[Vector]]]:
    return slow_forward(tiny.weights, TOKENS.tolist())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-7), (np.float32, 1e-4)])
def test_logits_equal_the_slow_reference(tiny: TinyModel, slow: Any, dtype: Any, tolerance: float) -> None:
    # Both start from weights that were rounded to float32 in different places: hence not 1e-12.
    logits = Llama(GgufFile(tiny.path), dtype).logits(TOKENS)
    assert logits.dtype == dtype
    assert logits.shape == (len(TOKENS), len(tiny.tokens))
    np.testing.assert_allclose(logits, slow[0], rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_captured_inputs_equal_the_slow_reference(tiny: TinyModel, slow: Any, layer: int) -> None:
    captured = Llama(GgufFile(tiny.path), np.float64).capture(TOKENS, layer)
    assert list(captured) == list(PROJECTIONS)
    assert captured["down"].shape == (len(TOKENS), FFN)
    for name, x in captured.items():
        np.testing.assert_allclose(x, slow[1][layer, name], rtol=1e-6, atol=1e-6)


def test_a_tap_sees_every_projection_once_and_can_replace_its_input(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    calls: list[tuple[int, str]] = []

    def watch(layer: int, projection: str, x: NDArray[Any]) -> NDArray[Any]:
        calls.append((layer, projection))
        return x

    def silence(layer: int, projection: str, x: NDArray[Any]) -> NDArray[Any]:
        return x * 0 if projection in ("o", "down") else x

    assert np.array_equal(model.logits(TOKENS, watch), model.logits(TOKENS))
    assert calls == [(layer, name) for layer in range(LAYERS) for name in PROJECTIONS]
    # With both outputs of every block silenced, only the embedding reaches the head.
    embedding = tiny.weights["token_embd"][TOKENS]
    root = np.sqrt((embedding**2).mean(axis=-1, keepdims=True) + EPSILON)
    bare = embedding / root * tiny.weights["output_norm"] @ tiny.weights["token_embd"].T
    np.testing.assert_allclose(model.logits(TOKENS, silence), bare, rtol=1e-6, atol=1e-9)


def test_a_layer_that_does_not_exist_is_refused(tiny: TinyModel) -> None:
    with pytest.raises(ValueError, match=r"layer must be in 0\.\.1, not 2"):
        Llama(GgufFile(tiny.path)).capture(TOKENS, LAYERS)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other.gguf", {"general.architecture": "mamba"})
    with pytest.raises(ValueError, match=r"other\.gguf holds a 'mamba' model; expected 'llama'"):
        Llama(GgufFile(other.path))


def test_perplexity_of_known_distributions() -> None:
    tokens = np.array([0, 1, 2, 3], dtype=np.int64)
    assert perplexity(np.zeros((4, 5)), tokens) == pytest.approx(5)
    # Three quarters for the right token, the rest for one other.
    scores = np.full((4, 4), -1000.0)
    for row, right in enumerate([1, 2, 3]):
        scores[row, right], scores[row, 0] = math.log(3), 0.0
    assert perplexity(scores, tokens) == pytest.approx(4 / 3)
