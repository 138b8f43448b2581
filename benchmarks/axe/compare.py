"""Every cell of the comparison: held-out errors of both sides, and whether their registers can overflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.axe import LayerResult, Solver, quantize_layer
from anda.ptq.certificate import certify
from anda.ptq.problems import Problem
from anda.ptq.recheck import recheck
from benchmarks.axe.exchange import Cell, PeerResult

__all__ = ["SOLVERS", "WEIGHT_FORMAT", "CellRow", "compare", "our_layer"]

SOLVERS: tuple[Solver, ...] = ("gptq", "gpfq", "best")
WEIGHT_FORMAT = "int4-sym"
"""The narrow grid, -7 to 7, that the peer is held to as well."""


@dataclass(frozen=True)
class CellRow:
    """One register on one layer.

    Attributes
    ----------
    problem : str
    inner_bits, tile : int, int or None
        The register.
    outer_bits : int
        What our best result needs to add its tiles.
    peer, ours : dict of float
        Held-out error by solver.
    peer_certified, ours_certified : bool
        Whether every solver's result was found safe for any input.
    peer_seconds, our_seconds : dict of float
        By solver.
    """

    problem: str
    inner_bits: int
    tile: int | None
    outer_bits: int
    peer: dict[str, float]
    ours: dict[str, float]
    peer_certified: bool
    ours_certified: bool
    peer_seconds: dict[str, float]
    our_seconds: dict[str, float]

    @property
    def ratio(self) -> float:
        """Our best solver's error over the lower one of the peer's two."""
        return self.ours["best"] / min(self.peer.values())

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def our_layer(problem: Problem, cell: Cell | None, solver: Solver, bits: int = 8) -> LayerResult:
    """One of our solvers on the frozen scales; without a register when no cell is given."""
    quantizer = problem.quantizer(bits)
    return quantize_layer(
        problem.weights,
        problem.calibration,
        weight_format=WEIGHT_FORMAT,
        weight_scales=problem.weight_scales,
        activation_bits=bits,
        activation_signed=quantizer.signed,
        activation_scale=quantizer.scale,
        activation_zero=quantizer.zero,
        inner_bits=cell.inner_bits if cell else None,
        tile=cell.tile if cell else None,
        solver=solver,
    )


def compare(problem: Problem, cell: Cell, peer: Mapping[str, PeerResult]) -> CellRow:
    """Both sides in one cell."""
    quantizer = problem.quantizer()
    results: dict[str, LayerResult] = {}
    seconds: dict[str, float] = {}
    for solver in SOLVERS:
        start = time.perf_counter()
        results[solver] = our_layer(problem, cell, solver)
        seconds[solver] = time.perf_counter() - start
    return CellRow(
        problem=problem.name,
        inner_bits=cell.inner_bits,
        tile=cell.tile,
        outer_bits=results["best"].certificate.outer_bits,
        peer={solver: problem.held_out_error(found.levels, quantizer) for solver, found in peer.items()},
        ours={solver: problem.held_out_error(found.levels, quantizer) for solver, found in results.items()},
        peer_certified=all(_safe(problem, cell, found.levels) for found in peer.values()),
        ours_certified=all(_certified(cell, found) for found in results.values()),
        peer_seconds={solver: found.seconds for solver, found in peer.items()},
        our_seconds=seconds,
    )


def _certified(cell: Cell, result: LayerResult) -> bool:
    """Whether the certificate promises the register, and a second computation agrees with all of it."""
    certificate = result.certificate
    return certificate.inner_bits <= cell.inner_bits and not recheck(certificate, result.levels)


def _safe(problem: Problem, cell: Cell, levels: NDArray[np.int64]) -> bool:
    """Whether such a register holds every sum of these weights."""
    try:
        certify(
            levels,
            activation_bits=problem.quantizer().bits,
            activation_signed=problem.activation_signed,
            tile=cell.tile,
            inner_bits=cell.inner_bits,
        )
    except ValueError:
        return False
    return True
