"""Sizes and constants of a Llama model, from the metadata of its GGUF file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from anda.llm.arithmetic import PROJECTIONS, Array
from anda.llm.gguf import GgufFile

__all__ = ["LlamaConfig"]

_HARMLESS = {
    # Said otherwise by the tensors or by other keys.
    "vocab_size",
    "feed_forward_length",
    "expert_used_count",
    "tensor_data_layout",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
}
"""Keys that change no result, given that all others are understood."""

_USED = {
    "block_count",
    "embedding_length",
    "context_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "expert_count",
}

_OF_MODEL = {"token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight"}

_OF_BLOCK = {
    f"{name}.weight"
    for name in ("attn_norm", "ffn_norm", *(part for parts in PROJECTIONS.values() for part in parts))
}


@dataclass(frozen=True, kw_only=True)
class LlamaConfig:
    """Sizes and constants of a model.

    Attributes
    ----------
    layers, hidden, heads, kv_heads : int
    rope_base : float
        Of the angles by which positions turn (arXiv 2104.09864, section 3.2.2, where it is 10,000).
    epsilon : float
        Of RMSNorm.
    key_length : int or None
        Elements of one attention head, where they are not `hidden / heads`.
    context : int or None
        Tokens of the longest window that the model was made for, where the file says so.
    rope_stretch : float
        Positions are divided by it ("linear" scaling).
    rope_factors : float array [head_size / 2] or None
        Every frequency is divided by one of them, as Llama 3.1 does.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    rope_base: float
    epsilon: float
    key_length: int | None = None
    context: int | None = None
    rope_stretch: float = 1.0
    rope_factors: Array | None = None

    @classmethod
    def of(cls, file: GgufFile) -> LlamaConfig:
        """Read the configuration of a GGUF file.

        Raises
        ------
        ValueError
            When the file is not a Llama model, lacks a key, or has a key or tensor that would change results
            in a way that is not known here.
        """
        architecture = file.value("general.architecture")
        if architecture != "llama":
            raise ValueError(f"{file.path.name} holds a {architecture!r} model; expected 'llama'")
        _check_names(file)
        hidden, heads = _integer(file, "embedding_length"), _integer(file, "attention.head_count")
        kv_heads = _integer(file, "attention.head_count_kv", heads)
        size = _integer(file, "attention.key_length", hidden // heads)
        for key in ("attention.value_length", "rope.dimension_count"):
            if _integer(file, key, size) != size:
                raise ValueError(
                    f"{file.path.name} should have a llama.{key} of {size}, the size of a head, "
                    f"not {file.value(f'llama.{key}')}"
                )
        if heads % kv_heads:
            raise ValueError(
                f"{file.path.name} should share its key heads evenly, but has {heads} heads on {kv_heads}"
            )
        factors = file.tensor("rope_freqs.weight") if "rope_freqs.weight" in file else None
        context = file.metadata.get("llama.context_length")
        return cls(
            layers=_integer(file, "block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=kv_heads,
            rope_base=float(file.metadata.get("llama.rope.freq_base", 10000.0)),
            epsilon=float(file.value("llama.attention.layer_norm_rms_epsilon")),
            key_length=size,
            context=None if context is None else int(context),
            rope_stretch=_stretch(file),
            rope_factors=None if factors is None else factors.astype(np.float64),
        )

    @property
    def head_size(self) -> int:
        """Elements of one attention head."""
        return self.hidden // self.heads if self.key_length is None else self.key_length

    @property
    def frequencies(self) -> Array:
        """Turn of one position, in radians, of every pair of a head [head_size / 2]."""
        half = self.head_size // 2
        frequency: Array = self.rope_base ** (-np.arange(half) / half)
        if self.rope_factors is not None:
            frequency = frequency / self.rope_factors
        return frequency / self.rope_stretch


def _integer(file: GgufFile, key: str, default: int | None = None) -> int:
    value: Any = file.metadata.get(f"llama.{key}", default)
    if value is None:
        value = file.value(f"llama.{key}")
    if not isinstance(value, int):
        raise ValueError(f"{file.path.name} should have one llama.{key} for all layers, not {value!r}")
    return value


def _check_names(file: GgufFile) -> None:
    """Refuse what would be left out."""
    for name, value in file.metadata.items():
        prefix, _, key = name.partition(".")
        # Numbers of experts and windows of attention may be there and say that there are none.
        if prefix == "llama" and key not in _USED | _HARMLESS and value not in (0, False):
            raise ValueError(
                f"{file.path.name} has the metadata key {name} = {value!r}, which this forward pass "
                "does not know and which may change results"
            )
    if file.metadata.get("llama.expert_count", 0):
        raise ValueError(
            f"{file.path.name} is a mixture of {file.value('llama.expert_count')} experts; "
            "expected one gated unit in every layer"
        )
    for name in file.tensor_names:
        if name not in _OF_MODEL and re.sub(r"^blk\.\d+\.", "", name) not in _OF_BLOCK:
            raise ValueError(
                f"{file.path.name} has the tensor {name}, which this forward pass does not know "
                "and would leave out"
            )


def _stretch(file: GgufFile) -> float:
    kind = file.metadata.get("llama.rope.scaling.type", "none")
    if kind not in ("none", "linear"):
        raise ValueError(
            f"{file.path.name} scales its positions as {kind!r}; expected 'none' or 'linear', "
            "or factors in a tensor rope_freqs.weight"
        )
    old = file.metadata.get("llama.rope.scale_linear", 1.0)
    return float(file.metadata.get("llama.rope.scaling.factor", old)) if kind == "linear" else float(old)
