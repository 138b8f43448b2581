"""A language model of the Llama family as a plain NumPy forward pass.

Every input of a linear projection passes through a `Tap` on its way, which may look at it (capture)
or replace it (quantize).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anda.llm.gguf import GgufFile

__all__ = ["PROJECTIONS", "Llama", "LlamaConfig", "Tap", "perplexity"]

# What one projection input feeds: q, k and v share one, and so do the two halves of the gated unit.
PROJECTIONS = {
    "qkv": ("attn_q", "attn_k", "attn_v"),
    "o": ("attn_output",),
    "up_gate": ("ffn_up", "ffn_gate"),
    "down": ("ffn_down",),
}

Array = NDArray[Any]
Tap = Callable[[int, str, Array], Array]
"""`tap(layer, projection, x [T, K]) -> x [T, K]`, called on the input of every projection."""


@dataclass(frozen=True, kw_only=True)
class LlamaConfig:
    """Sizes and constants of a model, named as in the GGUF metadata."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    rope_base: float
    epsilon: float

    @classmethod
    def of(cls, file: GgufFile) -> LlamaConfig:
        """Read the configuration of a GGUF file.

        Raises
        ------
        ValueError
            When the file is not a Llama model or lacks a key.
        """
        architecture = file.value("general.architecture")
        if architecture != "llama":
            raise ValueError(f"{file.path.name} holds a {architecture!r} model; expected 'llama'")
        return cls(
            layers=int(file.value("llama.block_count")),
            hidden=int(file.value("llama.embedding_length")),
            heads=int(file.value("llama.attention.head_count")),
            kv_heads=int(file.value("llama.attention.head_count_kv")),
            rope_base=float(file.value("llama.rope.freq_base")),
            epsilon=float(file.value("llama.attention.layer_norm_rms_epsilon")),
        )

    @property
    def head_size(self) -> int:
        """Elements of one attention head."""
        return self.hidden // self.heads


class Llama:
    """RMSNorm, rotary positions, grouped-query attention and a gated unit, `layers` times.

    Parameters
    ----------
    file : GgufFile
        The weights. They are dequantized when a layer is first used and kept.
    dtype : float32 or float64
        Type of every intermediate. float64 makes results that are rounded to FP16 afterwards
        independent of the order in which a machine's BLAS adds.
    """

    def __init__(self, file: GgufFile, dtype: DTypeLike = np.float32) -> None:
        self.config = LlamaConfig.of(file)
        self.dtype = np.dtype(dtype)
        self._file = file
        self._weights: dict[str, Array] = {}

    def weight(self, name: str) -> Array:
        """One tensor of the file in the model's dtype, without the suffix `.weight`."""
        if name not in self._weights:
            self._weights[name] = self._file.tensor(f"{name}.weight").astype(self.dtype)
        return self._weights[name]

    def logits(self, tokens: NDArray[np.int64], tap: Tap | None = None) -> Array:
        """Next-token scores [T, vocabulary] for each of the tokens [T]."""
        x = self._normalize(self._blocks(tokens, self.config.layers, tap), "output_norm")
        head = "output" if "output.weight" in self._file else "token_embd"
        return x @ self.weight(head).T

    def capture(self, tokens: NDArray[np.int64], layer: int) -> dict[str, Array]:
        """Inputs [T, K] of the projections of one layer, by the names of `PROJECTIONS`.

        Raises
        ------
        ValueError
            When the model has no such layer.
        """
        if not 0 <= layer < self.config.layers:
            raise ValueError(f"layer must be in 0..{self.config.layers - 1}, not {layer}")
        captured: dict[str, Array] = {}

        def keep(at: int, projection: str, x: Array) -> Array:
            if at == layer:
                captured[projection] = x
            return x

        self._blocks(tokens, layer + 1, keep)
        return captured

    def _blocks(self, tokens: NDArray[np.int64], count: int, tap: Tap | None) -> Array:
        """The residual stream [T, hidden] after the first `count` blocks."""
        apply: Tap = tap or (lambda _layer, _projection, x: x)
        x = self.weight("token_embd")[tokens]
        for layer in range(count):
            x = x + self._attention(layer, self._normalize(x, f"blk.{layer}.attn_norm"), apply)
            x = x + self._gated_unit(layer, self._normalize(x, f"blk.{layer}.ffn_norm"), apply)
        return x

    def _normalize(self, x: Array, name: str) -> Array:
        """RMSNorm over the last axis."""
        mean_square = np.mean(x * x, axis=-1, keepdims=True)
        normalized: Array = x / np.sqrt(mean_square + self.config.epsilon) * self.weight(name)
        return normalized

    def _attention(self, layer: int, x: Array, tap: Tap) -> Array:
        """Causal grouped-query attention: [T, hidden] to [T, hidden]."""
        config, length = self.config, len(x)
        x = tap(layer, "qkv", x)
        q, k, v = (x @ self.weight(f"blk.{layer}.{part}").T for part in PROJECTIONS["qkv"])
        # [query heads that share a key, key heads, T, head size]
        queries = self._rotate(q.reshape(length, config.heads, config.head_size))
        queries = queries.reshape(length, config.kv_heads, -1, config.head_size).transpose(2, 1, 0, 3)
        keys = self._rotate(k.reshape(length, config.kv_heads, config.head_size)).transpose(1, 2, 0)
        values = v.reshape(length, config.kv_heads, config.head_size).transpose(1, 0, 2)
        scores = queries @ keys / math.sqrt(config.head_size)
        scores[..., np.triu(np.ones((length, length), dtype=bool), k=1)] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ values
        mixed = mixed.transpose(2, 1, 0, 3).reshape(length, config.hidden)
        return tap(layer, "o", mixed) @ self.weight(f"blk.{layer}.attn_output").T

    def _rotate(self, x: Array) -> Array:
        """Rotary positions on [T, heads, head size], pairs interleaved as Llama GGUF files store them."""
        half = x.shape[-1] // 2
        frequency = self.config.rope_base ** (-np.arange(half) / half)
        angle = np.arange(len(x))[:, None, None] * frequency
        cos, sin = np.cos(angle).astype(self.dtype), np.sin(angle).astype(self.dtype)
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack((even * cos - odd * sin, even * sin + odd * cos), axis=-1).reshape(x.shape)

    def _gated_unit(self, layer: int, x: Array, tap: Tap) -> Array:
        """The SwiGLU feed-forward part: [T, hidden] to [T, hidden]."""
        x = tap(layer, "up_gate", x)
        up, gate = (x @ self.weight(f"blk.{layer}.{part}").T for part in PROJECTIONS["up_gate"])
        # A strongly negative gate makes exp(-gate) overflow to infinity, and the quotient the right zero.
        with np.errstate(over="ignore"):
            hidden = gate / (1 + np.exp(-gate)) * up
        return tap(layer, "down", hidden) @ self.weight(f"blk.{layer}.ffn_down").T


def perplexity(logits: Array, tokens: NDArray[np.int64]) -> float:
    """Perplexity of tokens [T] under the scores [T, vocabulary] given to each next token."""
    scores = logits[:-1].astype(np.float64)
    top = scores.max(axis=-1, keepdims=True)
    log_total = np.log(np.exp(scores - top).sum(axis=-1)) + top[:, 0]
    chosen = scores[np.arange(len(scores)), tokens[1:]]
    return float(np.exp(np.mean(log_total - chosen)))
