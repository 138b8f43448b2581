"""What ABQ learns about a block, and how it goes into the block's weights so that it is free at inference.

All transforms leave the float block as it was (the queries' and keys' scales included, as the two elements
that turn together share one); only the compensation does not. Functions that say "arrays" take those of NumPy
and those of PyTorch alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MATRICES", "SCALES", "BlockShape", "compensated", "fold", "initial_scales"]

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_gate", "ffn_down")
"""Weight matrices of a block, named as in GGUF files."""

SCALES = ("qkv", "qk", "o", "up_gate", "down")
"""Transforms: norm to q, k and v; keys to queries; v to o; norm to up and gate; up to down."""


@dataclass(frozen=True)
class BlockShape:
    """Sizes and constants of a block of the Llama family.

    Attributes
    ----------
    heads, kv_heads, head_size : int
    epsilon : float
        Of RMSNorm.
    """

    heads: int
    kv_heads: int
    head_size: int
    epsilon: float

    def of_query(self) -> NDArray[np.int64]:
        """For each row of `attn_q` the row of `attn_k` that it meets."""
        rows = np.arange(self.heads * self.head_size)
        head = rows // self.head_size // (self.heads // self.kv_heads)
        return head * self.head_size + rows % self.head_size


def fold(weights: Mapping[str, Any], learnt: Mapping[str, Any], shape: BlockShape) -> dict[str, Any]:
    """Weights of a block with everything learnt in them, before they are quantized.

    Parameters
    ----------
    weights : mapping of str to arrays
        The matrices [outputs, inputs] of `MATRICES`, and `attn_norm` and `ffn_norm` [hidden].
    learnt : mapping of str to arrays
        `scale.NAME` for names of `SCALES`: what inputs are divided by and weights multiplied with; `column`
        [hidden] and `row` [K] of the compensation of `ffn_down`. What is missing changes nothing.
    shape : BlockShape

    Returns
    -------
    dict
        By the same names.
    """
    found = dict(weights)
    met = shape.of_query()
    if (scale := learnt.get("scale.qkv")) is not None:
        found["attn_norm"] = found["attn_norm"] / scale
        for name in MATRICES[:3]:
            found[name] = found[name] * scale
    if (scale := learnt.get("scale.qk")) is not None:
        # Positions turn elements 2i and 2i + 1 of a head into each other.
        found["attn_q"] = found["attn_q"] / scale[met // 2][:, None]
        found["attn_k"] = found["attn_k"] * scale[np.arange(2 * len(scale)) // 2][:, None]
    if (scale := learnt.get("scale.o")) is not None:
        found["attn_v"] = found["attn_v"] / scale[:, None]
        found["attn_output"] = found["attn_output"] * scale[met]
    if (scale := learnt.get("scale.up_gate")) is not None:
        found["ffn_norm"] = found["ffn_norm"] / scale
        for name in ("ffn_up", "ffn_gate"):
            found[name] = found[name] * scale
    if (scale := learnt.get("scale.down")) is not None:
        found["ffn_up"] = found["ffn_up"] / scale[:, None]
        found["ffn_down"] = found["ffn_down"] * scale
    if "column" in learnt:
        found["ffn_down"] = found["ffn_down"] + learnt["column"][:, None] * learnt["row"]
    return found


def initial_scales(
    weights: Mapping[str, NDArray[Any]],
    peaks: Mapping[str, NDArray[Any]],
    shape: BlockShape,
    smoothing: float = 0.5,
) -> dict[str, NDArray[np.float32]]:
    """Where the transforms start: by default half way between equal inputs and equal weights, as published.

    Parameters
    ----------
    weights : mapping
        As `fold` takes it.
    peaks : mapping of str to float arrays [K]
        Largest magnitude of every input of each kind of projection: qkv, o, up_gate and down.
    shape : BlockShape
    smoothing : float
        0: all scales are 1. Otherwise they are `input^smoothing / weight^(1 - smoothing)`.

    Returns
    -------
    dict
        `scale.NAME` for every name of `SCALES`; that of the queries and keys is 1.
    """
    found = {}
    heaviest = {
        "qkv": MATRICES[:3],
        "o": ("attn_output",),
        "up_gate": ("ffn_up", "ffn_gate"),
        "down": ("ffn_down",),
    }
    for kind, names in heaviest.items():
        columns = np.max([np.abs(weights[name]).max(axis=0) for name in names], axis=0)
        inputs = np.asarray(peaks[kind])
        if kind == "o":
            # One scale for all the columns that one row of v goes to.
            inputs, columns = (_by_value(array, shape) for array in (inputs, columns))
        scale = np.maximum(inputs, 1e-5) ** smoothing / np.maximum(columns, 1e-5) ** (1 - smoothing)
        found[f"scale.{kind}"] = (scale if smoothing else np.ones_like(scale)).astype(np.float32)
    found["scale.qk"] = np.ones(shape.kv_heads * shape.head_size // 2, dtype=np.float32)
    return found


def _by_value(columns: NDArray[Any], shape: BlockShape) -> NDArray[Any]:
    """Largest of the columns of `attn_output` that one row of `attn_v` goes to."""
    found = np.zeros(shape.kv_heads * shape.head_size, dtype=columns.dtype)
    np.maximum.at(found, shape.of_query(), columns)
    return found


def compensated(layer: int, layers: int, first: int = 3, last: int = 4) -> bool:
    """Whether a block gets the compensation of `ffn_down`: the first 3 and the last 4, as ABQ-LLM has it."""
    return layer < first or layer >= layers - last
