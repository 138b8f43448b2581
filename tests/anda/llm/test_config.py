from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.llm.config import LlamaConfig
from anda.llm.gguf import GgufFile

from .conftest import HEADS, HIDDEN, KV_HEADS, LAYERS, ROPE_BASE, TinyModel, write


def test_the_configuration_of_a_file(tiny: TinyModel) -> None:
    config = LlamaConfig.of(GgufFile(tiny.path))
    assert (config.layers, config.hidden, config.heads, config.kv_heads) == (LAYERS, HIDDEN, HEADS, KV_HEADS)
    assert config.head_size == HIDDEN // HEADS
    assert config.context is None
    half = HIDDEN // HEADS // 2
    np.testing.assert_allclose(config.frequencies, [ROPE_BASE ** (-i / half) for i in range(half)])


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other.gguf", {"general.architecture": "mamba"})
    with pytest.raises(ValueError, match=r"other\.gguf holds a 'mamba' model; expected 'llama'"):
        LlamaConfig.of(GgufFile(other.path))


@pytest.mark.parametrize(
    ("texts", "numbers", "message"),
    [
        (
            {"llama.rope.scaling.type": "yarn"},
            {"llama.rope.scaling.factor": 4.0},
            r"m\.gguf scales its positions as 'yarn'; expected 'none' or 'linear'",
        ),
        ({}, {"llama.logit_scale": 0.5}, r"the metadata key llama\.logit_scale = 0\.5, which this forward"),
        (
            {},
            {"llama.attention.sliding_window": 64},
            r"key llama\.attention\.sliding_window = 64",
        ),
        ({}, {"llama.expert_count": 8}, r"m\.gguf is a mixture of 8 experts"),
        (
            {},
            {"llama.rope.dimension_count": 4},
            r"rope\.dimension_count of 8, the size of a head, not 4",
        ),
        (
            {},
            {"llama.attention.value_length": 4},
            r"llama\.attention\.value_length of 8, the size of a head, not 4",
        ),
    ],
)
def test_what_would_change_results_unseen_is_refused(
    tmp_path: Path, texts: dict[str, str], numbers: dict[str, int | float], message: str
) -> None:
    model = write(tmp_path / "m.gguf", texts, numbers)
    with pytest.raises(ValueError, match=message):
        LlamaConfig.of(GgufFile(model.path))


@pytest.mark.parametrize("name", ["blk.0.attn_q_norm", "blk.1.ffn_gate_inp", "rope_factors_long"])
def test_tensors_that_would_be_left_out_are_refused(tmp_path: Path, name: str) -> None:
    model = write(tmp_path / "m.gguf", tensors={name: np.ones(4)})
    with pytest.raises(ValueError, match=rf"m\.gguf has the tensor {name}\.weight, which this forward pass"):
        LlamaConfig.of(GgufFile(model.path))


def test_keys_that_say_that_nothing_is_there_are_taken(tmp_path: Path) -> None:
    numbers: dict[str, int | float] = {
        "llama.expert_count": 0,
        "llama.attention.sliding_window": 0,
        "llama.vocab_size": 262,
        "llama.attention.key_length": 8,
        "llama.context_length": 77,
    }
    model = write(tmp_path / "m.gguf", numbers=numbers)
    assert LlamaConfig.of(GgufFile(model.path)).context == 77
