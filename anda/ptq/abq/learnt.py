"""From what was learnt for a block to its integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.abq.affine import AffineFormat, AffineMatrix, least_error_ends, ranges
from anda.ptq.abq.stored import QuantizedBlock
from anda.ptq.abq.transform import MATRICES, BlockShape, fold, initial_scales

__all__ = ["initial", "quantize_block"]

Arrays = dict[str, NDArray[np.float32]]

_OPEN = 4.0
"""Where clipping starts as published: 1.8 % of both ends."""

_OFFSET = "offset."


def initial(
    weights: Mapping[str, NDArray[np.float32]],
    peaks: Mapping[str, NDArray[np.float32]],
    shape: BlockShape,
    form: AffineFormat,
    group: int | None,
    *,
    smoothing: float,
    fitted: bool,
    compensate: bool,
    offsets: bool,
) -> Arrays:
    """Where learning starts.

    Parameters
    ----------
    weights, peaks, shape
        As `initial_scales` takes them.
    form, group : AffineFormat, int or None
        Of the weights.
    smoothing, fitted
        As in `anda.ptq.abq.training.Training`.
    compensate, offsets : bool
        Whether there is a compensation of `ffn_down`, and offsets of the rounding.

    Returns
    -------
    dict
        What `fold` takes; `upper.MATRIX` and `lower.MATRIX` [C, groups], whose sigmoids the ends of each
        group are multiplied with; `offset.MATRIX` [C, K].
    """
    found: Arrays = dict(initial_scales(weights, peaks, shape, smoothing))
    folded = fold(weights, found, shape)
    for name in MATRICES:
        low, high = ranges(folded[name], group)
        start = np.full(low.shape, _OPEN, dtype=np.float32)
        if fitted:
            _, clipped = least_error_ends(folded[name], form, group)
            ratio = np.divide(clipped, high, out=np.ones_like(high), where=high != 0)
            start = np.minimum(_logit(np.clip(ratio, 0.05, 0.999)), _OPEN).astype(np.float32)
        found[f"upper.{name}"], found[f"lower.{name}"] = start, start.copy()
        if offsets:
            found[f"{_OFFSET}{name}"] = np.zeros(weights[name].shape, dtype=np.float32)
    if compensate:
        outputs, inputs = weights["ffn_down"].shape
        found["column"] = np.zeros(outputs, dtype=np.float32)
        found["row"] = np.ones(inputs, dtype=np.float32)
    return found


def quantize_block(
    weights: Mapping[str, NDArray[np.float32]],
    learnt: Mapping[str, NDArray[np.float32]],
    shape: BlockShape,
    form: AffineFormat,
    losses: Sequence[float] = (),
    seconds: float = 0.0,
) -> QuantizedBlock:
    """The integers of a block.

    Offsets are used and not kept: the integers say all of them.

    Parameters
    ----------
    weights : mapping
        As `fold` takes it.
    learnt : mapping
        As `initial` gives it.
    shape : BlockShape
    form : AffineFormat
    losses, seconds
        Kept with it.
    """
    folded = fold(weights, learnt, shape)
    matrices = {}
    for name in MATRICES:
        upper, lower = learnt[f"upper.{name}"], learnt[f"lower.{name}"]
        low, high = ranges(folded[name], folded[name].shape[1] // upper.shape[1])
        matrices[name] = AffineMatrix.of(
            folded[name], form, low * _sigmoid(lower), high * _sigmoid(upper), learnt.get(_OFFSET + name)
        )
    kept = {name: array for name, array in learnt.items() if not name.startswith(_OFFSET)}
    return QuantizedBlock(matrices, kept, tuple(losses), seconds)


def _sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(1 / (1 + np.exp(-x)))


def _logit(p: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.log(p / (1 - p)))
