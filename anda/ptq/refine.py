"""Coordinate descent on the calibration error, in which budgets hold after every move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import Budget
from anda.ptq.greedy import Layer

__all__ = ["Objective", "refine"]

_BLOCK = 128
_ENOUGH = 1e-4
"""Sweeps end when one lowers the error by less than this share of it."""


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
    """Moves among some inputs of one tile."""

    def __init__(
        self,
        layer: Layer,
        objective: Objective,
        q: NDArray[np.int64],
        gradient: NDArray[np.float64],
        block: NDArray[np.intp],
    ) -> None:
        self._grid, self._budget = layer.grid, layer.budget
        self._objective, self._q, self._gradient, self._block = objective, q, gradient, block
        tile = self._budget.tile
        start = 0 if tile is None else int(block[0]) // tile * tile
        whole = q[start:] if tile is None else q[start : start + tile]
        self.pos = np.maximum(whole, 0).sum(axis=0)
        self.neg = np.minimum(whole, 0).sum(axis=0)
        self.q = q[block]
        self.g = gradient[block]
        self.h = objective.matrix[np.ix_(block, block)]
        self.group = block // self._grid.group
        self.scale = np.broadcast_to(self._grid.scales[self.group], self.q.shape)
        self.gain = 0.0

    def run(self) -> float:
        """Visit every input once; returns by how much the objective fell."""
        before = self.q.copy()
        for place in range(len(self._block)):
            self._visit(place)
        moved = (self.q - before) * self.scale
        changed = np.flatnonzero(moved.any(axis=0))
        if len(changed):
            if 2 * len(changed) > moved.shape[1]:
                self._gradient += self._objective.matrix[:, self._block] @ moved
            else:
                self._gradient[:, changed] += self._objective.matrix[:, self._block] @ moved[:, changed]
            self._q[self._block] = self.q
        return self.gain

    def _visit(self, place: int) -> None:
        q, g, h, s = self.q[place], self.g[place], self.h[place, place], self.scale[place]
        group = self.group[place]
        if h <= 0:
            return
        ideal = q - g * self._grid.inverse[group] / h
        least, largest = self._budget.room(self.pos - np.maximum(q, 0), self.neg - np.minimum(q, 0))
        low, high = self._grid.low[group], self._grid.high[group]
        level = self._grid.round(ideal, np.maximum(least, low), np.minimum(largest, high))
        change = (level - q) * s
        cost = change * (2 * g + change * h)
        worse = cost > 0
        level[worse] = q[worse]
        cost[worse] = 0
        free = self._grid.round(ideal, low, high)
        blocked = np.flatnonzero((free != level) & (np.abs(free) > np.abs(level)) | (free * level < 0))
        if len(blocked):
            self._trade(place, blocked, ideal, level, cost)
        moved = np.flatnonzero(level != q)
        self._apply(place, moved, level)
        self.gain -= float(cost.sum())

    def _apply(self, place: int, moved: NDArray[np.intp], level: NDArray[np.int64]) -> None:
        if not len(moved):
            return
        old, new = self.q[place, moved], level[moved]
        self.pos[moved] += np.maximum(new, 0) - np.maximum(old, 0)
        self.neg[moved] += np.minimum(new, 0) - np.minimum(old, 0)
        self.q[place, moved] = new
        change = (new - old) * self.scale[place, moved]
        if 2 * len(moved) > self.g.shape[1]:
            full = np.zeros(self.g.shape[1])
            full[moved] = change
            self.g += self.h[:, place, np.newaxis] * full
        else:
            self.g[:, moved] += self.h[:, place, np.newaxis] * change

    def _trade(
        self,
        place: int,
        at: NDArray[np.intp],
        ideal: NDArray[np.float64],
        level: NDArray[np.int64],
        cost: NDArray[np.float64],
    ) -> None:
        """Where a pair of moves beats the single one, make the partner's move and set the visitor's level."""
        grid = self._grid
        base = grid.levels[0]
        q, g = self.q[:, at], self.g[:, at]
        s = self.scale[:, at]
        mine = q[place]
        # One level toward the ideal, which is further from 0 than the room allows.
        up = ideal[at] > mine
        out = np.where(up == (mine >= 0), grid.outward[mine - base], grid.inward[mine - base])
        out = np.where((mine == 0) & ~up, -grid.outward[0 - base], out)
        group = self.group[place]
        step = (out - mine) * s[place]
        own = step * (2 * g[place] + step * self.h[place, place])
        inward = grid.inward[q - base]
        release = (inward - q) * s
        pair = 2 * g + release * np.diagonal(self.h)[:, np.newaxis]
        pair += 2 * step * self.h[:, place, np.newaxis]
        pair *= release
        pair += own
        pos = (self.pos[at] + np.maximum(out, 0) - np.maximum(mine, 0)) + (
            np.maximum(inward, 0) - np.maximum(q, 0)
        )
        neg = (self.neg[at] + np.minimum(out, 0) - np.minimum(mine, 0)) + (
            np.minimum(inward, 0) - np.minimum(q, 0)
        )
        least, largest = self._budget.worst(pos, neg)
        bad = (largest > self._budget.limit) | (least < -self._budget.limit) | (inward == q)
        bad[place] = True
        bad |= (out == mine) | (out < grid.low[group][at]) | (out > grid.high[group][at])
        pair[bad] = np.inf
        best = pair.argmin(axis=0)
        value = pair[best, np.arange(len(at))]
        take = np.flatnonzero(value < cost[at] - 1e-12 * np.abs(own))
        if not len(take):
            return
        channels, partners = at[take], best[take]
        old, new = q[partners, take], inward[partners, take]
        self.pos[channels] += np.maximum(new, 0) - np.maximum(old, 0)
        self.neg[channels] += np.minimum(new, 0) - np.minimum(old, 0)
        self.q[partners, channels] = new
        self.g[:, channels] += self.h[:, partners] * release[partners, take]
        level[channels] = out[take]
        cost[channels] = value[take]
