"""MXINT8 activations times INT4 weights, or times MXINT8 weights (OCP Microscaling, version 1.0).

The specification fixes blocks of 32, elements of 8 bits with 6 fraction bits, and scales that are powers of
two of 8 bits; the precision of a sum of blocks is left to the implementer. Assumed: the exact integer sum of
a block, one rounding to FP32 a block, as in the other elements. INT4 weights have an FP16 scale for 64
elements, like those of the other elements, so it serves two blocks.

Scales have to be those that FP16 values give, `2^-24` to `2^15`. Every product is then a multiple of `2^-60`
and no sum of up to `2^20` elements passes `2^60`, inside FP32 without subnormals; other scales, and the code
for a NaN, would need an adder for them, which no design here has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from amaranth.hdl import Module

from golden.baseline.mxint8 import BLOCK, FRACTION_BITS, SCALE_BIAS

from .block import BlockParameters
from .block_accumulator import BlockAccumulator, BlockAccumulatorParameters, scales_layout
from .element import BlockElement
from .lanes import LaneParameters

__all__ = ["MxInt8", "MxInt8Parameters", "MxWeights"]

MxWeights = Literal["int4", "mxint8"]


@dataclass(frozen=True, kw_only=True)
class MxInt8Parameters(LaneParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    kind : str
        Of the weights: "int4" with FP16 scales, or "mxint8".
    lanes : int
        Products in one cycle, up to 16: a block takes two cycles at least, as its accumulator does.
    weights, adder_cells
        As for `LaneParameters`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lane_counts: ClassVar[Sequence[int]] = (1, 2, 4, 8, BLOCK // 2)

    kind: MxWeights = "int4"

    def __post_init__(self) -> None:
        if self.kind not in get_args(MxWeights):
            raise ValueError(f"weights must be int4 or mxint8, not {self.kind!r}")
        super().__post_init__()

    @property
    def block(self) -> BlockParameters:
        """The integer part."""
        return BlockParameters(
            bits=8,
            level_bits=4 if self.kind == "int4" else 8,
            block=BLOCK,
            lanes=self.lanes,
            weights=self.weights,
            adder_cells=self.adder_cells,
        )

    @property
    def accumulator(self) -> BlockAccumulatorParameters:
        """Of the sums across blocks."""
        operands = 1 if self.kind == "int4" else 2
        return BlockAccumulatorParameters(
            sum_bits=self.block.sum_bits,
            exponent_bits=8,
            unit=-operands * (SCALE_BIAS + FRACTION_BITS),
            scaled=self.kind == "int4",
            adder_cells=self.adder_cells,
        )

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a row to its result."""
        return 1 + self.accumulator.latency

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return self.block.name


class MxInt8(BlockElement):
    """A block element on MXINT8 activations.

    Parameters
    ----------
    parameters : MxInt8Parameters
    """

    def __init__(self, parameters: MxInt8Parameters):
        self.parameters = p = parameters
        super().__init__(p.block, scales_layout(p.accumulator), has_scales=p.accumulator.scaled)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_mxint8_{self.parameters.name}"

    def accumulator(self, m: Module) -> BlockAccumulator:
        """For exponents of 8 bits."""
        return BlockAccumulator(self.parameters.accumulator)
