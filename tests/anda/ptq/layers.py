"""Small layers for tests, and the worst cases of levels by nothing but Python integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.budget import Budget
from anda.ptq.calibration import Calibration
from anda.ptq.greedy import Layer
from anda.ptq.grid import WeightGrid
from golden import formats
from golden.interval import Interval


def arrays(
    channels: int, inputs: int, rows: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights [C, K] and correlated inputs [rows, K], two of them outliers."""
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((rows, inputs)) @ random.standard_normal((inputs, inputs)) / inputs**0.5
    mixed[:, random.choice(inputs, min(2, inputs), replace=False)] *= 8
    return random.standard_t(4, (channels, inputs)), mixed


def prepared(
    weights: NDArray[np.float64],
    inputs: NDArray[np.float64],
    *,
    form: str = "int4",
    bits: int = 8,
    signed: bool = True,
    inner_bits: int | None = 16,
    tile: int | None = 64,
) -> tuple[Layer, Calibration]:
    """What solvers take."""
    quantizer = ActivationQuantizer.fit(inputs, bits, signed)
    grid = WeightGrid.of(weights, formats.get(form))
    budget = Budget(quantizer.codes, inner_bits, tile)
    return Layer(np.ascontiguousarray(weights.T), grid, budget), Calibration.of(inputs, quantizer)


def worst_cases(levels: NDArray[np.int64], codes: Interval, tile: int | None) -> list[int]:
    """The largest magnitude of every tile's sum, both signs, of levels [C, K]."""
    found = []
    for row in levels.tolist():
        size = tile or len(row)
        for start in range(0, len(row), size):
            part = row[start : start + size]
            found.append(sum(max(codes.min * q, codes.max * q) for q in part))
            found.append(-sum(min(codes.min * q, codes.max * q) for q in part))
    return found
