"""A calibration text on its way through the blocks: in the float model and in the quantized one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anda.ptq.abq.affine import AffineFormat
from anda.ptq.abq.stored import QuantizedBlock
from anda.ptq.abq.torch_block import Turns, quantize_tokens, run_block
from anda.ptq.abq.transform import BlockShape, fold

__all__ = ["Stream"]

_WINDOWS = 8
"""Windows that go through a block together, where nothing is learnt."""

_PLACES = ("qkv", "q", "k", "v", "o", "up_gate", "down")
"""What `run_block` quantizes, in its order."""


class Stream:
    """Hidden states before a block, what the block makes of them, and those after it.

    Parameters
    ----------
    embedded : Tensor [windows, T, hidden]
        What enters the first block.
    shape : BlockShape
    turns : Turns
    form : AffineFormat or None
        Of the activations of the quantized model.

    Attributes
    ----------
    inputs : Tensor [windows, T, hidden]
        What enters the block in the quantized model.
    exact : Tensor [windows, T, hidden]
        What the float block makes of the float model's inputs.
    local : Tensor [windows, T, hidden]
        What it makes of the quantized model's.
    attention : Tensor [windows, T, T]
        Maps of the float block on the float model's inputs, mean of its heads.
    peaks : dict of float32 array [K]
        Largest magnitude of the inputs of each kind of projection, on the float model's inputs.
    """

    def __init__(self, embedded: Tensor, shape: BlockShape, turns: Turns, form: AffineFormat | None) -> None:
        self.shape, self.turns, self.form = shape, turns, form
        self.inputs = embedded
        self._plain = embedded
        self._weights: Mapping[str, NDArray[np.float32]] = {}

    def enter(self, weights: Mapping[str, NDArray[np.float32]], attention: bool) -> None:
        """Come to a block: run the float block on both inputs; `attention`: keep its maps."""
        self._weights = weights
        tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
        seen: dict[str, list[NDArray[Any]]] = {name: [] for name in _PLACES}
        found: list[list[Tensor]] = [[], [], []]
        with torch.no_grad():
            for plain, actual in zip(
                torch.split(self._plain, _WINDOWS), torch.split(self.inputs, _WINDOWS), strict=True
            ):
                places = iter(_PLACES)

                def peak(x: Tensor, places: Iterator[str] = places) -> Tensor:
                    seen[next(places)].append(x.abs().flatten(0, -2).amax(dim=0).numpy())
                    return x

                output, maps = run_block(plain, tensors, self.shape, self.turns, peak)
                found[0].append(output)
                found[1].append(run_block(actual, tensors, self.shape, self.turns)[0])
                found[2].append(maps.mean(dim=1) if attention else maps[:, 0, :0])
        self.exact, self.local, self.attention = (torch.cat(parts) for parts in found)
        self.peaks = {name: np.max(peaks, axis=0) for name, peaks in seen.items()}

    def leave(self, block: QuantizedBlock) -> None:
        """Go on to the next block, through the quantized one."""
        folded = fold(self._weights, block.learnt, self.shape)
        folded |= {name: matrix.values() for name, matrix in block.matrices.items()}
        tensors = {name: torch.from_numpy(array) for name, array in folded.items()}
        with torch.no_grad():
            parts = [
                run_block(some, tensors, self.shape, self.turns, lambda x: quantize_tokens(x, self.form))[0]
                for some in torch.split(self.inputs, _WINDOWS)
            ]
        self.inputs, self._plain = torch.cat(parts), self.exact
