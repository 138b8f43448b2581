"""Real data for power: activations and weights of a transformer block, as elements meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.fixture import load
from golden.fp16 import FloatArray16

__all__ = ["Sample", "sample"]


@dataclass(frozen=True, eq=False)
class Sample:
    """Runs of an element: groups along K, in their order.

    Attributes
    ----------
    activations : float16 array [runs, rows, groups, lanes]
        Of successive tokens.
    weights : int8 array [runs, groups, lanes]
        INT4 levels of one output channel.
    scales : float16 array [runs, groups]
    """

    activations: FloatArray16
    weights: NDArray[np.int8]
    scales: FloatArray16


def sample(runs: int = 256, *, rows: int = 1, lanes: int = 64, seed: int = 0) -> Sample:
    """Take tokens, output channels and projections at random; the same seed takes the same.

    Every run is 576 elements of K, or as many as make whole groups: a whole row of three of the four
    projections and a part of one of `down`.

    Parameters
    ----------
    runs
    rows
        Tokens that are multiplied with the same weights, 1 to 64.
    lanes
        Elements of a group.
    seed

    Raises
    ------
    ValueError
        When the data are not there, or there are too many rows.
    """
    projections = list(load().values())
    shortest = min(p.x.shape[1] for p in projections)
    tokens = min(p.x.shape[0] for p in projections)
    if not 1 <= rows <= tokens:
        raise ValueError(f"the real activations have {tokens} tokens, so 1 to {tokens} rows, not {rows}")
    rng = np.random.default_rng(seed)
    length = shortest // lanes * lanes
    found: list[tuple[Any, Any, Any]] = []
    for run in range(runs):
        p = projections[run % len(projections)]
        token = int(rng.integers(tokens - rows + 1))
        channel = int(rng.integers(p.levels.shape[0]))
        # Scales belong to blocks of a fixed size, and groups begin at multiples of their own.
        start = int(rng.integers((p.x.shape[1] - length) // lanes + 1)) * lanes
        at = np.arange(start, start + length, lanes) // p.weights.block
        found.append(
            (
                p.x[token : token + rows, start : start + length].reshape(rows, -1, lanes),
                p.levels[channel, start : start + length].reshape(-1, lanes),
                p.scales[channel, at],
            )
        )
    activations, weights, scales = zip(*found, strict=True)
    return Sample(np.stack(activations), np.stack(weights), np.stack(scales))
