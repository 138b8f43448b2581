from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
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


def test_llama_3_splits_as_its_pattern_says(tmp_path: Path) -> None:
    llama3 = write(tmp_path / "llama3.gguf", {"tokenizer.ggml.pre": "llama-bpe"})
    # Three digits at a time, so the merge of 1 and 8 applies within 618; a mark before a word is its own.
    assert pieces(llama3, "61863 18") == ["6", "18", "6", "3", "Ġ", "18"]
    assert pieces(llama3, "THE 'the") == ["T", "H", "E", "Ġ", "'", "the"]
    text = "We'LL see:\r\n\n  (the thing)  18634 -- Größe, 東京\t"
    tokenizer = Tokenizer(GgufFile(llama3.path))
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(("split", "expected"), [("gpt-2", ["in", "n"]), ("llama-bpe", ["inn"])])
def test_llama_3_takes_a_word_of_its_table_whole(tmp_path: Path, split: str, expected: list[str]) -> None:
    # After i and n have merged, nothing leads to the token inn.
    merges = ["i n", "n n", "i nn"]
    tokens = ["i", "n", *(merge.replace(" ", "") for merge in merges)]
    writer: Any = gguf.GGUFWriter(tmp_path / "words.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([1] * len(tokens))
    finish(writer)
    numbers = Tokenizer(GgufFile(tmp_path / "words.gguf")).encode("inn")
    assert [tokens[number] for number in numbers] == expected


def finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


PIECES = ["a", "b", "c", "▁", "ab", "bc", "abc", "▁a", "ca", "▁ab", "cab", "bcab", "▁▁", "aa", "aab", "é"]


def score_model(path: Path, **metadata: bool) -> dict[str, float]:
    """A `llama` tokenizer of few characters and all bytes; scores by token."""
    special = ["<unk>", "<s>", "</s>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    order = np.random.default_rng(4).permutation(len(PIECES))
    scores = {piece: -float(rank) for piece, rank in zip(PIECES, order, strict=True)}
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*special, *bytes_, *PIECES])
    writer.add_token_scores([0.0] * 259 + list(scores.values()))
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * len(PIECES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for key, value in metadata.items():
        writer.add_bool(f"tokenizer.ggml.{key}", value)
    finish(writer)
    return scores


def slow_pieces(text: str, scores: dict[str, float]) -> list[str]:
    """As SentencePiece does: merge the neighbours of the highest score, the leftmost of equal ones."""
    parts = list(text.replace(" ", "▁"))
    while True:
        found = [
            (scores[parts[i] + parts[i + 1]], -i)
            for i in range(len(parts) - 1)
            if parts[i] + parts[i + 1] in scores
        ]
        if not found:
            break
        at = -max(found)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [
        piece
        for part in parts
        for piece in ([part] if part in scores else [f"<0x{byte:02X}>" for byte in part.encode()])
    ]


def test_pieces_are_merged_by_score(tmp_path: Path) -> None:
    scores = score_model(tmp_path / "scores.gguf")
    file = GgufFile(tmp_path / "scores.gguf")
    tokenizer, names = Tokenizer(file), file.value("tokenizer.ggml.tokens")
    assert (tokenizer.size, tokenizer.start, tokenizer.end) == (259 + len(PIECES), 1, 2)
    rng = np.random.default_rng(8)
    for _ in range(300):
        text = "".join(rng.choice(list("aabbcc  é京\n"), rng.integers(1, 30)))
        numbers = tokenizer.encode(text)
        assert [names[number] for number in numbers] == slow_pieces(" " + text, scores)
        assert tokenizer.decode(numbers) == text
    assert tokenizer.encode("a</s>").tolist()[-1] == 2


def test_a_space_before_the_text_and_a_token_before_it_can_be_refused(tmp_path: Path) -> None:
    scores = score_model(tmp_path / "bare.gguf", add_space_prefix=False, add_bos_token=False)
    file = GgufFile(tmp_path / "bare.gguf")
    tokenizer, names = Tokenizer(file), file.value("tokenizer.ggml.tokens")
    assert tokenizer.start is None
    assert [names[number] for number in tokenizer.encode("ab c")] == slow_pieces("ab c", scores)
    assert tokenizer.decode(tokenizer.encode(" ab")) == " ab"


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    other = write(tmp_path / "other.gguf", {"tokenizer.ggml.pre": "qwen2"})
    with pytest.raises(
        ValueError,
        match=r"other\.gguf holds a 'gpt2' tokenizer split as 'qwen2'; "
        r"expected 'gpt2' split as 'gpt-2', 'smollm' or 'llama-bpe', or 'llama'",
    ):
        Tokenizer(GgufFile(other.path))
    bert = write(tmp_path / "bert.gguf", {"tokenizer.ggml.model": "bert"})
    with pytest.raises(ValueError, match=r"bert\.gguf holds a 'bert' tokenizer"):
        Tokenizer(GgufFile(bert.path))
