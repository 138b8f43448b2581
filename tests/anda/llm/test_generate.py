from __future__ import annotations

import numpy as np
import pytest

from anda.llm.generate import generate_tokens
from anda.llm.gguf import GgufFile
from anda.llm.llama import KeyValues, Llama

from .conftest import TinyModel

PROMPT = np.array([5, 80, 3], dtype=np.int64)


def greedy(model: Llama, count: int) -> list[int]:
    """Without keeping anything: all tokens again for each new one."""
    tokens = PROMPT
    for _ in range(count):
        tokens = np.append(tokens, model.logits(tokens)[-1].argmax())
    return [int(token) for token in tokens[len(PROMPT) :]]


def test_what_is_generated_is_the_most_likely_token_each_time(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    expected = greedy(model, 12)
    assert len(set(expected)) > 3
    assert list(generate_tokens(model, PROMPT, 12)) == expected
    assert (
        list(generate_tokens(model, PROMPT, 12, end=expected[4])) == expected[: expected.index(expected[4])]
    )


def test_a_window_in_parts_is_the_window_at_once(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    tokens = np.random.default_rng(2).integers(0, len(tiny.tokens), 300)
    past = KeyValues()
    parts = [model.hidden(part, past=past) for part in np.split(tokens, [1, 4, 5, 40])]
    assert past.length == 300
    np.testing.assert_allclose(np.concatenate(parts), model.hidden(tokens), rtol=1e-9, atol=1e-12)


def test_an_empty_prompt_is_refused(tiny: TinyModel) -> None:
    with pytest.raises(ValueError, match="a prompt of at least one token was expected"):
        list(generate_tokens(Llama(GgufFile(tiny.path)), PROMPT[:0], 1))
