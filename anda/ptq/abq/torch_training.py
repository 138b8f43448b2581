"""Learning a block's transforms, clipping, compensation and rounding by gradient descent, in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anda.ptq.abq.affine import AffineFormat
from anda.ptq.abq.torch_block import quantize_tokens, quantize_weight, run_block
from anda.ptq.abq.torch_stream import Stream
from anda.ptq.abq.training import Training
from anda.ptq.abq.transform import MATRICES, BlockShape, fold

__all__ = ["attention_divergence", "block_loss", "learn_block", "log_cosine", "quantized_weights"]

Arrays = dict[str, NDArray[np.float32]]

_SCALE = "scale."


def learn_block(
    weights: Mapping[str, NDArray[np.float32]],
    start: Mapping[str, NDArray[np.float32]],
    stream: Stream,
    training: Training,
    form: AffineFormat,
) -> tuple[Arrays, list[float]]:
    """Everything that is learnt for the block that a stream has come to.

    Parameters
    ----------
    weights : mapping
        Of the float block, as `fold` takes it.
    start : mapping
        As `anda.ptq.abq.learnt.initial` gives it.
    stream : Stream
    training : Training
    form : AffineFormat
        Of the weights.

    Returns
    -------
    tuple
        The same names as in `start`, and the mean loss of every epoch.

    Raises
    ------
    ValueError
        When the loss is not finite any more.
    """
    plain = {name: torch.from_numpy(array) for name, array in weights.items()}
    learnt = {name: _parameter(name, array) for name, array in start.items()}
    optimizer = torch.optim.AdamW(_groups(learnt, training), weight_decay=0.0, fused=True)
    count = len(stream.inputs)
    steps = max(1, training.epochs * -(-count // training.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)) if training.decay else 1.0
    )
    order = torch.Generator().manual_seed(training.seed)
    losses = []
    for _ in range(training.epochs):
        total = 0.0
        for some in torch.split(torch.randperm(count, generator=order), training.batch):
            quantized = quantized_weights(plain, learnt, stream.shape, form)
            output, attention = run_block(
                stream.inputs[some],
                quantized,
                stream.shape,
                stream.turns,
                lambda x: quantize_tokens(x, stream.form),
            )
            loss = block_loss(output, attention, stream, some, training)
            if not torch.isfinite(loss):
                raise ValueError("the loss of a block should be finite, but is not: smaller rates may help")
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(some)
        losses.append(total / count)
    values = {name: value.detach() for name, value in learnt.items()}
    return {n: (v.exp() if n.startswith(_SCALE) else v).numpy() for n, v in values.items()}, losses


def quantized_weights(
    weights: Mapping[str, Tensor], learnt: Mapping[str, Tensor], shape: BlockShape, form: AffineFormat
) -> dict[str, Tensor]:
    """Weights with everything learnt in them, quantized, with gradients; scales are given as logarithms."""
    scales = {name: value.exp() for name, value in learnt.items() if name.startswith(_SCALE)}
    folded = fold(weights, {**learnt, **scales}, shape)
    for name in MATRICES:
        ends = learnt[f"upper.{name}"], learnt[f"lower.{name}"]
        folded[name] = quantize_weight(folded[name], *ends, form, learnt.get(f"offset.{name}"))
    return folded


def block_loss(output: Tensor, attention: Tensor, stream: Stream, some: Tensor, training: Training) -> Tensor:
    """The sum of the chosen terms with equal weights, as ABQ-LLM's code has it."""
    loss = torch.zeros(())
    for wanted in (stream.exact[some], stream.local[some]):
        if training.dlc:
            loss = loss - log_cosine(output, wanted)
        if training.mse:
            loss = loss + _squares(output, wanted, training.relative)
    if training.akl:
        loss = loss + attention_divergence(attention.mean(dim=1), stream.attention[some])
    return loss


def log_cosine(output: Tensor, wanted: Tensor) -> Tensor:
    """Log of the magnitude of the mean cosine over the hidden dimension (DLC is minus this)."""
    return torch.nn.functional.cosine_similarity(output, wanted, dim=-1).mean().abs().log()


def attention_divergence(attention: Tensor, wanted: Tensor) -> Tensor:
    """AKL: KL in both directions of maps that are softmaxed once more, a mean over all their elements."""
    ours, theirs = attention.log_softmax(dim=-1), wanted.log_softmax(dim=-1)
    return ((ours.exp() - theirs.exp()) * (ours - theirs)).mean()


def _squares(output: Tensor, wanted: Tensor, relative: bool) -> Tensor:
    error = (output - wanted).square().mean(dim=-1)
    return (error / wanted.square().mean(dim=-1)).mean() if relative else error.mean()


def _parameter(name: str, array: NDArray[np.float32]) -> Tensor:
    """Where a parameter starts; scales as logarithms, so that they stay positive."""
    value = np.log(array) if name.startswith(_SCALE) else array.copy()
    return torch.from_numpy(value).requires_grad_(True)


def _groups(learnt: Mapping[str, Tensor], training: Training) -> list[dict[str, Any]]:
    rates = {
        "scale": training.transform_rate,
        "upper": training.clipping_rate,
        "lower": training.clipping_rate,
        "offset": training.rounding_rate,
        "column": training.compensation_rate,
        "row": training.compensation_rate,
    }
    return [{"params": [value], "lr": rates[name.partition(".")[0]]} for name, value in learnt.items()]
