"""A tiny Llama model with random weights, written as a GGUF file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import pre_tokenizers

LAYERS, HIDDEN, HEADS, KV_HEADS, FFN = 2, 32, 4, 2, 64
ROPE_BASE, EPSILON = 100.0, 1e-5
MERGES = ["t h", "th e", "Ġ the", "i n", "1 8"]
CONTROL = ["<|end|>"]


@dataclass(frozen=True)
class TinyModel:
    path: Path
    tokens: list[str]
    weights: dict[str, NDArray[np.float64]]


def q4_1(rng: np.random.Generator, rows: int, columns: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Random Q4_1 data from the format: per 32 weights an FP16 step, an FP16 minimum, 16 bytes of codes."""
    blocks = columns // 32
    step = rng.uniform(0.01, 0.03, (rows, blocks, 1)).astype(np.float16)
    low = rng.uniform(-0.3, -0.1, (rows, blocks, 1)).astype(np.float16)
    codes = rng.integers(0, 16, (rows, blocks, 32), dtype=np.uint8)
    # Byte i holds code i in its low half and code i + 16 in its high half.
    packed = codes[..., :16] | (codes[..., 16:] << 4)
    raw = np.concatenate([step.view(np.uint8), low.view(np.uint8), packed], axis=-1).reshape(rows, -1)
    values = codes.astype(np.float64) * step.astype(np.float64) + low.astype(np.float64)
    return raw, values.reshape(rows, columns)


def write(
    path: Path,
    overrides: dict[str, str] | None = None,
    numbers: dict[str, int | float] | None = None,
    tensors: dict[str, NDArray[Any]] | None = None,
) -> TinyModel:
    """The model with other texts in its metadata, more numbers, more or other tensors (without `.weight`)."""
    rng = np.random.default_rng(7)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = CONTROL + alphabet + [merge.replace(" ", "") for merge in MERGES]
    texts = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"}
    texts |= overrides or {}
    writer: Any = gguf.GGUFWriter(path, texts["general.architecture"])
    for key, text in texts.items():
        if key != "general.architecture":
            writer.add_string(key, text)
    writer.add_uint32("llama.block_count", LAYERS)
    writer.add_uint32("llama.embedding_length", HIDDEN)
    writer.add_uint32("llama.attention.head_count", HEADS)
    writer.add_uint32("llama.attention.head_count_kv", KV_HEADS)
    writer.add_float32("llama.rope.freq_base", ROPE_BASE)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", EPSILON)
    for key, number in (numbers or {}).items():
        add_number = writer.add_uint32 if isinstance(number, int) else writer.add_float32
        add_number(key, number)
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.merges", MERGES)
    writer.add_array("tokenizer.ggml.token_type", [3 if token in CONTROL else 1 for token in tokens])

    weights: dict[str, NDArray[np.float64]] = {}

    given = dict(tensors or {})

    def add(name: str, array: NDArray[Any]) -> None:
        array = given.pop(name, array)
        stored = array.astype(np.float32)
        weights[name] = stored.astype(np.float64)
        writer.add_tensor(f"{name}.weight", stored)

    def add_q4_1(name: str, rows: int, columns: int) -> None:
        raw, weights[name] = q4_1(rng, rows, columns)
        writer.add_tensor(f"{name}.weight", raw, raw_dtype=gguf.GGMLQuantizationType.Q4_1)

    add("token_embd", rng.normal(size=(len(tokens), HIDDEN)))
    add("output_norm", rng.uniform(0.5, 1.5, HIDDEN))
    kv = KV_HEADS * HIDDEN // HEADS
    for layer in range(LAYERS):
        add(f"blk.{layer}.attn_norm", rng.uniform(0.5, 1.5, HIDDEN))
        add(f"blk.{layer}.ffn_norm", rng.uniform(0.5, 1.5, HIDDEN))
        add_q4_1(f"blk.{layer}.attn_q", HIDDEN, HIDDEN)
        add(f"blk.{layer}.attn_k", rng.normal(size=(kv, HIDDEN)) / 3)
        add(f"blk.{layer}.attn_v", rng.normal(size=(kv, HIDDEN)) / 3)
        add(f"blk.{layer}.attn_output", rng.normal(size=(HIDDEN, HIDDEN)) / 3)
        add(f"blk.{layer}.ffn_up", rng.normal(size=(FFN, HIDDEN)) / 3)
        add(f"blk.{layer}.ffn_gate", rng.normal(size=(FFN, HIDDEN)))
        add_q4_1(f"blk.{layer}.ffn_down", HIDDEN, FFN)
    for name, tensor in list(given.items()):
        add(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return TinyModel(path, tokens, weights)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    return write(tmp_path_factory.mktemp("model") / "tiny.gguf")
