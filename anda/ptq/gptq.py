"""OPTQ (GPTQ, arXiv 2210.17323) under AXE's budgets, with the error of clipping propagated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anda.ptq.greedy import Layer, Rounder
from anda.ptq.grid import Rounding
from anda.ptq.hessian import Damped

__all__ = ["BLOCK", "gptq"]

BLOCK = 128
"""Inputs whose mutual updates are applied one by one; later inputs get them as one matrix product."""


def gptq(
    layer: Layer,
    hessian: Damped,
    *,
    start: NDArray[np.float64] | None = None,
    soft: bool = True,
    rounding: Rounding = "nearest",
) -> NDArray[np.int64]:
    """Round input after input, each time moving the later weights to make up for the error.

    What is propagated is the difference between a weight's value before shrinking and clipping and its final
    level; the published method, as its authors' code has it, propagates the rounding error only.

    Parameters
    ----------
    layer : Layer
    hessian : Damped
        Of the quantized inputs; its order is the order of the visits.
    start : float64 array [K, C], optional
        What to approximate; the weights by default.
    soft : bool
        Shrink by AXE's soft thresholds.
    rounding : str

    Returns
    -------
    int64 array [K, C]
        Levels; every budget holds. Dead inputs get 0.
    """
    order, factor = hessian.order, hessian.inverse_factor
    rounder = Rounder(layer, soft, rounding)
    w = (layer.weights if start is None else start)[order]
    w[hessian.dead[order]] = 0
    for first in range(0, len(order), BLOCK):
        last = min(first + BLOCK, len(order))
        errors = np.empty((last - first, w.shape[1]))
        for place in range(first, last):
            value = w[place]
            error = (value - rounder.take(int(order[place]), value)) / factor[place, place]
            w[place + 1 : last] -= factor[place, place + 1 : last, np.newaxis] * error
            errors[place - first] = error
        w[last:] -= factor[first:last, last:].T @ errors
    return rounder.levels
