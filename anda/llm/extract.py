"""One transformer block of a real model: the inputs of its projections and a slice of the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anda.fixture import Projection
from anda.llm.arithmetic import PROJECTIONS
from anda.llm.capture import capture_inputs
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.tokenizer import Tokenizer
from golden.weights import IntegerWeights

__all__ = ["extract_block"]


def extract_block(
    model: Path, text: str, *, layer: int | None = None, tokens: int = 64, channels: int = 32
) -> dict[str, Projection]:
    """Run a text through a model and keep what enters the four projections of one block.

    The forward pass is computed in float64, so that the order in which a machine adds does not show
    after the rounding to FP16.

    Parameters
    ----------
    model : Path
        GGUF file of a Llama-family model.
    text : str
        The text; its first `tokens` tokens are used.
    layer : int, optional
        The block; by default the middle one.
    tokens, channels : int
        How many tokens, and how many output channels of every projection, evenly spread, to keep.

    Raises
    ------
    ValueError
        When the text is too short or the model has too few channels.
    """
    file = GgufFile(model)
    numbers = Tokenizer(file).encode(text)
    if len(numbers) < tokens:
        raise ValueError(f"the text must have at least {tokens} tokens, not {len(numbers)}")
    llama = Llama(file, np.float64)
    layer = llama.config.layers // 2 if layer is None else layer
    inputs = capture_inputs(llama, numbers[:tokens], [layer])
    block: dict[str, Projection] = {}
    for name, parts in PROJECTIONS.items():
        weight = np.concatenate([llama.weight(f"blk.{layer}.{part}") for part in parts])
        if len(weight) < channels:
            raise ValueError(f"projection {name} must have at least {channels} channels, not {len(weight)}")
        weights = IntegerWeights.quantize(weight[:: len(weight) // channels][:channels])
        block[name] = Projection(inputs[layer, name].astype(np.float16), weights.levels, weights.scales)
    return block
