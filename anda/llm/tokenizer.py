"""The byte-pair tokenizer of a GGUF file, rebuilt from its tables."""

from __future__ import annotations

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers

from anda.llm.gguf import GgufFile

__all__ = ["Tokenizer"]

# Value of `tokenizer.ggml.token_type` for tokens that ordinary text never produces.
CONTROL = 3


class Tokenizer:
    """Text to token numbers and back.

    Parameters
    ----------
    file : GgufFile
        A file whose tokenizer is byte-level BPE (`gpt2`), split as GPT-2 or as SmolLM does.

    Raises
    ------
    ValueError
        When the file holds another kind of tokenizer.
    """

    def __init__(self, file: GgufFile) -> None:
        model, split = file.value("tokenizer.ggml.model"), file.value("tokenizer.ggml.pre")
        if model != "gpt2" or split not in ("gpt-2", "smollm"):
            raise ValueError(
                f"{file.path.name} holds a {model!r} tokenizer split as {split!r}; "
                "expected 'gpt2' split as 'gpt-2' or 'smollm'"
            )
        tokens: list[str] = file.value("tokenizer.ggml.tokens")
        merges = [tuple(merge.split(" ")) for merge in file.value("tokenizer.ggml.merges")]
        types: list[int] = file.value("tokenizer.ggml.token_type")
        vocabulary = {token: number for number, token in enumerate(tokens)}
        self.size = len(tokens)
        self._tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
        # SmolLM gives every digit a token of its own.
        self._tokenizer.pre_tokenizer = (
            pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
            if split == "smollm"
            else byte_level
        )
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.add_special_tokens(
            [t for t, kind in zip(tokens, types, strict=True) if kind == CONTROL]
        )

    def encode(self, text: str) -> NDArray[np.int64]:
        """Token numbers [T] of a text; control tokens spelled out in it are recognized."""
        return np.array(self._tokenizer.encode(text).ids, dtype=np.int64)

    def decode(self, tokens: NDArray[np.int64]) -> str:
        """The text of token numbers [T]; control tokens are spelled out."""
        return str(self._tokenizer.decode([int(token) for token in tokens], skip_special_tokens=False))
