"""A language model of the Llama family as a plain NumPy forward pass.

What number formats change in it is asked of an `Arithmetic` (anda/llm/arithmetic.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from anda.llm.arithmetic import FLOAT, Arithmetic, Array, Weight
from anda.llm.config import LlamaConfig
from anda.llm.gguf import GgufFile

__all__ = ["KeyValues", "Llama", "LlamaConfig"]

_QUERIES = 256
"""Queries of one window whose attention is computed together: bounds the memory, and keys after the last of
them need not be looked at."""


class KeyValues:
    """What attention needs of the tokens before: keys and values of one window, as they are stored.

    Attributes
    ----------
    length : int
        Tokens so far.
    """

    def __init__(self) -> None:
        self.length = 0
        self._stored: dict[int, tuple[Array, Array]] = {}

    def extend(self, layer: int, keys: Array, values: Array) -> tuple[Array, Array]:
        """Add keys and values [1, key heads, T, size] of a layer; all of them so far."""
        before = self._stored.get(layer)
        if before is not None:
            keys = np.concatenate((before[0], keys), axis=2)
            values = np.concatenate((before[1], values), axis=2)
        self._stored[layer] = keys, values
        return keys, values


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
        self.file = file
        self._weights: dict[str, Weight] = {}

    def weight(self, name: str) -> Array:
        """One tensor of the file in the model's dtype, without the suffix `.weight`."""
        return self._weight(name).values

    def _weight(self, name: str) -> Weight:
        if name not in self._weights:
            values = self.file.tensor(f"{name}.weight").astype(self.dtype, copy=False)
            self._weights[name] = Weight(name, values)
        return self._weights[name]

    @property
    def vocabulary(self) -> int:
        """Tokens that the model knows, that is scores of one prediction."""
        return self.file.shape(f"{self._head}.weight")[0]

    @property
    def _head(self) -> str:
        """Without a head of its own, a model takes the table of its embeddings."""
        return "output" if "output.weight" in self.file else "token_embd"

    def logits(self, tokens: NDArray[np.int64], arithmetic: Arithmetic = FLOAT) -> Array:
        """Next-token scores [..., T, vocabulary] for each of the tokens [..., T]."""
        return self.head(self.hidden(tokens, arithmetic))

    def hidden(
        self,
        tokens: NDArray[np.int64],
        arithmetic: Arithmetic = FLOAT,
        block_done: Callable[[], None] | None = None,
        past: KeyValues | None = None,
    ) -> Array:
        """What enters the head: final hidden states [..., T, hidden] of windows of tokens [..., T].

        Parameters
        ----------
        tokens : int64 array [..., T]
            One window or several of the same length, which do not see each other.
        arithmetic : Arithmetic
        block_done : callable, optional
            Called after every block, so that progress can be shown.
        past : KeyValues, optional
            The one window so far, which these tokens go on; it grows by them.

        Raises
        ------
        ValueError
            When a window is longer than the model was made for, or has a token that it does not know.
        """
        x = self.blocks(tokens, self.config.layers, arithmetic, block_done, past)
        return self._normalize(x, "output_norm").reshape(*tokens.shape, -1)

    def head(self, hidden: Array) -> Array:
        """Next-token scores [..., vocabulary] of final hidden states [..., hidden]; always plain float."""
        return hidden @ self.weight(self._head).T

    def blocks(
        self,
        tokens: NDArray[np.int64],
        count: int,
        arithmetic: Arithmetic = FLOAT,
        block_done: Callable[[], None] | None = None,
        past: KeyValues | None = None,
    ) -> Array:
        """The residual stream [all tokens, hidden] after the first `count` blocks; as `hidden` otherwise."""
        start = 0 if past is None else past.length
        stop = start + tokens.shape[-1]
        self._check(tokens, stop)
        turns = self._turns(start, stop)
        x = self.weight("token_embd")[tokens.reshape(-1)]
        for layer in range(count):
            x = x + self._attention(
                layer, self._normalize(x, f"blk.{layer}.attn_norm"), arithmetic, turns, past
            )
            x = x + self._gated_unit(layer, self._normalize(x, f"blk.{layer}.ffn_norm"), arithmetic)
            if block_done is not None:
                block_done()
        if past is not None:
            past.length = stop
        return x

    def _check(self, tokens: NDArray[np.int64], length: int) -> None:
        if self.config.context is not None and length > self.config.context:
            raise ValueError(
                f"{self.file.path.name} is made for windows of up to {self.config.context} tokens, "
                f"not {length}"
            )
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.vocabulary:
            raise ValueError(
                f"tokens of {self.file.path.name} are in 0..{self.vocabulary - 1}, "
                f"not {tokens.min()}..{tokens.max()}"
            )

    def _project(self, layer: int, part: str, x: Array, arithmetic: Arithmetic) -> Array:
        return arithmetic.product(layer, part, x, self._weight(f"blk.{layer}.{part}"))

    def _normalize(self, x: Array, name: str) -> Array:
        """RMSNorm over the last axis."""
        mean_square = np.mean(x * x, axis=-1, keepdims=True)
        normalized: Array = x / np.sqrt(mean_square + self.config.epsilon) * self.weight(name)
        return normalized

    def _attention(
        self,
        layer: int,
        x: Array,
        arithmetic: Arithmetic,
        turns: tuple[Array, Array],
        past: KeyValues | None,
    ) -> Array:
        """Causal grouped-query attention of windows one after another: [all tokens, hidden] to the same."""
        config, length = self.config, len(turns[0])
        x = arithmetic.activation(layer, "qkv", x)
        # [windows, heads, T, head size]
        q, k, v = (
            self._project(layer, part, x, arithmetic)
            .reshape(-1, length, heads, config.head_size)
            .transpose(0, 2, 1, 3)
            for part, heads in (
                ("attn_q", config.heads),
                ("attn_k", config.kv_heads),
                ("attn_v", config.kv_heads),
            )
        )
        queries = arithmetic.queries(layer, _rotate(q, turns))
        keys = arithmetic.keys(layer, _rotate(k, turns))
        values = arithmetic.values(layer, v)
        if past is not None:
            keys, values = past.extend(layer, keys, values)
        earlier = keys.shape[2] - length
        mixed = np.empty((len(q), length, config.heads, config.head_size), dtype=self.dtype)
        for window, out in enumerate(mixed):
            for first in range(0, length, _QUERIES):
                some = slice(first, min(first + _QUERIES, length))
                out[some] = self._attend(
                    layer,
                    arithmetic,
                    queries[window, :, some],
                    keys[window, :, : earlier + some.stop],
                    values[window, :, : earlier + some.stop],
                )
        mixed = arithmetic.activation(layer, "o", mixed.reshape(len(x), -1))
        return self._project(layer, "attn_output", mixed, arithmetic)

    def _attend(self, layer: int, arithmetic: Arithmetic, q: Array, k: Array, v: Array) -> Array:
        """The last queries of a window [heads, n, size] over all keys up to them: [n, heads, size]."""
        heads, count, size = q.shape
        shape = (len(k), heads // len(k), count, k.shape[1])
        # Query heads that share a key head are rows of one product.
        scores = (q.reshape(len(k), -1, size) @ k.swapaxes(1, 2)).reshape(shape)
        scores /= math.sqrt(size)
        later = np.triu(np.ones((count, count), dtype=bool), k=1)
        scores[..., -count:][..., later] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = arithmetic.probabilities(layer, scores).reshape(len(k), -1, k.shape[1]) @ v
        return mixed.reshape(heads, count, size).swapaxes(0, 1)

    def _turns(self, start: int, stop: int) -> tuple[Array, Array]:
        """Cosine and sine [T, head size / 2] of the turns of positions."""
        angle = np.arange(start, stop)[:, None] * self.config.frequencies
        return np.cos(angle).astype(self.dtype), np.sin(angle).astype(self.dtype)

    def _gated_unit(self, layer: int, x: Array, arithmetic: Arithmetic) -> Array:
        """The SwiGLU feed-forward part: [all tokens, hidden] to the same."""
        x = arithmetic.activation(layer, "up_gate", x)
        up, gate = (self._project(layer, part, x, arithmetic) for part in ("ffn_up", "ffn_gate"))
        # A strongly negative gate makes exp(-gate) overflow to infinity, and the quotient the right zero.
        with np.errstate(over="ignore"):
            hidden = gate / (1 + np.exp(-gate)) * up
        hidden = arithmetic.activation(layer, "down", hidden)
        return self._project(layer, "ffn_down", hidden, arithmetic)


def _rotate(x: Array, turns: tuple[Array, Array]) -> Array:
    """Rotary positions on [..., T, head size], pairs interleaved as Llama GGUF files store them."""
    cos, sin = turns
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack((even * cos - odd * sin, even * sin + odd * cos), axis=-1).reshape(x.shape)
