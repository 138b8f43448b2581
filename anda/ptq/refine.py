"""Coordinate descent on the calibration error, in which budgets hold after every move."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import Budget
from anda.ptq.greedy import Layer

__all__ = ["Objective", "refine"]

_BLOCK = 128
_CHANNELS = 512
"""Output channels that are worked on at a time, in threads: their blocks fit the cache."""

_ENOUGH = 1e-4
"""Sweeps end when one lowers the error by less than this share of it."""

_ROUNDING = 1e-12
"""Gains below this share are taken for rounding errors."""


@dataclass(frozen=True)
class Objective:
    """`v^T H v - 2 v^T b` for each output channel: the calibration error but for a constant.

    Attributes
    ----------
    matrix : float64 array [K, K]
        H, regularized.
    linear : float64 array [K, C]
        b, regularized alike.
    """

    matrix: NDArray[np.float64]
    linear: NDArray[np.float64]

    def part(self, channels: slice | NDArray[np.intp]) -> Objective:
        """That of some output channels."""
        return Objective(self.matrix, np.ascontiguousarray(self.linear[:, channels]))

    def gradient(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half of the gradient, `H v - b`, [K, C]."""
        return self.matrix @ values - self.linear

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The objective of each channel, [C]."""
        return np.asarray(np.einsum("kc,kc->c", values, self.gradient(values) - self.linear))


def refine(
    layer: Layer,
    objective: Objective,
    levels: NDArray[np.int64],
    *,
    sweeps: int = 12,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Improve levels by exact moves until nothing helps.

    A sweep visits all inputs in blocks, each inside one tile, all channels at once. An input moves to the
    level that is best for it within its tile's room. Where the room is the limit, it may also move one level
    further out while another input of the block moves one level in: of all such pairs the best one is taken,
    their interaction counted.

    Parameters
    ----------
    layer : Layer
    objective : Objective
    levels : int64 array [K, C]
        Within all budgets.
    sweeps : int
        At most so many.
    seed : int
        Of the random grouping of inputs into blocks.

    Returns
    -------
    int64 array [K, C]
        Within all budgets; no channel's objective is higher than it was.
    """
    starts = range(0, levels.shape[1], _CHANNELS)
    parts = [slice(start, start + _CHANNELS) for start in starts]

    def refined(part: slice) -> NDArray[np.int64]:
        start = np.ascontiguousarray(levels[:, part])
        return _refine(layer.part(part), objective.part(part), start, sweeps, seed)

    if len(parts) == 1:
        return refined(parts[0])
    # NumPy holds no lock while it computes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(refined, parts)), axis=1)


def _refine(
    layer: Layer, objective: Objective, levels: NDArray[np.int64], sweeps: int, seed: int
) -> NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    q = levels.copy()
    gradient = objective.gradient(layer.values(q))
    for _ in range(sweeps):
        gain = 0.0
        for block in _blocks(layer.budget, len(q), generator):
            gain += _Block(layer, objective, q, gradient, block).run()
        total = float(np.abs(np.einsum("kc,kc->", layer.values(q), gradient - objective.linear)))
        if gain <= _ENOUGH * total:
            break
    return q


def _blocks(budget: Budget, inputs: int, generator: np.random.Generator) -> list[NDArray[np.intp]]:
    """A random grouping of the inputs into blocks that lie in one tile each."""
    size = inputs if budget.tile is None else int(budget.tile)
    blocks = []
    for first in range(0, inputs, size):
        tile = generator.permutation(np.arange(first, min(first + size, inputs)))
        blocks += np.array_split(tile, -(-len(tile) // _BLOCK))
    return blocks


class _Block:
    """Moves among some inputs of one tile, all channels at once."""

    def __init__(
        self,
        layer: Layer,
        objective: Objective,
        q: NDArray[np.int64],
        gradient: NDArray[np.float64],
        block: NDArray[np.intp],
    ) -> None:
        self._grid, self._budget = layer.grid, layer.budget
        self._objective, self._all, self._gradient, self._block = objective, q, gradient, block
        tile = self._budget.tile
        start = 0 if tile is None else int(block[0]) // tile * tile
        whole = q[start:] if tile is None else q[start : start + tile]
        self._pos = np.maximum(whole, 0).sum(axis=0)
        self._neg = np.minimum(whole, 0).sum(axis=0)
        # Channels first: what belongs to one channel is contiguous.
        self._q: NDArray[np.int64] = np.ascontiguousarray(q[block].T)
        self._g: NDArray[np.float64] = np.ascontiguousarray(gradient[block].T)
        self._h = objective.matrix[np.ix_(block, block)]
        self._group = block // self._grid.group
        self._scale = np.ascontiguousarray(self._grid.scales[self._group].T)
        # What a level gives back when it moves one step toward 0, as an integer and as a value.
        self._freed = self._q - self._grid.inward[self._q - self._grid.levels[0]]
        self._release = -self._freed * self._scale
        self._curve = self._release * np.diagonal(self._h)
        self._gain = 0.0

    def run(self) -> float:
        """Visit every input once; returns by how much the objective fell."""
        before = self._q.copy()
        for place in np.flatnonzero(np.diagonal(self._h) > 0):
            self._visit(int(place))
        changed = np.flatnonzero((self._q != before).any(axis=1))
        moved = ((self._q - before) * self._scale).T
        rows = self._objective.matrix[:, self._block]
        if 2 * len(changed) > moved.shape[1]:
            self._gradient += rows @ moved
        elif len(changed):
            self._gradient[:, changed] += rows @ moved[:, changed]
        self._all[self._block] = self._q.T
        return self._gain

    def _visit(self, place: int) -> None:
        q, g, h = self._q[:, place].copy(), self._g[:, place].copy(), self._h[place, place]
        group = self._group[place]
        low, high = self._grid.low[group], self._grid.high[group]
        ideal = q - g * self._grid.inverse[group] / h
        least, largest = self._budget.room(self._pos - np.maximum(q, 0), self._neg - np.minimum(q, 0))
        level = self._grid.round(ideal, np.maximum(least, low), np.minimum(largest, high))
        cost = _cost((level - q) * self._scale[:, place], g, h)
        stay = cost >= 0
        level[stay], cost[stay] = q[stay], 0
        blocked = np.flatnonzero(self._grid.round(ideal, low, high) != level)
        if len(blocked):
            self._trade(place, blocked, ideal[blocked], level, cost)
        moved = np.flatnonzero(level != q)
        if len(moved):
            self._move(moved, place, level[moved])
        self._gain -= float(cost.sum())

    def _trade(
        self,
        place: int,
        at: NDArray[np.intp],
        ideal: NDArray[np.float64],
        level: NDArray[np.int64],
        cost: NDArray[np.float64],
    ) -> None:
        """Where a pair of moves beats the single one, make the partner's move and set the visitor's level."""
        grid, group, mine = self._grid, self._group[place], self._q[at, place]
        out = self._toward(mine, ideal)
        inside = (out != mine) & (out >= grid.low[group, at]) & (out <= grid.high[group, at])
        at, mine, out = at[inside], mine[inside], out[inside]
        step = (out - mine) * self._scale[at, place]
        own = _cost(step, self._g[at, place], self._h[place, place])
        needs = self._budget.relief(
            self._pos[at] + np.maximum(out, 0) - np.maximum(mine, 0),
            self._neg[at] + np.minimum(out, 0) - np.minimum(mine, 0),
        )
        partner, value = self._partner(place, at, step, needs)
        take = np.flatnonzero(value + own < cost[at] - _ROUNDING * np.abs(own))
        if len(take):
            at, partner = at[take], partner[take]
            self._move(at, partner, self._q[at, partner] - self._freed[at, partner])
            level[at] = out[take]
            cost[at] = value[take] + own[take]

    def _toward(self, level: NDArray[np.int64], ideal: NDArray[np.float64]) -> NDArray[np.int64]:
        """The next level toward an ideal."""
        place = self._grid.levels.searchsorted(level)
        place += np.where(ideal > level, 1, -1)
        return self._grid.levels[np.clip(place, 0, len(self._grid.levels) - 1)]

    def _partner(
        self,
        place: int,
        at: NDArray[np.intp],
        step: NDArray[np.float64],
        needs: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """For each channel the input whose step toward 0 costs least beside a given step, and its cost."""
        pair = self._g[at]
        pair += self._h[place] * step[:, np.newaxis]
        pair *= 2
        pair += self._curve[at]
        pair *= self._release[at]
        freed = self._freed[at]
        pair[(freed < needs[0][:, np.newaxis]) & (freed > -needs[1][:, np.newaxis])] = np.inf
        pair[:, place] = np.inf
        best = pair.argmin(axis=1)
        return best, pair[np.arange(len(at)), best]

    def _move(self, at: NDArray[np.intp], places: NDArray[np.intp] | int, new: NDArray[np.int64]) -> None:
        """Set one level of each of some channels, and all that follows from levels."""
        old = self._q[at, places]
        self._pos[at] += np.maximum(new, 0) - np.maximum(old, 0)
        self._neg[at] += np.minimum(new, 0) - np.minimum(old, 0)
        scale = self._scale[at, places]
        self._g[at] += self._h[places] * ((new - old) * scale)[:, np.newaxis]
        self._q[at, places] = new
        self._freed[at, places] = freed = new - self._grid.inward[new - self._grid.levels[0]]
        self._release[at, places] = release = -freed * scale
        self._curve[at, places] = release * self._h[places, places]


def _cost(
    change: NDArray[np.float64], gradient: NDArray[np.float64], curvature: float
) -> NDArray[np.float64]:
    """What a change of one value adds to the objective."""
    return change * (2 * gradient + change * curvature)
