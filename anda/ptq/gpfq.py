"""GPFQ (arXiv 2010.15979) under AXE's budgets, from second moments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anda.ptq.calibration import Calibration
from anda.ptq.gptq import BLOCK
from anda.ptq.greedy import Layer, Rounder
from anda.ptq.grid import Rounding
from anda.ptq.hessian import greedy_order

__all__ = ["gpfq"]


def gpfq(
    layer: Layer,
    calibration: Calibration,
    *,
    act_order: bool = True,
    soft: bool = True,
    rounding: Rounding = "nearest",
) -> NDArray[np.int64]:
    """Round input after input to the value that best explains the float outputs of all inputs so far.

    `v_t = (sum_{j <= t} G_tj w_j - sum_{j < t} H_tj s q_j) / H_tt`: the true weights and the final levels
    appear in it, so earlier shrinking and clipping is compensated like any other error.

    Parameters
    ----------
    layer : Layer
    calibration : Calibration
    act_order, soft : bool
    rounding : str

    Returns
    -------
    int64 array [K, C]
        Levels; every budget holds. Dead inputs get 0.
    """
    order = greedy_order(calibration.gram, act_order)
    gram = calibration.gram[np.ix_(order, order)]
    target = np.tril(calibration.cross[np.ix_(order, order)]) @ layer.weights[order]
    rounder = Rounder(layer, soft, rounding)
    values = np.zeros_like(target)
    for first in range(0, len(order), BLOCK):
        last = min(first + BLOCK, len(order))
        target[first:last] -= gram[first:last, :first] @ values[:first]
        for place in range(first, last):
            if gram[place, place] > 0:
                value = rounder.take(int(order[place]), target[place] / gram[place, place])
                target[place + 1 : last] -= gram[place + 1 : last, place, np.newaxis] * value
                values[place] = value
    return rounder.levels
