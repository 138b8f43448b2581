"""FP16 into MXINT8: blocks of 32 under a power of two (`golden.baseline.mxint8.to_mxint8`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from golden.baseline.mxint8 import BLOCK, LARGEST
from golden.interval import Interval
from hdl.fp16 import Fp16Fields
from hdl.normalise import align_right, normalise
from hdl.ranges import Ranged, assign, saturate

from .aligner import effective
from .converter import GroupConverter, largest_field

__all__ = ["MxInt8Converter", "MxInt8ConverterParameters"]

_STEPS = [8, 4, 2, 1]
#: The code of an exponent of 0, and the bits of a significand that an element loses.
_CODE_OFFSET, _DROPPED = 112, 4


@dataclass(frozen=True, kw_only=True)
class MxInt8ConverterParameters:
    """Everything that shapes a converter.

    Parameters
    ----------
    lanes : int
        Elements that leave in one cycle; a power of two up to 32.

    Raises
    ------
    ValueError
        The lanes do not divide a block.
    """

    lanes: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.lanes <= BLOCK or BLOCK % self.lanes:
            raise ValueError(f"lanes must divide the block of {BLOCK}, which {self.lanes} does not")

    @property
    def group(self) -> int:
        """Values under one scale."""
        return BLOCK

    @property
    def beats(self) -> int:
        """Cycles that a block takes."""
        return BLOCK // self.lanes

    @property
    def latency(self) -> int:
        """Cycles from a block to its first beat."""
        return 1


class MxInt8Converter(GroupConverter):
    """Blocks rounded to nearest, ties to even; `exponent` is the 8-bit code of the scale.

    A block of subnormals has a scale of its own, below that of the smallest normal number: its significands
    are moved up first, all by the same distance.

    Parameters
    ----------
    parameters : MxInt8ConverterParameters
    """

    def __init__(self, parameters: MxInt8ConverterParameters):
        self.parameters = parameters
        super().__init__(group=BLOCK, lanes=parameters.lanes, bits=8, exponent_bits=8)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_to_mxint8_{self.lanes}"

    def shared(self, m: Module, elements: list[Fp16Fields]) -> tuple[Value, Value]:
        """The code; and the largest exponent with the distance by which subnormals are moved up."""
        exponent = Signal(5, name="shared_exponent")
        m.d.comb += exponent.eq(effective(largest_field(m, [fields.field for fields in elements])))
        # The leading bit of the largest significand, at the top already where any value is normal.
        together = Signal(11)
        m.d.comb += together.eq(reduce(or_, (fields.significand for fields in elements)) | 1)
        _, taken = normalise(m, together, _STEPS, "together")
        up = Cat(*reversed(taken))
        code = Ranged(exponent, Interval(1, 30)) + Ranged.constant(_CODE_OFFSET) - Ranged(up, Interval(0, 10))
        held = Ranged.signal(code.interval, "code")
        m.d.comb += assign(held, code)
        return held.value, Cat(exponent, up)

    def lane(self, m: Module, fields: Fp16Fields, told: Value, index: int) -> Value:
        """Move up, shift down, round, saturate, sign."""
        exponent, up = told[:5], told[5:]
        number: Value = fields.significand
        for k, taken in enumerate(up):
            step = 1 << k
            raised = Signal(11, name=f"lane_{index}_up_{step}")
            m.d.comb += raised.eq(Mux(taken, Cat(Const(0, step), number[:-step]), number))
            number = raised
        distance = Signal(5, name=f"distance_{index}")
        m.d.comb += distance.eq((exponent - effective(fields.field))[:5])
        moved, lost = align_right(m, Cat(number, Const(0, 1)).as_signed(), distance, f"lane_{index}")
        kept, half = moved[_DROPPED:-1], moved[_DROPPED - 1]
        increment = Signal(name=f"increment_{index}")
        m.d.comb += increment.eq(half & (lost | moved[: _DROPPED - 1].any() | kept[0]))
        nearest = saturate(Ranged.of(kept) + Ranged.of(increment), Interval(0, LARGEST))
        magnitude = Ranged.signal(nearest.interval, f"magnitude_{index}")
        m.d.comb += assign(magnitude, nearest)
        positive = Cat(magnitude.value, Const(0, 1))
        return ((positive ^ fields.sign.replicate(8)) + fields.sign)[:8]
