"""The tokenizer of a GGUF file, rebuilt from its tables.

Two kinds: byte-level BPE with a table of merges (`gpt2`), and BPE by scores on characters, with bytes for
characters that are no tokens (`llama`: Llama 1 and 2, Mistral, TinyLlama, as SentencePiece makes it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from anda.llm.gguf import GgufFile

__all__ = ["Tokenizer"]

# Values of `tokenizer.ggml.token_type`. Ordinary text never produces control tokens; those added by hand are
# found before anything else.
_NORMAL, _UNKNOWN, _CONTROL, _ADDED = 1, 2, 3, 4

_SPLITS = {
    # Words, numbers, other marks and white space; a space belongs to what follows.
    "gpt-2": (),
    # As before, and every digit by itself.
    "smollm": (pre_tokenizers.Digits(individual_digits=True),),
    # Llama 3: numbers in groups of three digits, one mark before a word belongs to it, line ends together.
    "llama-bpe": (
        pre_tokenizers.Split(
            Regex(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
            "isolated",
        ),
    ),
}
"""How texts are cut before merges are applied, by `tokenizer.ggml.pre`."""

_SPACE = "▁"


class Tokenizer:
    """Text to token numbers and back.

    Parameters
    ----------
    file : GgufFile
        A file whose tokenizer is `gpt2`, split as `gpt-2`, `smollm` or `llama-bpe`, or `llama`.

    Attributes
    ----------
    size : int
        Tokens it knows.
    start, end : int or None
        The token before a text, where the file says that there is to be one, and the one after. `encode`
        adds neither.

    Raises
    ------
    ValueError
        When the file holds another kind of tokenizer.
    """

    def __init__(self, file: GgufFile) -> None:
        kind = file.value("tokenizer.ggml.model")
        split = file.metadata.get("tokenizer.ggml.pre", "default")
        if kind not in ("gpt2", "llama") or (kind == "gpt2" and split not in _SPLITS):
            *most, last = map(repr, _SPLITS)
            raise ValueError(
                f"{file.path.name} holds a {kind!r} tokenizer split as {split!r}; "
                f"expected 'gpt2' split as {', '.join(most)} or {last}, or 'llama'"
            )
        tokens: list[str] = file.value("tokenizer.ggml.tokens")
        types: list[int] = file.value("tokenizer.ggml.token_type")
        self.size = len(tokens)
        self.start, self.end = _ends(file, kind)
        build = _byte_level if kind == "gpt2" else _by_scores
        self._tokenizer = build(file, tokens)
        for which in (_CONTROL, _ADDED):
            some = [token for token, own in zip(tokens, types, strict=True) if own == which]
            added = [tokenizers.AddedToken(token, normalized=False, special=True) for token in some]
            self._tokenizer.add_special_tokens(added)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Token numbers [T] of a text; control tokens spelled out in it are recognized."""
        return np.array(self._tokenizer.encode(text).ids, dtype=np.int64)

    def decode(self, tokens: NDArray[np.int64]) -> str:
        """The text of token numbers [T]; control tokens are spelled out."""
        return str(self._tokenizer.decode([int(token) for token in tokens], skip_special_tokens=False))


def _ends(file: GgufFile, kind: str) -> tuple[int | None, int | None]:
    start, end = (file.metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
    # Without the key, `llama` tokenizers begin with the token and byte-level ones do not.
    wanted = file.metadata.get("tokenizer.ggml.add_bos_token", kind == "llama")
    return (start if wanted else None), end


def _byte_level(file: GgufFile, tokens: list[str]) -> Any:
    """BPE on bytes that are shown as printable characters."""
    split = file.value("tokenizer.ggml.pre")
    merges = [tuple(merge.split(" ")) for merge in file.value("tokenizer.ggml.merges")]
    llama3 = split == "llama-bpe"
    vocabulary = {token: number for number, token in enumerate(tokens)}
    # The vocabulary of Llama 3 has words that its merges do not reach.
    tokenizer: Any = tokenizers.Tokenizer(models.BPE(vocabulary, merges, ignore_merges=llama3))
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not llama3)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*_SPLITS[split], to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _by_scores(file: GgufFile, tokens: list[str]) -> Any:
    """BPE that merges, of all neighbours that make a token, those that make the one of the highest score."""
    scores: list[float] = file.value("tokenizer.ggml.scores")
    types: list[int] = file.value("tokenizer.ggml.token_type")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranked = sorted(range(len(tokens)), key=lambda number: -scores[number])
    merges = [
        (tokens[number][:cut], tokens[number][cut:])
        for number in ranked
        if types[number] == _NORMAL
        for cut in range(len(tokens[number]) - 1, 0, -1)
        if tokens[number][:cut] in vocabulary and tokens[number][cut:] in vocabulary
    ]
    unknown = next((token for token, own in zip(tokens, types, strict=True) if own == _UNKNOWN), None)
    model = models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    tokenizer: Any = tokenizers.Tokenizer(model)
    prefix = bool(file.metadata.get("tokenizer.ggml.add_space_prefix", True))
    before = [normalizers.Prepend(_SPACE)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", _SPACE)])
    after = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *after]
    )
    return tokenizer
