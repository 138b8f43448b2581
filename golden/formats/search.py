"""Search for codebooks: the best integer levels for a distribution, exactly, and what no codebook can beat.

Blocks scaled to their extreme are summed up in a histogram, weighted by how much an error in them counts.
On it the squared error of any codebook is a few look-ups, and the best choice of levels out of the integers
is a shortest path, found by dynamic programming: no restarts, no local optimum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.formats.quantized import blocked

__all__ = ["Profile", "best_integers", "lloyd_max", "profile"]

_BINS = 1 << 14
_TILE = 1 << 18

Positions = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Profile:
    """Scaled blocks as a histogram of positions in -1 to 1, relative to the power of the weights.

    Errors are noise-to-signal ratios; profiles add up, and a factor weighs one against the other.
    """

    moments: NDArray[np.float64]
    """Cumulative sums over the bins, [3, bins + 1]: weight, weight * position, weight * position^2."""

    def __add__(self, other: Profile) -> Profile:
        return Profile(self.moments + other.moments)

    def __mul__(self, factor: float) -> Profile:
        return Profile(self.moments * factor)

    def error(self, levels: Sequence[float]) -> float:
        """Squared error left by levels at these positions, each position going to the nearest one."""
        at = np.sort(np.asarray(levels, dtype=np.float64))
        bounds = np.concatenate([[-1.0], (at[:-1] + at[1:]) / 2, [1.0]])
        return float(self.cost(bounds[:-1], bounds[1:], at).sum())

    def sqnr(self, levels: Sequence[float]) -> float:
        """Signal-to-noise ratio in dB of levels at these positions."""
        return -10 * float(np.log10(self.error(levels)))

    def cost(self, low: Positions, high: Positions, level: Positions) -> Positions:
        """Squared error of what lies from `low` to `high` when it becomes `level`, elementwise."""
        weight, first, second = self._between(low, high)
        return np.asarray(second - 2 * level * first + level**2 * weight)

    def mean(self, low: Positions, high: Positions) -> Positions:
        """Centre of what lies from `low` to `high`; the middle where nothing does."""
        weight, first, _ = self._between(low, high)
        return np.where(weight > 0, first / np.where(weight > 0, weight, 1), (low + high) / 2)

    def _between(self, low: Positions, high: Positions) -> NDArray[np.float64]:
        return self._up_to(high) - self._up_to(low)

    def _up_to(self, position: Positions) -> NDArray[np.float64]:
        """Moments of everything below a position: linear inside a bin."""
        bins = self.moments.shape[1] - 1
        where = np.clip((position + 1) * (bins / 2), 0, bins)
        index = np.minimum(where.astype(np.int64), bins - 1)
        below = self.moments[:, index]
        return np.asarray(below + (self.moments[:, index + 1] - below) * (where - index))


def profile(w: NDArray[np.float32], block: int = 128, signed: bool = True) -> Profile:
    """Histogram of a tensor whose blocks are divided by their extreme.

    Parameters
    ----------
    w : float32 array [..., K]
        Finite weights; a short last block and blocks of zeros are left out.
    block : int
        Elements along K that share a scale.
    signed : bool
        Whether the scale carries the sign of the extreme, which then is always at 1; else its magnitude only.
    """
    sums = np.zeros((3, _BINS))
    whole = blocked(w, block)[0].reshape(-1, block)
    step = max(1, _TILE // block)
    for start in range(0, len(whole), step):
        x = whole[start : start + step].astype(np.float64)
        largest, least = x.max(axis=1), x.min(axis=1)
        extreme = np.where(largest >= -least, largest, least if signed else -least)
        alive = extreme != 0
        positions = (x[alive] / extreme[alive, np.newaxis]).ravel()
        weights = np.repeat(extreme[alive] ** 2, block)
        bins = np.minimum(((positions + 1) * (_BINS / 2)).astype(np.int64), _BINS - 1)
        for power, row in enumerate(sums):
            row += np.bincount(bins, weights * positions**power, minlength=_BINS)
    moments = np.concatenate([np.zeros((3, 1)), np.cumsum(sums, axis=1)], axis=1)
    return Profile(moments / moments[2, -1])


def best_integers(shape: Profile, count: int, least: int, largest: int) -> tuple[int, ...]:
    """The `count` integers whose levels leave the least squared error, `largest` among them.

    Parameters
    ----------
    shape : Profile
        What they are for; the extreme of a block, at 1, is scaled to `largest`.
    count : int
        Levels to choose, at least 2.
    least, largest : int
        Ends of the range that they are chosen from.

    Returns
    -------
    tuple of int
        In ascending order.

    Raises
    ------
    ValueError
        When the range has too few integers.
    """
    integers = range(max(least, -largest), largest + 1)
    if not 2 <= count <= len(integers):
        raise ValueError(f"{count} levels cannot be chosen from {least} to {largest}")
    at = np.array(integers) / largest
    ones = np.ones(len(at))
    # steps[i, j]: error between neighbouring levels i and j.
    middle = (at[:, np.newaxis] + at) / 2
    steps = shape.cost(at[:, np.newaxis] + 0 * at, middle, at[:, np.newaxis]) + shape.cost(
        middle, at + 0 * middle, at
    )
    steps[np.tril_indices(len(at))] = np.inf
    errors = shape.cost(-ones, at, at)
    chosen = []
    for _ in range(count - 1):
        through = errors[:, np.newaxis] + steps
        chosen.append(through.argmin(axis=0))
        errors = through.min(axis=0)
    path = [len(at) - 1]
    for step in reversed(chosen):
        path.append(int(step[path[-1]]))
    return tuple(integers[i] for i in reversed(path))


def lloyd_max(shape: Profile, count: int, rounds: int = 2000) -> tuple[float, ...]:
    """Real levels by Lloyd's iteration: the bound that a codebook for one distribution can reach.

    It starts from `count` equally spaced levels and stops when nothing moves by more than 1e-9.
    """
    levels = np.linspace(-1, 1, count)
    for _ in range(rounds):
        bounds = np.concatenate([[-1.0], (levels[:-1] + levels[1:]) / 2, [1.0]])
        moved = shape.mean(bounds[:-1], bounds[1:])
        if np.abs(moved - levels).max() < 1e-9:
            break
        levels = moved
    return tuple(levels.tolist())
