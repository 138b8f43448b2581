from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.llm.gguf import GgufFile
from anda.llm.tokenizer import Tokenizer

from .conftest import TinyModel, write


def pieces(model: TinyModel, text: str) -> list[str]:
    return [model.tokens[number] for number in Tokenizer(GgufFile(model.path)).encode(text)]


def test_merges_are_applied_in_order(tiny: TinyModel) -> None:
    assert pieces(tiny, "in the theta") == ["in", "Ġthe", "Ġthe", "t", "a"]


def test_smollm_splits_digits_and_gpt2_does_not(tiny: TinyModel, tmp_path: Path) -> None:
    # The tables hold a merge of 1 and 8, which SmolLM never reaches.
    assert pieces(tiny, "th 18") == ["th", "Ġ", "1", "8"]
    gpt2 = write(tmp_path / "gpt2.gguf", {"tokenizer.ggml.pre": "gpt-2"})
    assert pieces(gpt2, "th 18") == ["th", "Ġ", "18"]
    assert Tokenizer(GgufFile(gpt2.path)).size == len(tiny.tokens)


def test_control_tokens_are_one_token(tiny: TinyModel) -> None:
    assert pieces(tiny, "a<|end|>b") == ["a", "<|end|>", "b"]


@pytest.mark.parametrize("text", ["", "the thin  thing\n\n 1863 -- Größe, 東京", "<|end|> the end"])
def test_decoding_gives_the_text_back(tiny: TinyModel, text: str) -> None:
    tokenizer = Tokenizer(GgufFile(tiny.path))
    numbers = tokenizer.encode(text)
    assert numbers.dtype == np.int64
    assert tokenizer.decode(numbers) == text


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other.gguf", {"tokenizer.ggml.pre": "llama-bpe"})
    with pytest.raises(
        ValueError, match=r"other\.gguf holds a 'gpt2' tokenizer split as 'llama-bpe'; expected"
    ):
        Tokenizer(GgufFile(other.path))
