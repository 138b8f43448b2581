"""What goes to the peer's process and what comes back, in files."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.problems import Problem

__all__ = ["CELLS", "Cell", "PeerAnswer", "PeerResult", "ask_peer"]

#: Share of the inputs that two ways of dividing may put on two sides of a half.
_MOST_CODES_APART = 1e-4


@dataclass(frozen=True)
class Cell:
    """An inner register: its width, and how many products it adds, None for the whole row."""

    inner_bits: int
    tile: int | None


CELLS = tuple(Cell(bits, tile) for tile in (None, 128, 64) for bits in (12, 14, 16, 18, 20))
"""Every cell of the comparison."""


@dataclass(frozen=True)
class PeerResult:
    """Levels [C, K] of one solver in one cell, and the seconds they took."""

    levels: NDArray[np.int64]
    seconds: float


@dataclass(frozen=True)
class PeerAnswer:
    """All that the peer did: versions of its packages, and results by cell and solver."""

    versions: dict[str, str]
    results: dict[Cell, dict[str, PeerResult]]


def ask_peer(
    python: Path,
    directory: Path,
    problem: Problem,
    cells: Sequence[Cell] = CELLS,
    solvers: Sequence[str] = ("gptq", "gpfq"),
) -> PeerAnswer:
    """Let the peer quantize a layer in every cell; what it answered to the same question is not asked again.

    Parameters
    ----------
    python : Path
        A Python that has Brevitas.
    directory : Path
        Where the files go; nothing else may be in it.
    problem : Problem
    cells, solvers : sequences

    Raises
    ------
    ValueError
        When there is no such Python, the peer fails, or it quantizes the inputs otherwise.
    """
    if not python.is_file():
        raise ValueError(f"a Python with Brevitas was expected at {python}: run `make axe`")
    directory.mkdir(parents=True, exist_ok=True)
    order = {"solvers": list(solvers), "cells": [(cell.inner_bits, cell.tile or 0) for cell in cells]}
    question = io.BytesIO()
    np.savez(question, **_exported(problem))
    news = [
        _replace(directory / "problem.npz", question.getvalue()),
        _replace(directory / "order.json", json.dumps(order).encode()),
    ]
    given, log = directory / "answer.npz", directory / "peer.log"
    if any(news) or not given.is_file():
        given.unlink(missing_ok=True)
        script = Path(__file__).with_name("peer.py")
        with log.open("w") as messages:
            done = subprocess.run([python, script, directory], stdout=messages, stderr=messages, check=False)
        if done.returncode:
            raise ValueError(
                f"the peer should quantize {problem.name}, but failed; its messages are in {log}"
            )
    with np.load(given) as found:
        _require_same_codes(problem, found["codes"])
        results = {cell: {solver: _result(found, solver, cell) for solver in solvers} for cell in cells}
    return PeerAnswer(json.loads((directory / "versions.json").read_text()), results)


def _replace(path: Path, content: bytes) -> bool:
    """Write a file; whether it is news."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.write_bytes(content)
    return True


def _result(found: Any, solver: str, cell: Cell) -> PeerResult:
    key = f"{solver}_{cell.inner_bits}_{cell.tile or 0}"
    return PeerResult(found[key].astype(np.int64), float(found[f"{key}_seconds"]))


def _exported(problem: Problem) -> dict[str, Any]:
    quantizer = problem.quantizer()
    return {
        "weights": problem.weights,
        "weight_scales": problem.weight_scales,
        "calibration": problem.calibration,
        "activation_bits": quantizer.bits,
        "activation_signed": quantizer.signed,
        "activation_scale": quantizer.scale,
        "activation_zero": quantizer.zero,
    }


def _require_same_codes(problem: Problem, codes: NDArray[np.int32]) -> None:
    """The peer divides in FP32, so that a few inputs near a half may get the next code."""
    apart = np.abs(codes - problem.quantizer().encode(problem.calibration))
    if apart.max() > 1 or np.count_nonzero(apart) > _MOST_CODES_APART * apart.size:
        raise ValueError(f"the peer should quantize the inputs of {problem.name} as we do, but does not")
