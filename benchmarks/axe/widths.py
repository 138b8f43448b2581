"""Error against the width of the register, for the trade of error against area: W4A8 and W4A4, four tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from anda.ptq.problems import Problem
from benchmarks.axe.compare import our_layer
from benchmarks.axe.exchange import Cell

__all__ = ["WidthRow", "width_rows"]

TILES = (32, 64, 128, None)
#: For each width of the activations those of the register, from hardly any room to enough for any weights.
INNER_BITS = {8: (10, 12, 13, 14, 15, 16, 17, 18), 4: (8, 9, 10, 11, 12, 13, 14)}


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
    """Every tile and width."""
    for bits, widths in INNER_BITS.items():
        quantizer = problem.quantizer(bits)
        for tile in TILES:
            for width in widths:
                result = our_layer(problem, Cell(width, tile), "best", bits)
                error = problem.held_out_error(result.levels, quantizer)
                outer = result.certificate.outer_bits
                yield WidthRow(problem.name, 4, bits, tile, width, outer, error)
