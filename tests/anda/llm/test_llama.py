from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anda.llm.arithmetic import PROJECTIONS, Arithmetic, Kind, Weight
from anda.llm.capture import capture_inputs
from anda.llm.gguf import GgufFile
from anda.llm.llama import KeyValues, Llama

from .conftest import EPSILON, FFN, HEADS, HIDDEN, KV_HEADS, LAYERS, ROPE_BASE, TinyModel, write

Vector = list[float]
HEAD = HIDDEN // HEADS
TOKENS = np.array([5, 80, 3, 200, 80, 17], dtype=np.int64)


def linear(weights: NDArray[np.float64], x: Vector) -> Vector:
    return [math.fsum(w * v for w, v in zip(row, x, strict=True)) for row in weights.tolist()]


def normalize(x: Vector, gain: NDArray[np.float64]) -> Vector:
    root = math.sqrt(math.fsum(v * v for v in x) / len(x) + EPSILON)
    return [v / root * g for v, g in zip(x, gain.tolist(), strict=True)]


def rotate(x: Vector, position: int, factors: Vector) -> Vector:
    """Each pair of neighbours is one complex number, turned by its own angle."""
    out: Vector = []
    for pair in range(len(x) // 2):
        angle = position * ROPE_BASE ** (-2 * pair / len(x)) / factors[pair]
        turned = complex(x[2 * pair], x[2 * pair + 1]) * complex(math.cos(angle), math.sin(angle))
        out += [turned.real, turned.imag]
    return out


def attend(queries: Vector, keys: list[Vector], values: list[Vector], factors: Vector) -> Vector:
    """All heads of one token over the tokens up to itself."""
    position, out = len(keys) - 1, []
    for head in range(HEADS):
        own = slice(head * HEAD, (head + 1) * HEAD)
        shared = head * KV_HEADS // HEADS
        theirs = slice(shared * HEAD, (shared + 1) * HEAD)
        query = rotate(queries[own], position, factors)
        scores = [
            math.fsum(a * b for a, b in zip(query, rotate(key[theirs], at, factors), strict=True))
            / math.sqrt(HEAD)
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
    factors = weights.get("rope_freqs", np.ones(HEAD // 2)).tolist()
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
            mixed = attend(linear(w["attn_q"], inside), keys, values, factors)
            x = [a + b for a, b in zip(x, linear(w["attn_output"], mixed), strict=True)]
            unit = normalize(x, w["ffn_norm"])
            gate, up = linear(w["ffn_gate"], unit), linear(w["ffn_up"], unit)
            hidden = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up, strict=True)]
            stream[at] = [a + b for a, b in zip(x, linear(w["ffn_down"], hidden), strict=True)]
            for name, value in zip(PROJECTIONS, (inside, mixed, unit, hidden), strict=True):
                seen[layer, name].append(value)
    head = weights.get("output", weights["token_embd"])
    logits = [linear(head, normalize(x, weights["output_norm"])) for x in stream]
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


def test_captured_inputs_equal_the_slow_reference(tiny: TinyModel, slow: Any) -> None:
    captured = capture_inputs(Llama(GgufFile(tiny.path), np.float64), TOKENS, range(LAYERS))
    assert list(captured) == [(layer, kind) for layer in range(LAYERS) for kind in PROJECTIONS]
    assert captured[0, "down"].shape == (len(TOKENS), FFN)
    for place, x in captured.items():
        np.testing.assert_allclose(x, slow[1][place], rtol=1e-6, atol=1e-6)


class Watch(Arithmetic):
    """Writes down every call and its shape, and may put zeros in place of what enters o and down."""

    def __init__(self, silence: bool = False) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.silence = silence

    def activation(self, layer: int, kind: Kind, x: NDArray[Any]) -> NDArray[Any]:
        self.calls.append((layer, kind, x.shape))
        return x * 0 if self.silence and kind in ("o", "down") else x

    def product(self, layer: int, part: str, x: NDArray[Any], weight: Weight) -> NDArray[Any]:
        self.calls.append((layer, part, weight.name))
        return super().product(layer, part, x, weight)

    def queries(self, layer: int, q: NDArray[Any]) -> NDArray[Any]:
        self.calls.append((layer, "queries", q.shape))
        return q

    def keys(self, layer: int, k: NDArray[Any]) -> NDArray[Any]:
        self.calls.append((layer, "keys", k.shape))
        return k

    def values(self, layer: int, v: NDArray[Any]) -> NDArray[Any]:
        self.calls.append((layer, "values", v.shape))
        return v

    def probabilities(self, layer: int, p: NDArray[Any]) -> NDArray[Any]:
        self.calls.append((layer, "probabilities", p.shape))
        assert np.allclose(p.sum(axis=-1), 1)
        assert not np.triu(p, 1).any()
        return p


def test_an_arithmetic_is_asked_at_every_place_once_and_in_order(tiny: TinyModel) -> None:
    model, watch = Llama(GgufFile(tiny.path), np.float64), Watch()
    two = np.stack([TOKENS, TOKENS[::-1]])
    assert np.array_equal(model.logits(two, watch), model.logits(two))
    rows, length = two.size, len(TOKENS)
    assert watch.calls[: len(watch.calls) // LAYERS] == [
        (0, "qkv", (rows, HIDDEN)),
        (0, "attn_q", "blk.0.attn_q"),
        (0, "attn_k", "blk.0.attn_k"),
        (0, "attn_v", "blk.0.attn_v"),
        (0, "queries", (2, HEADS, length, HEAD)),
        (0, "keys", (2, KV_HEADS, length, HEAD)),
        (0, "values", (2, KV_HEADS, length, HEAD)),
        *[(0, "probabilities", (KV_HEADS, HEADS // KV_HEADS, length, length))] * 2,
        (0, "o", (rows, HIDDEN)),
        (0, "attn_output", "blk.0.attn_output"),
        (0, "up_gate", (rows, HIDDEN)),
        (0, "ffn_up", "blk.0.ffn_up"),
        (0, "ffn_gate", "blk.0.ffn_gate"),
        (0, "down", (rows, FFN)),
        (0, "ffn_down", "blk.0.ffn_down"),
    ]


def test_an_arithmetic_can_replace_what_enters_a_projection(tiny: TinyModel) -> None:
    # With both outputs of every block silenced, only the embedding reaches the head.
    logits = Llama(GgufFile(tiny.path), np.float64).logits(TOKENS, Watch(silence=True))
    embedding = tiny.weights["token_embd"][TOKENS]
    root = np.sqrt((embedding**2).mean(axis=-1, keepdims=True) + EPSILON)
    bare = embedding / root * tiny.weights["output_norm"] @ tiny.weights["token_embd"].T
    np.testing.assert_allclose(logits, bare, rtol=1e-6, atol=1e-9)


def test_windows_together_are_windows_apart(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    many = np.random.default_rng(1).integers(0, len(tiny.tokens), (3, 300))
    together = model.hidden(many)
    # 300 queries are more than are looked at together.
    for tokens, hidden in zip(many, together, strict=True):
        np.testing.assert_allclose(model.hidden(tokens), hidden, rtol=1e-9)
        np.testing.assert_allclose(model.hidden(tokens[:200]), hidden[:200], rtol=1e-9, atol=1e-12)


def test_a_layer_that_does_not_exist_is_refused(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path))
    with pytest.raises(ValueError, match=r"layer must be in 0\.\.1, not 2"):
        capture_inputs(model, TOKENS, [0, LAYERS])
    with pytest.raises(ValueError, match=r"at least one layer in 0\.\.1 was expected, not none"):
        capture_inputs(model, TOKENS, [])


def test_a_head_of_its_own_and_factors_of_frequencies(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    tensors = {"rope_freqs": rng.uniform(1, 8, HEAD // 2), "output": rng.normal(size=(90, HIDDEN))}
    model = write(tmp_path / "other.gguf", tensors=tensors)
    llama = Llama(GgufFile(model.path), np.float64)
    assert llama.vocabulary == 90
    tokens = TOKENS % 90
    np.testing.assert_allclose(
        llama.logits(tokens), slow_forward(model.weights, tokens.tolist())[0], rtol=1e-6, atol=1e-6
    )


def test_positions_stretched_linearly(tmp_path: Path, tiny: TinyModel) -> None:
    scaling = {"llama.rope.scaling.type": "linear"}
    model = write(tmp_path / "linear.gguf", scaling, {"llama.rope.scaling.factor": 4.0})
    logits = Llama(GgufFile(model.path), np.float64).logits(TOKENS)
    stretched = {**tiny.weights, "rope_freqs": np.full(HEAD // 2, 4.0)}
    np.testing.assert_allclose(logits, slow_forward(stretched, TOKENS.tolist())[0], rtol=1e-6, atol=1e-6)


def test_too_long_a_window_and_unknown_tokens_are_refused(tmp_path: Path) -> None:
    short = write(tmp_path / "short.gguf", numbers={"llama.context_length": 5})
    model = Llama(GgufFile(short.path))
    assert model.logits(TOKENS[:5]).shape[0] == 5
    with pytest.raises(ValueError, match=r"short\.gguf is made for windows of up to 5 tokens, not 6"):
        model.logits(TOKENS)
    with pytest.raises(
        ValueError, match=rf"tokens of short\.gguf are in 0\.\.{model.vocabulary - 1}, not 1\.\.999"
    ):
        model.logits(np.array([1, 999]))
    past = KeyValues()
    model.hidden(TOKENS[:4], past=past)
    with pytest.raises(ValueError, match="up to 5 tokens, not 6"):
        model.hidden(TOKENS[:2], past=past)
