"""FIGNA as a bit-parallel element: integers of 14 bits times INT4 (Jang et al., HPCA 2024).

What the description gives: activations are aligned to the largest exponent of their group, multiplied and
added as integers, and turned into floating point once a group. What is assumed: 13 bits of magnitude and a
sign (the "14b" of table I of the Anda paper), truncated; two's complement on the wires, so that the element
negates nothing (the aligner does, once for a row of elements); a group of 64 with one exponent; the integer
sum as wide as its exact range; the FP32 accumulator of this project, with one rounding a group; four lanes,
so that 64 elements take 16 cycles, as the Anda paper compares.
"""

from __future__ import annotations

from golden.baseline.bfp import FIGNA_MANTISSA_BITS
from hdl.heap import AdderCells
from hdl.pe_parameters import WeightPlace

from .bfp import BfpParameters
from .block import BlockParameters

__all__ = ["figna"]


def figna(
    mantissa_bits: int = FIGNA_MANTISSA_BITS,
    *,
    lanes: int = 4,
    weights: WeightPlace = "outside",
    adder_cells: AdderCells = AdderCells.PLAIN,
) -> BfpParameters:
    """FIGNA, or with 11 or 8 bits the truncated variants of the Anda paper.

    Parameters
    ----------
    mantissa_bits : int
        Of a magnitude, the hidden bit included.
    lanes : int
        Products in one cycle.
    weights : str
        "outside" or "inside", as for `BlockParameters`.
    adder_cells : AdderCells
        The polarity of the library's adder cells.
    """
    block = BlockParameters(
        bits=mantissa_bits + 1,
        encoding="sign-magnitude",
        lanes=lanes,
        weights=weights,
        adder_cells=adder_cells,
    )
    return BfpParameters(block=block)
