"""State that every solver shares: levels taken so far, and what the budgets still allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anda.ptq.budget import Budget, soft_thresholds, tile_count
from anda.ptq.grid import Rounding, WeightGrid

__all__ = ["Layer", "Rounder", "spread"]


@dataclass(frozen=True)
class Layer:
    """One layer to quantize, inputs first.

    Attributes
    ----------
    weights : float64 array [K, C]
    grid : WeightGrid
    budget : Budget
    """

    weights: NDArray[np.float64]
    grid: WeightGrid
    budget: Budget

    @property
    def steps(self) -> NDArray[np.float64]:
        """Weights in units of their scale, [K, C]."""
        return self.weights * self.scale_rows(self.grid.inverse)

    def part(self, channels: slice | NDArray[np.intp]) -> Layer:
        """The layer of some output channels."""
        grid = replace(
            self.grid,
            scales=self.grid.scales[:, channels],
            low=self.grid.low[:, channels],
            high=self.grid.high[:, channels],
        )
        return replace(self, weights=np.ascontiguousarray(self.weights[:, channels]), grid=grid)

    def values(self, levels: NDArray[np.int64]) -> NDArray[np.float64]:
        """What levels [K, C] are worth."""
        return levels * self.scale_rows(self.grid.scales)

    def scale_rows(self, by_group: NDArray[np.float64]) -> NDArray[np.float64]:
        """Something [groups, C] for each input: [K, C], or [1, C] where there is one group."""
        if len(by_group) == 1:
            return by_group
        return np.asarray(np.repeat(by_group, self.grid.group, axis=0)[: len(self.weights)])


class Rounder:
    """Rounds one input of all channels after the other, inside AXE's strict budgets.

    The room of a tile is computed in integers from what its earlier weights took, and the rounded integer is
    clipped to it: no order, rounding mode or value can break a budget. 0 always fits.

    Parameters
    ----------
    layer : Layer
    soft : bool
        Shrink values by AXE's soft thresholds before they are rounded.
    rounding : str
        A mode of `Rounding`.
    """

    def __init__(self, layer: Layer, soft: bool, rounding: Rounding) -> None:
        inputs, channels = layer.weights.shape
        self._grid, self._budget, self._rounding = layer.grid, layer.budget, rounding
        self._thresholds = soft_thresholds(layer.budget, layer.steps) if soft else None
        if self._thresholds is not None and not self._thresholds.any():
            self._thresholds = None
        shape = (tile_count(inputs, layer.budget.tile), channels)
        self._pos = np.zeros(shape, dtype=np.int64)
        self._neg = np.zeros(shape, dtype=np.int64)
        self.levels = np.zeros((inputs, channels), dtype=np.int64)

    def take(self, index: int, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Round the weights [C] of one input, which is visited once; returns what their levels are worth."""
        tile, group = self._budget.tile_of(index), index // self._grid.group
        x = value * self._grid.inverse[group]
        if self._thresholds is not None:
            x = np.copysign(np.maximum(np.abs(x) - self._thresholds[tile], 0), x)
        least, largest = self._budget.room(self._pos[tile], self._neg[tile])
        np.maximum(least, self._grid.low[group], out=least)
        np.minimum(largest, self._grid.high[group], out=largest)
        level = self._grid.round(x, least, largest, self._rounding)
        self._pos[tile] += np.maximum(level, 0)
        self._neg[tile] += np.minimum(level, 0)
        self.levels[index] = level
        return np.asarray(level * self._grid.scales[group])


def spread(count: int, wanted: int) -> NDArray[np.intp]:
    """At most so many indices below `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, wanted).astype(np.intp))
