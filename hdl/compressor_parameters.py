"""What shapes a bit-plane compressor, and the exact ranges that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from golden.anda import EXPONENTS, Rounding
from golden.bitplanes import PLANES, Encoding, require_encoding
from golden.interval import Interval

__all__ = ["SIGNIFICAND_BITS", "CompressorParameters"]

SIGNIFICAND_BITS = 11
"""Bits of an FP16 significand, the hidden one included."""


@dataclass(frozen=True, kw_only=True)
class CompressorParameters:
    """Everything that shapes a compressor.

    Parameters
    ----------
    group : int
        Elements that share an exponent: a power of two, 8 to 256.
    lanes : int
        Groups compressed at the same time, 1 to 64.
    max_planes : int
        The most words a group may occupy, 3 to 17: `M + 1` for sign-magnitude, `P` for two's complement.
        The number is chosen at run time, from 2 up to this.
    encoding : str
        "twos-complement" (contract 2b) or "sign-magnitude" (2a, as published).
    rounding : str
        "nearest" or "truncate".
    exponent_register : bool
        Whether the shared exponent is registered before the elements are rounded. It halves the longest path;
        a group is taken in its second cycle at the input at the earliest, which one lane hides behind the two
        or more planes of the group before.
    pipelined : bool
        For the carry chains of an FPGA: the search for the shared exponent is registered twice more, and the
        elements are rounded by an adder. A group is taken in its fourth cycle at the input at the earliest.

    Raises
    ------
    ValueError
        A parameter is out of its range, or a pipeline is asked for without its last register.
    """

    group: int = 64
    lanes: int = 1
    max_planes: int = 17
    encoding: Encoding = "twos-complement"
    rounding: Rounding = "nearest"
    exponent_register: bool = True
    pipelined: bool = False

    def __post_init__(self) -> None:
        require_encoding(self.encoding, self.max_planes, self.group)
        if self.max_planes == PLANES.min:
            raise ValueError(
                f"max_planes must be above {PLANES.min}, the least number of planes to choose at run time, "
                f"not {self.max_planes}"
            )
        if not isinstance(self.lanes, int) or not 1 <= self.lanes <= 64:
            raise ValueError(f"lanes must be an integer from 1 to 64, not {self.lanes!r}")
        if self.rounding not in get_args(Rounding):
            raise ValueError(f"rounding must be nearest or truncate, not {self.rounding!r}")
        if self.pipelined and not self.exponent_register:
            raise ValueError("a pipelined compressor has an exponent_register, which this one has not")

    @property
    def signed_digits(self) -> bool:
        """Whether a register holds the two's-complement number instead of the magnitude."""
        return self.encoding == "twos-complement"

    @property
    def rounded(self) -> bool:
        """Whether half a unit in the last place is added."""
        return self.rounding == "nearest"

    @property
    def planes_range(self) -> Interval:
        """Words a group can occupy; a number outside is taken for the nearer end."""
        return Interval(PLANES.min, self.max_planes)

    @property
    def exponent_range(self) -> Interval:
        """Shared exponents `E` (contract, section 2)."""
        return EXPONENTS

    @property
    def difference_range(self) -> Interval:
        """How far the exponent of an element can be below the shared one."""
        return Interval(0, EXPONENTS.max - EXPONENTS.min)

    @property
    def skipped_range(self) -> Interval:
        """`max_planes - P`: how many planes fewer than built for a group has."""
        return Interval(0, self.max_planes - PLANES.min)

    @property
    def base_range(self) -> Interval:
        """`E + max_planes - P`, from which the exponent of an element is taken."""
        return EXPONENTS + self.skipped_range

    @property
    def depth_range(self) -> Interval:
        """`E - e + max_planes - P`: how far the top bit of an element is below that of `max_planes`."""
        return self.difference_range + self.skipped_range

    @property
    def phase_range(self) -> Interval:
        """Number of a plane, from 1, counted so that the last one of every group is `max_planes`."""
        return Interval(1, self.max_planes)

    @property
    def start_range(self) -> Interval:
        """Depth at which an element starts to shift; what is deeper waits for ever at the largest."""
        return Interval(0, self.max_planes - 1)

    @property
    def lowest_digit(self) -> int:
        """The lowest bit of the significand that can reach a plane."""
        return max(SIGNIFICAND_BITS + 1 - self.max_planes, 0)

    @property
    def digits(self) -> int:
        """Bits of a shift register below its top one."""
        return SIGNIFICAND_BITS - self.lowest_digit

    @property
    def registered_bits(self) -> tuple[int, ...]:
        """Bits of the largest exponent field behind which the search for it is registered."""
        return (3, 1) if self.pipelined else ()

    @property
    def search_cycles(self) -> int:
        """Cycles that a group is at the input before its exponent is known."""
        return self.exponent_register + len(self.registered_bits)

    @property
    def latency(self) -> int:
        """Cycles from the last group that fills the lanes to the first plane of them all."""
        return 1

    @property
    def cycles_per_group(self) -> int:
        """Cycles that a group is at the input, nothing stalled."""
        return 1 + self.search_cycles

    def cycles(self, planes: int) -> int:
        """Cycles from one filling of the lanes to the next, `planes` words a group, nothing stalled."""
        return max(planes, self.cycles_per_group) + (self.lanes - 1) * self.cycles_per_group

    @property
    def ranges(self) -> dict[str, Interval]:
        """Exact ranges of the integers inside, by name."""
        return {
            "planes": self.planes_range,
            "exponent": self.exponent_range,
            "difference": self.difference_range,
            "skipped": self.skipped_range,
            "base": self.base_range,
            "depth": self.depth_range,
            "phase": self.phase_range,
            "start": self.start_range,
        }

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        encoding = "tc" if self.signed_digits else "sm"
        return f"{self.group}_{encoding}{self.max_planes}_{self.rounding}"

    @property
    def front_name(self) -> str:
        """The same with what matters to the front end."""
        if self.pipelined:
            return f"{self.name}_pipelined"
        return self.name if self.exponent_register else f"{self.name}_unregistered"
