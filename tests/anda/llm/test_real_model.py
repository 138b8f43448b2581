"""SmolLM2-135M itself, every night."""

from __future__ import annotations

import time

import pytest

from anda.llm.evaluate import Reference, evaluate
from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.llama import Llama
from anda.llm.plan import Plan
from anda.llm.texts import read_text
from anda.llm.tokenizer import Tokenizer


@pytest.mark.nightly
def test_two_thousand_tokens_take_less_than_a_minute_and_formats_less_than_thrice() -> None:
    file = GgufFile(find_smollm2())
    model = Llama(file)
    tokens = Tokenizer(file).encode(read_text("tales"))[:2048]
    arithmetic = Plan.parse("anda:7").arithmetic(model)
    # Weights are dequantized, and quantized, when they are first used.
    evaluate(model, tokens[:8], arithmetic)
    started = time.process_time()
    reference = Reference.of(model, tokens)
    plain = evaluate(model, tokens, reference=reference)
    float_seconds = time.process_time() - started
    found = evaluate(model, tokens, arithmetic, reference=reference)
    seconds = time.process_time() - started - float_seconds
    # Processor seconds of all cores: what the machine does besides does not count.
    assert float_seconds < 60
    assert seconds < 3 * float_seconds
    assert plain.perplexity == pytest.approx(20.6736, rel=1e-4)
    assert found.kl == pytest.approx(0.02756, rel=1e-2)
