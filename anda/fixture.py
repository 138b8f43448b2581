"""The real data of a checkout: activations and 4-bit weights of one transformer block.

`tests/data/README.md` says where they come from. They belong to the repository, not to the installed
package: an editable install of a clone finds them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.weights import IntegerWeights

__all__ = ["FILE", "Projection", "data_directory", "load", "save"]

FILE = "smollm2_block.npz"
"""Name of the data file."""


@dataclass(frozen=True, eq=False)
class Projection:
    """One linear projection of a transformer block with the activations that enter it.

    Attributes
    ----------
    x : float16 [T, K]
        Activations of T tokens.
    levels : int8 [C, K]
        INT4 levels of C of the output channels.
    scales : float16 [C, ceil(K / 128)]
        One scale per output channel and block of 128 along K; the last block may be short.
    """

    x: NDArray[np.float16]
    levels: NDArray[np.int8]
    scales: NDArray[np.float16]

    @property
    def weights(self) -> IntegerWeights:
        """The weights as the golden model takes them."""
        return IntegerWeights(self.levels, self.scales)


def data_directory() -> Path:
    """The folder `tests/data` of the checkout this package is installed from.

    Raises
    ------
    ValueError
        When the package does not run from a checkout.
    """
    path = Path(__file__).resolve().parent.parent / "tests" / "data"
    if not (path / FILE).is_file():
        raise ValueError(
            f"the real activations were expected in {path / FILE}, which does not exist: "
            "run from a clone of the repository, installed with `pip install -e .`"
        )
    return path


def load(path: Path | None = None) -> dict[str, Projection]:
    """The projections `qkv`, `o`, `up_gate` and `down`, in this order.

    Parameters
    ----------
    path : Path, optional
        The file; by default the one in `data_directory()`.
    """
    with np.load(path or data_directory() / FILE) as arrays:
        names = list(dict.fromkeys(key.partition(".")[0] for key in arrays.files))
        return {
            name: Projection(**{field.name: arrays[f"{name}.{field.name}"] for field in fields(Projection)})
            for name in names
        }


def save(projections: Mapping[str, Projection], path: Path) -> None:
    """Write projections as an uncompressed `.npz` file; the same arrays give the same bytes everywhere."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, projection in projections.items():
            for field in fields(Projection):
                entry = zipfile.ZipInfo(f"{name}.{field.name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                # Otherwise the entry would say which operating system wrote it.
                entry.create_system = 3
                archive.writestr(entry, _npy(getattr(projection, field.name)))


def _npy(array: NDArray[Any]) -> bytes:
    """The bytes of an `.npy` file, little-endian, C order."""
    buffer = io.BytesIO()
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
