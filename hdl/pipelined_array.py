"""An array whose accumulators have twice the registers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .accumulator import AccumulatorParameters
from .array_column import ArrayParameters

__all__ = ["PipelinedArrayParameters"]


@dataclass(frozen=True, kw_only=True)
class PipelinedArrayParameters(ArrayParameters):
    """An array for a faster clock on an FPGA.

    Sums of one slot are three cycles apart in such accumulators, which nobody waits for if three elements
    share one.

    Raises
    ------
    ValueError
        As `ArrayParameters`, or fewer elements share an accumulator.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sharing < self.accumulator.slot_cycles:
            raise ValueError(
                f"sharing must be at least {self.accumulator.slot_cycles} in a pipelined array, "
                f"not {self.sharing}, so that no sum waits for the one before it"
            )

    @property
    def accumulator(self) -> AccumulatorParameters:
        """Of every accumulator."""
        return replace(super().accumulator, pipelined=True)

    @property
    def name(self) -> str:
        """The parameters in a word, as a part of a Verilog module name carries them."""
        return f"{super().name}_pipelined"
