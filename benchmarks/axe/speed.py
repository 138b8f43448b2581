"""How long one large layer takes, beside the peer in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anda.ptq.problems import Problem
from benchmarks.axe.compare import SOLVERS, our_layer
from benchmarks.axe.exchange import Cell, ask_peer

__all__ = ["SpeedRow", "speed_rows"]

SIDE, ROWS = 2048, 512
REGISTER = Cell(16, 128)
TARGET = 60.0
"""Seconds that the project asks for."""


@dataclass(frozen=True)
class SpeedRow:
    """Seconds of one solver for `channels` x `inputs` weights on `rows` rows; the peer has one thread."""

    solver: str
    channels: int
    inputs: int
    rows: int
    seconds: float
    target: float
    peer: str
    peer_seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def speed_rows(python: Path, directory: Path) -> Iterator[SpeedRow]:
    """Each of our solvers beside the faster one of the peer's."""
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((ROWS + 1, SIDE)) * rng.uniform(0.5, 2, SIDE)
    problem = Problem.of("speed", rng.standard_t(5, (SIDE, SIDE)), inputs[:ROWS], inputs[ROWS:], signed=True)
    # An answer of another run would be of another machine, or of this one at another load.
    (directory / "answer.npz").unlink(missing_ok=True)
    peer = ask_peer(python, directory, problem, [REGISTER], ["gptq"]).results[REGISTER]["gptq"]
    for solver in SOLVERS:
        start = time.perf_counter()
        our_layer(problem, REGISTER, solver)
        seconds = time.perf_counter() - start
        yield SpeedRow(solver, SIDE, SIDE, ROWS, seconds, TARGET, "Brevitas A2GPTQ", peer.seconds)
