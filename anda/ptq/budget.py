"""What an accumulator of P bits leaves for the weights, in exact integers (AXE, arXiv 2409.17092)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import activation_range
from golden.interval import Interval

__all__ = [
    "Budget",
    "a2q_limit",
    "a2q_plus_limit",
    "soft_thresholds",
    "tile_count",
]

_NO_LIMIT = 1 << 61
"""Further than any sum goes: levels have at most 24 bits and activations 16."""


def tile_count(inputs: int, tile: int | None) -> int:
    """Tiles of a row of `inputs` terms; None: the row is one tile.

    Raises
    ------
    ValueError
        When a tile has less than 1 term.
    """
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, (int, np.integer)) or tile < 1):
        raise ValueError(f"a tile should have at least 1 term, or be None for the whole row, not {tile!r}")
    return 1 if tile is None else -(-inputs // int(tile))


def a2q_limit(bits: int, activation_bits: int, activation_signed: bool) -> int:
    """Largest sum of |level| under A2Q's bound: floor((2^(P-1) - 1) * 2^(signed - N)).

    Colbert et al., arXiv 2308.13504. Slightly too strict for unsigned activations, as it takes their largest
    code for 2^N.
    """
    activation_range(activation_bits, activation_signed)
    return ((1 << (bits - 1)) - 1) >> (activation_bits - int(activation_signed))


def a2q_plus_limit(bits: int, activation_bits: int) -> int:
    """Largest sum of |level| under A2Q+'s bound: floor((2^P - 2) / (2^N - 1)).

    Colbert et al., arXiv 2401.10432. Holds for levels whose sum is zero, exactly, and only for those.
    """
    return ((1 << bits) - 2) // ((1 << activation_bits) - 1)


@dataclass(frozen=True)
class Budget:
    """Room of an inner accumulator: both worst cases of every tile stay within +-(2^(P-1) - 1).

    With pos and neg the sums of a tile's positive and negative levels, mu and nu the ends of the activations:
    `nu*pos + mu*neg <= L` and `mu*pos + nu*neg >= -L`. Zero lies in [mu, nu], so every partial sum, in any
    order, stays inside as well.

    Parameters
    ----------
    codes : Interval
        Activations, mu to nu.
    inner_bits : int or None
        P, 8 to 32; None for no limit.
    tile : int or None
        Inputs of a tile, by their original index; None for the whole row.

    Raises
    ------
    ValueError
        When the width is out of its range, or the tile is.
    """

    codes: Interval
    inner_bits: int | None
    tile: int | None = None

    def __post_init__(self) -> None:
        bits = self.inner_bits
        if bits is not None and (
            isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 8 <= bits <= 32
        ):
            raise ValueError(f"an inner accumulator should have 8 to 32 bits, not {bits!r}")
        tile_count(1, self.tile)

    @property
    def limit(self) -> int:
        """L = 2^(P-1) - 1."""
        return _NO_LIMIT if self.inner_bits is None else (1 << (int(self.inner_bits) - 1)) - 1

    def tile_of(self, index: int) -> int:
        """Tile of an input."""
        return 0 if self.tile is None else index // self.tile

    def worst(
        self, pos: NDArray[np.int64], neg: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Least and largest sum of a tile, exact."""
        return self.codes.min * pos + self.codes.max * neg, self.codes.max * pos + self.codes.min * neg

    def room(
        self, pos: NDArray[np.int64], neg: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The least (<= 0) and largest (>= 0) level that one more weight may take, exact.

        Parameters
        ----------
        pos, neg : int64 arrays of any one shape
            Sums of the positive and of the negative levels so far.
        """
        mu, nu = self.codes.min, self.codes.max
        least, largest = self.worst(pos, neg)
        above, below = self.limit - largest, self.limit + least
        up, down = above // nu, below // nu
        if mu < 0:
            np.minimum(up, below // -mu, out=up)
            np.minimum(down, above // -mu, out=down)
        return -down, up

    def relief(
        self, pos: NDArray[np.int64], neg: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How far one other level must move toward 0 to make sums fit that may exceed the budget, at least 1.

        Parameters
        ----------
        pos, neg : int64 arrays of any one shape

        Returns
        -------
        pair of int64 arrays
            For a positive and for a negative level; beyond every level where that sign cannot help.
        """
        mu, nu = self.codes.min, self.codes.max
        least, largest = self.worst(pos, neg)
        over, under = np.maximum(largest - self.limit, 0), np.maximum(-self.limit - least, 0)
        if mu < 0:
            positive = np.maximum(-(-over // nu), -(-under // -mu))
            negative = np.maximum(-(-under // nu), -(-over // -mu))
        else:
            positive = np.where(under > 0, _NO_LIMIT, -(-over // nu))
            negative = np.where(over > 0, _NO_LIMIT, -(-under // nu))
        return np.maximum(positive, 1), np.maximum(negative, 1)

    def sums(self, levels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sums of the positive and of the negative levels, [tiles, C], of levels [K, C]."""
        starts = np.arange(0, len(levels), self.tile or len(levels))
        return (
            np.add.reduceat(np.maximum(levels, 0), starts, axis=0),
            np.add.reduceat(np.minimum(levels, 0), starts, axis=0),
        )

    def holds(self, levels: NDArray[np.int64]) -> bool:
        """Whether both worst cases of every tile of levels [K, C] fit."""
        least, largest = self.worst(*self.sums(levels))
        return bool((largest <= self.limit).all() and (least >= -self.limit).all())


def soft_thresholds(budget: Budget, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """AXE's soft part: how much each tile's magnitudes must shrink for its weights to fit an l1 ball.

    The tile's mean is removed, for this purpose only, and the rest projected onto the ball of radius
    `(2^P - 2) / (nu - mu)` (Duchi et al., ICML 2008, figure 1).

    Parameters
    ----------
    budget : Budget
    steps : float64 array [K, C]
        Weights in units of their scale.

    Returns
    -------
    float64 array [tiles, C]
        Zero where the tile fits as it is.
    """
    inputs, channels = steps.shape
    tiles = tile_count(inputs, budget.tile)
    thresholds = np.zeros((tiles, channels))
    if budget.inner_bits is None:
        return thresholds
    radius = 2 * budget.limit / (budget.codes.max - budget.codes.min)
    size = inputs if budget.tile is None else int(budget.tile)
    for index in range(tiles):
        part = steps[index * size : (index + 1) * size]
        thresholds[index] = _shrinkage(np.abs(part - part.mean(axis=0)), radius)
    return thresholds


def _shrinkage(sizes: NDArray[np.float64], radius: float) -> NDArray[Any]:
    """What to subtract from each column of magnitudes so that the rest sums to at most the radius."""
    falling = -np.sort(-sizes, axis=0)
    excess = np.cumsum(falling, axis=0) - radius
    ranks = np.arange(1, len(sizes) + 1)[:, np.newaxis]
    # The first element always stays; the set of those that stay is a prefix.
    last = np.maximum(np.count_nonzero(falling * ranks > excess, axis=0) - 1, 0)
    columns = np.arange(sizes.shape[1])
    theta = excess[last, columns] / (last + 1)
    return np.where(excess[-1] > 0, theta, 0.0)
