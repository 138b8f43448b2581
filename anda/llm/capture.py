"""What enters the projections of a model while it reads a text."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from anda.llm.arithmetic import FLOAT, KINDS, Arithmetic, Array, Delegate, Kind
from anda.llm.llama import Llama

__all__ = ["capture_inputs"]


def capture_inputs(
    model: Llama,
    tokens: NDArray[np.int64],
    layers: Collection[int],
    kinds: Collection[Kind] = KINDS,
    arithmetic: Arithmetic = FLOAT,
    block_done: Callable[[], None] | None = None,
) -> dict[tuple[int, Kind], Array]:
    """Inputs [all tokens, K] of projections, before a number format acts on them.

    Parameters
    ----------
    model : Llama
    tokens : int64 array [..., T]
        One window or several of the same length.
    layers, kinds : collections
        Which projections; blocks after the last layer are not computed.
    arithmetic : Arithmetic
        How the model computes meanwhile.
    block_done : callable, optional
        Called after every block.

    Returns
    -------
    dict
        By layer and kind, in the order of the model.

    Raises
    ------
    ValueError
        When the model has no such layer, or no layer is asked for.
    """
    count = model.config.layers
    if not layers:
        raise ValueError(f"at least one layer in 0..{count - 1} was expected, not none")
    for layer in layers:
        if not 0 <= layer < count:
            raise ValueError(f"layer must be in 0..{count - 1}, not {layer}")
    recorder = _Recorder(arithmetic, {(layer, kind) for layer in layers for kind in kinds})
    model.blocks(tokens, max(layers) + 1, recorder, block_done)
    return recorder.captured


class _Recorder(Delegate):
    """Keeps some of what enters the projections on the way."""

    def __init__(self, inner: Arithmetic, wanted: set[tuple[int, Kind]]) -> None:
        super().__init__(inner)
        self.captured: dict[tuple[int, Kind], Array] = {}
        self._wanted = wanted

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        if (layer, kind) in self._wanted:
            self.captured[layer, kind] = x
        return super().activation(layer, kind, x)
