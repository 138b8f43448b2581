"""A block of the Llama family with quantizers in it, in PyTorch, and the gradients of rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anda.ptq.abq.affine import LARGEST, LEAST_SCALE, AffineFormat
from anda.ptq.abq.transform import BlockShape

__all__ = ["Turns", "fake_quantize", "quantize_tokens", "quantize_weight", "run_block", "turns_of"]

Turns = tuple[Tensor, Tensor]
"""Cosine and sine [T, head size / 2] of the turns of positions."""


def fake_quantize(x: Tensor, low: Tensor, high: Tensor, form: AffineFormat) -> Tensor:
    """Values after rounding to codes between two ends that broadcast to x.

    The gradient of rounding counts as 1 and zero points as constant, as in ABQ-LLM.
    """
    scale = ((high - low) / form.top).clamp(LEAST_SCALE, LARGEST)
    with torch.no_grad():
        zero = (-low / scale).clamp_(-LARGEST, LARGEST).round_()
        steps = x / scale
        inside = torch.round(steps)
        rest = torch.clamp(inside, -zero, form.top - zero)
        # 1 where nothing was clipped, 0 elsewhere.
        inside.eq_(rest)
        rest.addcmul_(steps, inside, value=-1)
    # The value is levels * scale; the two terms are arranged for their gradients.
    return torch.addcmul(x * inside, rest, scale)


def quantize_tokens(x: Tensor, form: AffineFormat | None) -> Tensor:
    """Every vector of the last axis with its own step; None: as it is."""
    if form is None:
        return x
    low, high = torch.aminmax(x, dim=-1, keepdim=True)
    return fake_quantize(x, low, high, form)


def quantize_weight(
    matrix: Tensor,
    upper: Tensor,
    lower: Tensor,
    form: AffineFormat,
    offsets: Tensor | None = None,
) -> Tensor:
    """A matrix [C, K] whose ends are clipped by learnt ratios, sigmoid of [C, groups].

    `offsets` [C, K] are added to the weights in steps before they are rounded.
    """
    blocks = matrix.reshape(*upper.shape, -1)
    low, high = torch.aminmax(blocks, dim=-1)
    low, high = (low * lower.sigmoid()).unsqueeze(-1), (high * upper.sigmoid()).unsqueeze(-1)
    if offsets is not None:
        step = ((high - low) / form.top).clamp(LEAST_SCALE, LARGEST).detach()
        blocks = torch.addcmul(blocks, offsets.reshape(blocks.shape), step)
    return fake_quantize(blocks, low, high, form).reshape(matrix.shape)


def run_block(
    x: Tensor,
    weights: Mapping[str, Tensor],
    shape: BlockShape,
    turns: Turns,
    quantize: Callable[[Tensor], Tensor] = lambda x: x,
) -> tuple[Tensor, Tensor]:
    """Windows through a block.

    Parameters
    ----------
    x : Tensor [windows, T, hidden]
    weights : mapping
        Matrices [outputs, inputs] and norms, as `anda.ptq.abq.transform.fold` gives them.
    shape : BlockShape
    turns : Turns
    quantize : callable
        What happens to each input of a product but the attention's probabilities.

    Returns
    -------
    tuple of Tensor
        Outputs [windows, T, hidden] and the attention's probabilities [windows, heads, T, T].
    """
    windows, length, _ = x.shape
    inputs = quantize(_normalize(x, weights["attn_norm"], shape.epsilon))
    q, k, v = (
        (inputs @ weights[name].T).view(windows, length, -1, shape.head_size).transpose(1, 2)
        for name in ("attn_q", "attn_k", "attn_v")
    )
    q, k, v = quantize(_rotate(q, turns)), quantize(_rotate(k, turns)), quantize(v)
    share = shape.heads // shape.kv_heads
    scores = q @ k.repeat_interleave(share, dim=1).transpose(2, 3) / math.sqrt(shape.head_size)
    later = torch.ones(length, length, dtype=torch.bool).triu_(1)
    attention = scores.masked_fill(later, -math.inf).softmax(dim=-1)
    mixed = attention @ v.repeat_interleave(share, dim=1)
    mixed = quantize(mixed.transpose(1, 2).reshape(windows, length, -1))
    x = x + mixed @ weights["attn_output"].T
    inputs = quantize(_normalize(x, weights["ffn_norm"], shape.epsilon))
    gate = torch.nn.functional.silu(inputs @ weights["ffn_gate"].T)
    hidden = quantize(gate * (inputs @ weights["ffn_up"].T))
    return x + hidden @ weights["ffn_down"].T, attention


def turns_of(frequencies: NDArray[Any], length: int) -> Turns:
    """The turns of the first positions, as `anda.llm.llama` computes them."""
    angle = np.arange(length)[:, None] * frequencies
    return torch.from_numpy(np.cos(angle)).float(), torch.from_numpy(np.sin(angle)).float()


def _normalize(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + epsilon) * weight


def _rotate(x: Tensor, turns: Turns) -> Tensor:
    cos, sin = turns
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
