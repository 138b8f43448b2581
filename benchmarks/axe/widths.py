"""Error against the width of the register, for the trade of error against area: W4A8 and W4A4, four tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from anda.axe_area import points
from anda.ptq.problems import Problem
from benchmarks.axe.compare import our_layer
from benchmarks.axe.exchange import Cell

__all__ = ["WidthRow", "width_rows"]


@dataclass(frozen=True)
class WidthRow:
    """Our best solver with one register; `error` is the held-out one."""

    problem: str
    weight_bits: int
    activation_bits: int
    tile: int | None
    inner_bits: int
    outer_bits: int
    error: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def width_rows(problem: Problem) -> Iterator[WidthRow]:
    """Every register whose area is measured."""
    for point in points():
        bits = point.activation_bits
        result = our_layer(problem, Cell(point.inner_bits, point.tile), "best", bits)
        error = problem.held_out_error(result.levels, problem.quantizer(bits))
        outer = result.certificate.outer_bits
        yield WidthRow(problem.name, 4, bits, point.tile, point.inner_bits, outer, error)
