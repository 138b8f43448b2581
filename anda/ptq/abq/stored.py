"""A quantized block with everything that was learnt for it, and its file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.abq.affine import AffineFormat, AffineMatrix
from anda.ptq.abq.transform import MATRICES

__all__ = ["QuantizedBlock", "bits_per_weight"]

_PARTS = ("codes", "scales", "zeros")


@dataclass(frozen=True, eq=False)
class QuantizedBlock:
    """The matrices of a block, and how they were found.

    Attributes
    ----------
    matrices : dict of AffineMatrix
        By the names of `anda.ptq.abq.transform.MATRICES`, transforms folded in.
    learnt : dict of float32 arrays
        Everything learnt, compensation vectors included, as `fold` takes it; `scale.qkv` and
        `scale.up_gate` are what the two norms are divided by. Empty where nothing is.
    losses : tuple of float
        Mean of every epoch.
    seconds : float
        Processor time.
    """

    matrices: dict[str, AffineMatrix]
    learnt: dict[str, NDArray[np.float32]]
    losses: tuple[float, ...] = ()
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """The content of an `.npz` file that holds everything."""
        arrays: dict[str, NDArray[Any]] = {f"learnt.{name}": array for name, array in self.learnt.items()}
        for name, matrix in self.matrices.items():
            arrays |= {f"{part}.{name}": getattr(matrix, part) for part in _PARTS}
        about = {
            "formats": {name: str(matrix.format) for name, matrix in self.matrices.items()},
            "losses": self.losses,
            "seconds": self.seconds,
        }
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
        return stream.getvalue()

    @classmethod
    def load(cls, path: Path) -> QuantizedBlock:
        """Read the file of `to_bytes`.

        Raises
        ------
        ValueError
            When the file is damaged or is something else.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                matrices = {
                    name: AffineMatrix(
                        AffineFormat.parse(about["formats"][name]),
                        *(arrays[f"{part}.{name}"] for part in _PARTS),
                    )
                    for name in MATRICES
                }
                learnt = {
                    name.removeprefix("learnt."): arrays[name]
                    for name in arrays.files
                    if name.startswith("learnt.")
                }
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} should hold a calibrated block, but does not: {error}") from error
        return cls(matrices, learnt, tuple(about["losses"]), about["seconds"])


def bits_per_weight(blocks: Sequence[QuantizedBlock]) -> float:
    """Memory of all matrices, with scales and zero points, over their weights."""
    matrices = [matrix for block in blocks for matrix in block.matrices.values()]
    return sum(matrix.stored_bits for matrix in matrices) / sum(matrix.codes.size for matrix in matrices)
