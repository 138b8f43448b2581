"""A whole language model on accumulators that cannot overflow: integer weights, integer activations, AXE.

Every linear layer of every block gets integer weights from `anda.ptq` on inputs captured in the float model,
and its inputs become integers with one scale a token when the model runs. Products are exact sums of
integers: the certificates say that a register of the chosen width holds every one of them, so nothing else
is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anda.llm.arithmetic import PROJECTIONS, Arithmetic, Array, Kind, Weight
from anda.llm.capture import capture_inputs
from anda.llm.llama import Llama
from anda.ptq.activation import ActivationQuantizer
from anda.ptq.axe import Solver, quantize_layer

__all__ = ["IntegerArithmetic", "IntegerLayer", "IntegerRecipe", "quantize_model", "token_scales"]


@dataclass(frozen=True)
class IntegerRecipe:
    """How the layers of a model become integers.

    Attributes
    ----------
    weight_format : str
        One scale a channel.
    activation_bits : int
        Signed, one scale a token.
    inner_bits : int or None
        Width of the register that sums a tile; None: no limit.
    tile : int
        Inputs of a tile.
    solver : str
        As for `anda.ptq.axe.quantize_layer`.
    """

    weight_format: str = "int4"
    activation_bits: int = 8
    inner_bits: int | None = 16
    tile: int = 64
    solver: Solver = "gpfq"


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """One weight matrix: float32 `levels` [C, K] that are integers, and float32 `scales` [C]."""

    levels: NDArray[np.float32]
    scales: NDArray[np.float32]
    inner_bits: int
    """What its certificate says the register of a tile needs."""
    outer_bits: int
    """And that of a row."""


def token_scales(x: Array, bits: int) -> NDArray[np.float64]:
    """What one step of an activation is worth, [tokens, 1]: the peak of a token becomes `2^(bits-1) - 1`."""
    peaks = np.abs(x).max(axis=-1, keepdims=True).astype(np.float64)
    return np.asarray(np.where(peaks > 0, peaks, 1.0) / ((1 << bits - 1) - 1))


def quantize_model(
    model: Llama,
    tokens: NDArray[np.int64],
    recipe: IntegerRecipe,
    done: Callable[[], None] | None = None,
) -> dict[str, IntegerLayer]:
    """Integer weights for every linear layer, by the name of the weight.

    Parameters
    ----------
    model : Llama
    tokens : int64 array [windows, T]
        Text to calibrate on.
    recipe : IntegerRecipe
    done : callable, optional
        Called after every input of every block.
    """
    layers = {}
    for (number, kind), x in capture_inputs(model, tokens, range(model.config.layers)).items():
        for part in PROJECTIONS[kind]:
            name = f"blk.{number}.{part}"
            layers[name] = _quantize(model.weight(name), x, recipe)
        if done is not None:
            done()
    return layers


def _quantize(weights: Array, x: Array, recipe: IntegerRecipe) -> IntegerLayer:
    found = quantize_layer(
        weights,
        x,
        weight_format=recipe.weight_format,
        activation_bits=recipe.activation_bits,
        activation_scale=token_scales(x, recipe.activation_bits)[:, 0],
        inner_bits=recipe.inner_bits,
        tile=recipe.tile,
        solver=recipe.solver,
    )
    return IntegerLayer(
        levels=found.levels.astype(np.float32),
        scales=np.asarray(found.scales, dtype=np.float32).reshape(-1),
        inner_bits=found.certificate.inner_bits,
        outer_bits=found.certificate.outer_bits,
    )


class IntegerArithmetic(Arithmetic):
    """Exact integer products of quantized inputs and quantized weights, then the two scales.

    Sums stay below `2^24` for 8-bit activations, 4-bit weights and K up to 16,384, so that float32 holds
    them in any order of addition.

    Parameters
    ----------
    layers : mapping of str to IntegerLayer
        From `quantize_model`.
    activation_bits : int
    """

    def __init__(self, layers: dict[str, IntegerLayer], activation_bits: int):
        self.layers = layers
        self.bits = activation_bits

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """Integer codes [tokens, K] with the token's scale in one more column."""
        scales = token_scales(x, self.bits)
        codes = ActivationQuantizer(bits=self.bits, signed=True, scale=scales).encode(x)
        return np.concatenate((codes, scales), axis=-1).astype(np.float32)

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """The sum of integers, times the scale of the token and that of the channel."""
        integers = self.layers[weight.name]
        total = x[:, :-1] @ integers.levels.T
        return np.asarray(total * x[:, -1:] * integers.scales)
