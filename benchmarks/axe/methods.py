"""What else can be done with a register of P bits, on the same layers: each method's held-out error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.axe import quantize_layer
from anda.ptq.budget import Budget
from anda.ptq.joint import quantize_jointly
from anda.ptq.overflow import measure_overflow
from anda.ptq.problems import Problem
from benchmarks.axe.compare import WEIGHT_FORMAT, our_layer
from benchmarks.axe.exchange import Cell
from golden.multistage import Policy

__all__ = ["METHOD_CELLS", "MethodRow", "Methods"]

#: Widths below those of the comparison as well, as registers begin to overflow there.
METHOD_CELLS = tuple(Cell(bits, tile) for tile in (None, 64) for bits in (8, 10, 12, 14, 16, 18))

#: What the searches choose from, the published width first.
_ACTIVATION_BITS = range(8, 2, -1)
_ROWS = 128
"""Held-out rows that are added up in registers that overflow, evenly spread."""


@dataclass(frozen=True)
class MethodRow:
    """One method in one cell.

    Attributes
    ----------
    method : str
        `axe`, `joint`, `naive`, `wrap` or `saturate`.
    weight_bits, activation_bits : int
        What it computes with; 0 where nothing fits and the outputs are zero.
    error : float
        Held-out error.
    overflow : float
        Share of the tiles' sums, on held-out inputs, that left the range of their register.
    """

    problem: str
    inner_bits: int
    tile: int | None
    method: str
    weight_bits: int
    activation_bits: int
    error: float
    overflow: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Plain:
    """A layer quantized without a register in mind."""

    weight_bits: int
    quantizer: ActivationQuantizer
    levels: NDArray[np.int64]
    scales: NDArray[np.float32]
    calibration_error: float
    held_out_error: float


class Methods:
    """Every method on one layer.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._plain = cache(self._solve)

    def rows(self, cell: Cell) -> Iterator[MethodRow]:
        """AXE at W4A8 and with all widths searched, formats that fit by their types, and overflowing W4A8."""
        yield self._axe(cell)
        yield self._joint(cell)
        yield self._naive(cell)
        yield self._overflowing(cell, "wrap")
        yield self._overflowing(cell, "saturate")

    def _row(self, cell: Cell, method: str, *figures: Any) -> MethodRow:
        return MethodRow(self._problem.name, cell.inner_bits, cell.tile, method, *figures)

    def _axe(self, cell: Cell) -> MethodRow:
        problem = self._problem
        error = problem.held_out_error(our_layer(problem, cell, "best").levels, problem.quantizer())
        return self._row(cell, "axe", 4, 8, error)

    def _joint(self, cell: Cell) -> MethodRow:
        """Activation bits and weight scales searched together with the budget."""
        problem = self._problem
        found = quantize_jointly(
            problem.weights,
            problem.calibration,
            inner_bits=cell.inner_bits,
            tile=cell.tile,
            weight_formats=[WEIGHT_FORMAT],
            activation_bits=_ACTIVATION_BITS,
            activation_signed=problem.activation_signed,
        )
        layer = found.layer
        error = problem.error(problem.held_out, layer.levels, layer.activations, layer.scales[:, 0])
        return self._row(cell, "joint", 4, layer.activations.bits, error)

    def _naive(self, cell: Cell) -> MethodRow:
        """Of all widths that fit whatever the weights are, those with the least calibration error."""
        fitting = []
        for weight_bits in (2, 3, 4):
            widths = [bits for bits in _ACTIVATION_BITS if self._fits(cell, weight_bits, bits)]
            if widths:
                fitting.append(self._plain(weight_bits, max(widths)))
        if not fitting:
            return self._row(cell, "naive", 0, 0, 1.0)
        best = min(fitting, key=lambda plain: plain.calibration_error)
        return self._row(cell, "naive", best.weight_bits, best.quantizer.bits, best.held_out_error)

    def _fits(self, cell: Cell, weight_bits: int, activation_bits: int) -> bool:
        """Whether all levels of a tile may be extreme, and the activations as well."""
        inputs = self._problem.weights.shape[1]
        codes = self._problem.quantizer(activation_bits).codes
        terms = min(cell.tile or inputs, inputs)
        worst = terms * ((1 << (weight_bits - 1)) - 1) * max(codes.max, -codes.min)
        return bool(worst <= Budget(codes, cell.inner_bits, cell.tile).limit)

    def _solve(self, weight_bits: int, activation_bits: int) -> Plain:
        problem, quantizer = self._problem, self._problem.quantizer(activation_bits)
        scales = problem.scales(weight_bits)
        levels = quantize_layer(
            problem.weights,
            problem.calibration,
            weight_format=f"int{weight_bits}-sym",
            weight_scales=scales,
            activation_bits=activation_bits,
            activation_signed=quantizer.signed,
            activation_scale=quantizer.scale,
            activation_zero=quantizer.zero,
            inner_bits=None,
            tile=None,
            solver="best",
        ).levels
        errors = (
            problem.error(inputs, levels, quantizer, scales)
            for inputs in (problem.calibration, problem.held_out)
        )
        return Plain(weight_bits, quantizer, levels, scales, *errors)

    def _overflowing(self, cell: Cell, policy: Policy) -> MethodRow:
        """W4A8 without a budget in registers that overflow, bit by bit; nothing is lost between tiles."""
        problem, plain = self._problem, self._plain(4, 8)
        found = measure_overflow(
            problem.weights,
            plain.levels,
            plain.scales[:, np.newaxis].astype(np.float64),
            problem.held_out,
            plain.quantizer,
            Budget(plain.quantizer.codes, cell.inner_bits, cell.tile),
            policy,
            rows=_ROWS,
        )
        return self._row(cell, policy, 4, 8, found.error, found.rate)
