"""A histogram, kept when the values it counts are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram"]


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many values lie in each of equally wide bins.

    Attributes
    ----------
    edges : float64 array [bins + 1]
    counts : int64 array [bins]
    values : int
        Values in all, those outside of the bins included.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    values: int

    @classmethod
    def of(cls, values: NDArray[Any], low: float, high: float, bins: int) -> Histogram:
        """Count values between two ends."""
        counts, edges = np.histogram(values, bins, (low, high))
        return cls(edges.astype(np.float64), counts.astype(np.int64), values.size)

    @property
    def density(self) -> NDArray[np.float64]:
        """Share of all values per unit of their axis, in each bin."""
        return self.counts / (self.values * np.diff(self.edges))
