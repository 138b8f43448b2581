"""Layers to measure solvers on: what solvers are given, how they are judged, and layers made for it.

Every solver gets the same float weights, the same frozen scales and the same calibration inputs, and is
judged on others. Scales are FP16 values, so that no solver has to round them to the type it computes in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer

__all__ = ["SYNTHETIC", "Problem", "Recipe", "synthetic_problem"]

#: Shares of the largest magnitude that a grid may end at; the one with the least squared error is taken.
_REACHES = np.arange(100, 34, -5) / 100

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Problem:
    """One linear layer, inputs to calibrate it on and other inputs to judge it on.

    Attributes
    ----------
    name : str
        What the tables call it.
    weights : float32 array [C, K]
        Output channels by inputs.
    weight_scales : float32 array [C]
        FP16 values, for levels from -7 to 7: `scales(4)`.
    calibration, held_out : float32 array [rows, K]
        Inputs, of different draws or different parts of a text.
    activation_signed : bool
        Whether the codes of the inputs are signed.
    """

    name: str
    weights: Array
    weight_scales: Array
    calibration: Array
    held_out: Array
    activation_signed: bool

    @classmethod
    def of(
        cls, name: str, weights: NDArray[Any], seen: NDArray[Any], unseen: NDArray[Any], signed: bool
    ) -> Problem:
        """A layer with the weight scales of least squared error, one for each channel.

        Parameters
        ----------
        name : str
            What the tables call it.
        weights : float array [C, K]
            Output channels by inputs.
        seen, unseen : float array [rows, K]
            Inputs to calibrate on and to judge on.
        signed : bool
            Whether the codes of the inputs are signed.
        """
        single, calibration, held_out = (a.astype(np.float32) for a in (weights, seen, unseen))
        return cls(name, single, _scales(single, 7), calibration, held_out, signed)

    def quantizer(self, bits: int = 8) -> ActivationQuantizer:
        """The integers of least squared error for the calibration inputs; the scale is an FP16 value.

        Raises
        ------
        ValueError
            When the width is not 2 to 16 bits.
        """
        if bits not in self._quantizers:
            found = ActivationQuantizer.least_error(self.calibration, bits, self.activation_signed)
            self._quantizers[bits] = replace(found, scale=float(np.float16(found.scale)))
        return self._quantizers[bits]

    @cached_property
    def _quantizers(self) -> dict[int, ActivationQuantizer]:
        """Those found so far, as the search takes longer than the use."""
        return {}

    def scales(self, bits: int) -> Array:
        """FP16 scales of least squared error for each channel, [C], for levels within `2^(bits-1) - 1`.

        Raises
        ------
        ValueError
            When there are not 2 to 8 bits.
        """
        if not 2 <= bits <= 8:
            raise ValueError(f"weights must have 2 to 8 bits, not {bits!r}")
        return _scales(self.weights, 2 ** (bits - 1) - 1)

    def error(
        self,
        inputs: Array,
        levels: NDArray[Any],
        quantizer: ActivationQuantizer,
        scales: NDArray[Any] | None = None,
    ) -> float:
        """Norm of the error of the outputs over the norm of the outputs.

        Parameters
        ----------
        inputs : float32 array [rows, K]
            The layer as it should be gets them as they are, the quantized one quantized.
        levels : int array [C, K]
            The quantized weights.
        quantizer : ActivationQuantizer
            How the inputs are quantized.
        scales : float array [C], optional
            By default those of the problem.

        Raises
        ------
        ValueError
            When the levels have another shape than the weights.
        """
        if levels.shape != self.weights.shape:
            raise ValueError(
                f"levels of {self.name} must have shape {self.weights.shape}, not {levels.shape}"
            )
        given = np.asarray(self.weight_scales if scales is None else scales, np.float64)
        return self.output_error(inputs, quantizer.dequantize(inputs) @ levels.T * given)

    def held_out_error(self, levels: NDArray[Any], quantizer: ActivationQuantizer) -> float:
        """The error on inputs that no solver has seen, with the scales of the problem."""
        return self.error(self.held_out, levels, quantizer)

    def output_error(self, inputs: Array, outputs: NDArray[np.float64]) -> float:
        """The error of outputs [rows, C] for inputs [rows, K], however they were computed."""
        exact = inputs.astype(np.float64) @ self.weights.astype(np.float64).T
        return float(np.linalg.norm(exact - outputs) / np.linalg.norm(exact))


@dataclass(frozen=True)
class Recipe:
    """How a made layer is drawn.

    Attributes
    ----------
    inputs : int
        K.
    nu : float, optional
        Degrees of freedom of the Student's t distribution of the weights; Gaussian without.
    activation : "signed", "relu" or "silu"
        What the inputs went through last. Those of `relu` have unsigned codes, those of `silu` unsigned
        codes with a zero point.
    decay : float
        Variances along the principal axes of the inputs fall as `rank ** -decay`.
    outliers : int
        Inputs ten times as large as the others.
    """

    inputs: int
    nu: float | None
    activation: Literal["signed", "relu", "silu"]
    decay: float = 0.8
    outliers: int = 4


#: Lengths that are and that are not whole numbers of tiles.
SYNTHETIC: Mapping[str, Recipe] = {
    "gauss-signed": Recipe(256, None, "signed"),
    "gauss-relu": Recipe(256, None, "relu"),
    "gauss-silu": Recipe(448, None, "silu"),
    "t5-signed": Recipe(512, 5, "signed"),
    "t4-relu": Recipe(384, 4, "relu", decay=1.2),
    "t3-signed": Recipe(320, 3, "signed", outliers=8),
    "t3-silu": Recipe(256, 3, "silu"),
}
"""The made layers, by name."""

OUTLIER = 10.0
"""How much larger the inputs of outlier channels are."""


def synthetic_problem(
    name: str, *, channels: int = 64, rows: int = 1024, held_out: int = 512, seed: int = 1
) -> Problem:
    """One of the made layers; the same arguments give the same layer.

    Parameters
    ----------
    name : str
        A name of `SYNTHETIC`.
    channels, rows, held_out : int
        Output channels, calibration rows and rows to judge on.
    seed : int
        Of the generator of everything random.

    Raises
    ------
    ValueError
        When there is no such layer.
    """
    if name not in SYNTHETIC:
        raise ValueError(f"a made layer must be one of {', '.join(SYNTHETIC)}, not {name!r}")
    recipe = SYNTHETIC[name]
    rng = np.random.default_rng([seed, *name.encode()])
    shape = (channels, recipe.inputs)
    weights = rng.standard_normal(shape) if recipe.nu is None else rng.standard_t(recipe.nu, shape)
    inputs = _inputs(recipe, rows + held_out, rng)
    return Problem.of(name, weights / 50, inputs[:rows], inputs[rows:], recipe.activation == "signed")


def _inputs(recipe: Recipe, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Correlated inputs with a few outlier channels [rows, K]."""
    axes, _ = np.linalg.qr(rng.standard_normal((recipe.inputs, recipe.inputs)))
    spread = np.arange(1, recipe.inputs + 1.0) ** (-recipe.decay / 2)
    x = (rng.standard_normal((rows, recipe.inputs)) * spread) @ axes.T
    x /= np.sqrt(np.mean(x**2))
    large = rng.choice(recipe.inputs, recipe.outliers, replace=False)
    x[:, large] *= OUTLIER
    after: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "signed": lambda x: x,
        "relu": lambda x: np.maximum(x, 0),
        "silu": lambda x: x / (1 + np.exp(-x)),
    }
    return after[recipe.activation](x)


def _scales(weights: Array, top: int) -> Array:
    """Scales [C] for levels from -top to top."""
    span = np.abs(weights).max(axis=1, keepdims=True) / top
    scales = np.stack([(span * reach).astype(np.float16).astype(np.float32) for reach in _REACHES])
    # A channel of zeros, or one so small that FP16 has no scale for it.
    scales[scales == 0] = 1
    levels = np.clip(np.rint(weights / scales), -top, top)
    errors = np.sum((levels * scales - weights) ** 2, axis=2)
    best: Array = scales[np.argmin(errors, axis=0), np.arange(len(weights)), 0]
    return best
