"""What a register without a guarantee does: wrapping and saturating accumulators, measured on inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.budget import Budget, tile_count
from anda.ptq.greedy import spread
from golden.multistage import MultiStage, Policy, Stage

__all__ = ["Overflow", "measure_overflow"]

_TERMS = 1 << 22
"""Products that are held at a time."""


@dataclass(frozen=True)
class Overflow:
    """A narrow register against the exact sum.

    Attributes
    ----------
    rows : int
        Rows it was measured on.
    rate : float
        Share of the tiles' sums that left the register's range on the way.
    error : float
        Norm of the error of the outputs over the norm of the float outputs, with the register.
    exact_error : float
        The same on the same rows without overflow.
    """

    rows: int
    rate: float
    error: float
    exact_error: float


def measure_overflow(
    weights: NDArray[Any],
    levels: NDArray[np.int64],
    scales: NDArray[np.float64],
    inputs: NDArray[Any],
    quantizer: ActivationQuantizer,
    budget: Budget,
    policy: Policy,
    *,
    rows: int = 64,
) -> Overflow:
    """Sum the products of some rows in registers that wrap or saturate, bit-exactly.

    Tiles are added up without any loss, as an outer stage that is wide enough does.

    Parameters
    ----------
    weights, levels : arrays [C, K]
    scales : float64 array [C, groups]
        A tile lies within one group.
    inputs : float array [rows, K]
    quantizer : ActivationQuantizer
        With one scale for all rows.
    budget : Budget
        Its width, which is not None, and its tile.
    policy : "wrap" or "saturate"
    rows : int
        At most so many, evenly spaced.

    Returns
    -------
    Overflow
    """
    if np.ndim(quantizer.scale):
        raise ValueError("overflow is measured with one scale for all rows, but every row has its own")
    picked = inputs[spread(len(inputs), rows)]
    codes = quantizer.encode(picked)
    channels, width = levels.shape
    size = width if budget.tile is None else int(budget.tile)
    group = -(-width // scales.shape[1])
    register = MultiStage((Stage(int(budget.inner_bits or 0), None, policy),))
    narrow = np.zeros((len(picked), channels))
    exact = np.zeros_like(narrow)
    overflows = 0
    step = max(1, _TERMS // (channels * size))
    for first in range(0, width, size):
        part = slice(first, min(first + size, width))
        scale = scales[:, first // group]
        outside = quantizer.zero * levels[:, part].sum(axis=1)
        for start in range(0, len(picked), step):
            terms = codes[start : start + step, np.newaxis, part] * levels[:, part]
            sums, flags = register.accumulate(terms)
            overflows += int(flags.sum())
            narrow[start : start + step] += (sums - outside) * scale
            exact[start : start + step] += (terms.sum(axis=-1) - outside) * scale
    outputs = picked.astype(np.float64) @ weights.T
    norm = float(np.linalg.norm(outputs)) or 1.0
    unit = float(quantizer.scale)
    return Overflow(
        rows=len(picked),
        rate=overflows / (len(picked) * channels * tile_count(width, budget.tile)),
        error=float(np.linalg.norm(outputs - unit * narrow)) / norm,
        exact_error=float(np.linalg.norm(outputs - unit * exact)) / norm,
    )
