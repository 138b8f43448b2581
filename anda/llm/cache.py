"""Results kept by what they were measured on: a repeated evaluation is free, an interrupted run goes on."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.files import write_all
from anda.llm.evaluate import Reference, Scores

__all__ = ["NUMERICS", "Entry", "Measurement", "ResultCache", "file_sha256", "tokens_sha256"]

NUMERICS = 1
"""Version of everything between a plan and its scores. To be raised with every change that moves a result."""


@dataclass(frozen=True)
class Measurement:
    """What scores depend on.

    Attributes
    ----------
    model, tokens : str
        SHA-256 of the model file and of the tokens (`tokens_sha256`).
    window, stride : int
    plan : str
        `Plan.key()`.
    numerics : int
    """

    model: str
    tokens: str
    window: int
    stride: int
    plan: str
    numerics: int = NUMERICS

    @property
    def name(self) -> str:
        """SHA-256 of all of it."""
        return _digest(asdict(self))

    @property
    def reference(self) -> str:
        """SHA-256 of what the float model depends on: everything but the plan."""
        return _digest({key: value for key, value in asdict(self).items() if key != "plan"})


@dataclass(frozen=True)
class Entry:
    """One result.

    Attributes
    ----------
    scores : Scores
    seconds : float
        Processor time that it took when it was measured, of all threads: hardly moved by what else runs.
    """

    scores: Scores
    seconds: float


class ResultCache:
    """A directory of results: a small JSON file each, and the float model's final hidden states.

    Files appear whole or not at all, so any number of processes may share the directory.

    Parameters
    ----------
    directory : Path
        Made when the first result comes.
    warn : callable
        Told in one sentence of every file that is damaged; it counts as missing and is written again.
    """

    def __init__(self, directory: Path, warn: Callable[[str], None]) -> None:
        self.directory = directory
        self.warn = warn

    def get(self, measurement: Measurement) -> Entry | None:
        """The result, or None when there is none or it is damaged."""
        path = self.directory / f"{measurement.name}.json"
        if not path.is_file():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            check = found.pop("sha256")
            if check != _digest(found) or found["measurement"] != asdict(measurement):
                raise ValueError("its content does not match its checksum")
            return Entry(Scores(**found["scores"]), float(found["seconds"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.warn(f"the kept result {path} is damaged and is measured again: {error}")
            return None

    def put(self, measurement: Measurement, entry: Entry) -> None:
        """Keep a result."""
        found: dict[str, Any] = {
            "measurement": asdict(measurement),
            "scores": asdict(entry.scores),
            "seconds": entry.seconds,
        }
        found["sha256"] = _digest(found)
        write_all(self.directory, {f"{measurement.name}.json": json.dumps(found, indent=1) + "\n"})

    def get_reference(self, measurement: Measurement) -> Reference | None:
        """Final hidden states of the float model, or None when there are none or they are damaged."""
        path = self._reference(measurement)
        if not path.is_file():
            return None
        try:
            # From memory: with a path, NumPy would leave a damaged file open.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                return Reference(arrays["hidden"], arrays["targets"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            self.warn(f"the kept hidden states {path} are damaged and are computed again: {error}")
            return None

    def put_reference(self, measurement: Measurement, reference: Reference) -> None:
        """Keep the float model's final hidden states."""
        reference.save(self._reference(measurement))

    def _reference(self, measurement: Measurement) -> Path:
        return self.directory / f"{measurement.reference}.npz"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    ValueError
        When there is no such file.
    """
    if not path.is_file():
        raise ValueError(f"a file was expected at {path}, but there is none")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tokens_sha256(tokens: NDArray[np.int64]) -> str:
    """SHA-256 of tokens as little-endian 64-bit integers."""
    return hashlib.sha256(tokens.astype("<i8").tobytes()).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
