"""One transformer block of a real model: the inputs of its projections and a slice of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.fixture import WEIGHT_BLOCK, Projection
from anda.llm.gguf import GgufFile
from anda.llm.llama import PROJECTIONS, Llama
from anda.llm.tokenizer import Tokenizer

__all__ = ["extract_block", "quantize_int4"]


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
    inputs = llama.capture(numbers[:tokens], layer)
    block = {}
    for name, parts in PROJECTIONS.items():
        weight = np.concatenate([llama.weight(f"blk.{layer}.{part}") for part in parts])
        if len(weight) < channels:
            raise ValueError(f"projection {name} must have at least {channels} channels, not {len(weight)}")
        levels, scales = quantize_int4(weight[:: len(weight) // channels][:channels])
        block[name] = Projection(x=inputs[name].astype(np.float16), levels=levels, scales=scales)
    return block


def quantize_int4(weight: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Round weights to the nearest of the levels -7..7 with one FP16 scale per block of 128 along K.

    Parameters
    ----------
    weight : float [C, K]

    Returns
    -------
    levels : int8 [C, K]
    scales : float16 [C, ceil(K / 128)]
        The largest magnitude of the block over 7; 0 for a block of zeros.
    """
    length = weight.shape[-1]
    blocks = -(-length // WEIGHT_BLOCK)
    padded = np.zeros((len(weight), blocks * WEIGHT_BLOCK))
    padded[:, :length] = weight
    padded = padded.reshape(len(weight), blocks, WEIGHT_BLOCK)
    scales = (np.abs(padded).max(axis=-1) / 7).astype(np.float16)
    divisor = np.where(scales == 0, np.float64(1), scales.astype(np.float64))
    levels = np.clip(np.rint(padded / divisor[..., None]), -7, 7).astype(np.int8)
    return levels.reshape(len(weight), -1)[:, :length], scales
