"""Text that goes on from a text: greedy generation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anda.llm.arithmetic import FLOAT, Arithmetic
from anda.llm.llama import KeyValues, Llama

__all__ = ["generate_tokens"]


def generate_tokens(
    model: Llama,
    prompt: NDArray[np.int64],
    count: int,
    arithmetic: Arithmetic = FLOAT,
    *,
    end: int | None = None,
) -> Iterator[int]:
    """The most likely next token, again and again; keys and values of earlier tokens are kept.

    Parameters
    ----------
    model : Llama
    prompt : int64 array [T]
    count : int
        Most tokens to generate.
    arithmetic : Arithmetic
        How the model computes. It sees the prompt at once and then one token at a time.
    end : int, optional
        The token that ends a text; it is not given.

    Raises
    ------
    ValueError
        When the prompt is empty, or prompt and answer are longer than the model was made for.
    """
    if not len(prompt):
        raise ValueError("a prompt of at least one token was expected, but it is empty")
    past = KeyValues()
    tokens = prompt
    for _ in range(count):
        last = model.hidden(tokens, arithmetic, past=past)[-1]
        token = int(model.head(last).argmax())
        if token == end:
            return
        yield token
        tokens = np.array([token], dtype=np.int64)
