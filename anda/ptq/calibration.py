"""What a layer's quantizer knows of the inputs: second moments of the true and of the quantized ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer

__all__ = ["Calibration"]


@dataclass(frozen=True)
class Calibration:
    """Inputs of a layer as second moments, in float64.

    Inputs are divided by a power of two first, so that no finite input makes a moment overflow; a common
    factor moves no minimum.

    Attributes
    ----------
    inputs, quantized : float64 arrays [rows, K]
        X and Xq, the inputs as the float layer and as the quantized layer get them.
    gram : float64 array [K, K]
        H = Xq^T Xq.
    cross : float64 array [K, K]
        G = Xq^T X.
    """

    inputs: NDArray[np.float64]
    quantized: NDArray[np.float64]
    gram: NDArray[np.float64]
    cross: NDArray[np.float64]

    @classmethod
    def of(cls, inputs: NDArray[Any], quantizer: ActivationQuantizer) -> Calibration:
        """Moments of inputs [rows, K].

        Raises
        ------
        ValueError
            When the inputs are not a finite, non-empty matrix.
        """
        check_matrix(inputs, "inputs", "[rows, K]")
        exact = np.asarray(inputs, dtype=np.float64)
        unit = 2.0 ** np.frexp(np.abs(exact).max())[1]
        return cls.between(exact / unit, quantizer.dequantize(exact) / unit)

    @classmethod
    def between(cls, inputs: NDArray[np.float64], quantized: NDArray[np.float64]) -> Calibration:
        """Moments of two float64 matrices [rows, K] whose squares do not overflow."""
        return cls(inputs, quantized, quantized.T @ quantized, quantized.T @ inputs)

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Inputs [K] that are zero in every row once quantized: their weights have no effect."""
        return np.asarray(np.diagonal(self.gram) == 0)

    def error(self, weights: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared error of each output, `sum((X w - Xq v)^2)`, [C].

        Parameters
        ----------
        weights, values : float64 arrays [K, C]
            Float weights and what they were rounded to, inputs first.
        """
        difference = self.inputs @ weights - self.quantized @ values
        return np.asarray(np.einsum("rc,rc->c", difference, difference))

    def energy(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energy of each float output, `sum((X w)^2)`, [C], for weights [K, C]."""
        outputs = self.inputs @ weights
        return np.asarray(np.einsum("rc,rc->c", outputs, outputs))


def check_matrix(array: NDArray[Any], what: str, shape: str) -> None:
    """Raise unless this is a matrix of finite real numbers with at least one element."""
    if np.ndim(array) != 2 or 0 in np.shape(array):
        raise ValueError(f"{what} should be a matrix {shape}, not of the shape {list(np.shape(array))}")
    if np.asarray(array).dtype.kind not in "fiu":
        raise ValueError(f"{what} should be real numbers, not of the type {np.asarray(array).dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.unravel_index(int(np.argmin(finite)), finite.shape)
        raise ValueError(f"{what} should be finite, but element [{row}, {column}] is {array[row, column]}")
