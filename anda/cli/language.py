"""What the commands on language models have in common: the model, and the tokens of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anda.llm.gguf import GgufFile

__all__ = ["Model", "Text", "Tokens", "Window", "open_model", "read_tokens"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .gguf file, or `smollm2`.")]

Text = Annotated[
    str, typer.Option("--text", "-t", metavar="NAME|FILE", help="`tales`, `manual`, or any UTF-8 file.")
]

Tokens = Annotated[int, typer.Option("--tokens", min=2, help="Tokens of the text, from its beginning.")]

Window = Annotated[int, typer.Option("--window", min=2, help="Tokens the model sees at a time.")]


def open_model(model: str) -> GgufFile:
    """The file of a model.

    Raises
    ------
    ValueError
        When there is none, or a package that reads it is missing.
    """
    from anda.extras import require

    for package in ("gguf", "tokenizers"):
        require(package, "llm", "a language model")
    from anda.llm.gguf import GgufFile
    from anda.llm.texts import find_model

    return GgufFile(find_model(model))


def read_tokens(file: GgufFile, text: str, count: int) -> NDArray[np.int64]:
    """The first tokens of a text, as a model's own tokenizer gives them.

    Raises
    ------
    ValueError
        When there is no such text or it is too short.
    """
    from anda.llm.texts import read_text
    from anda.llm.tokenizer import Tokenizer

    tokens = Tokenizer(file).encode(read_text(text))
    if len(tokens) < count:
        raise ValueError(f"the text {text} should have at least {count} tokens, but has {len(tokens)}")
    return tokens[:count]
