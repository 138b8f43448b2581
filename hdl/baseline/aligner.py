"""FP16 groups aligned to their largest exponent, for bit-parallel elements (`golden.baseline.align`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from golden.anda import Rounding
from golden.baseline.align import WIDTHS, aligned_range
from golden.bitplanes import Encoding
from golden.interval import Interval
from hdl.fp16 import Fp16Fields
from hdl.ranges import Ranged, assign, extend, round_shift, saturate, wrap

from .converter import GroupConverter, largest_field

__all__ = ["Aligner", "AlignerParameters", "effective", "shifted_right"]

_SIGNIFICAND_BITS = 11
_EXPONENT_BITS = 5


@dataclass(frozen=True, kw_only=True)
class AlignerParameters:
    """Everything that shapes an aligner.

    Parameters
    ----------
    bits : int
        Of an integer, sign included: 2 to 42.
    encoding, rounding : str
        What the integers are, as for `golden.baseline.align.align`.
    wires : str
        How they leave, as `BlockParameters` has it.
    group, lanes : int
        Values under one exponent, and how many of them leave in one cycle.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two do not fit each other.
    """

    bits: int
    encoding: Encoding = "sign-magnitude"
    rounding: Rounding = "truncate"
    wires: Encoding = "twos-complement"
    group: int = 64
    lanes: int = 4

    def __post_init__(self) -> None:
        if not WIDTHS.min <= self.bits <= WIDTHS.max:
            raise ValueError(f"bits must be from {WIDTHS.min} to {WIDTHS.max}, not {self.bits}")
        if not 1 <= self.lanes <= self.group or self.group % self.lanes:
            raise ValueError(f"lanes must divide the group of {self.group}, which {self.lanes} does not")
        for name, kind in (("encoding", Encoding), ("wires", Encoding), ("rounding", Rounding)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} must be {' or '.join(get_args(kind))}, not {getattr(self, name)!r}")
        if self.wires == "sign-magnitude" and self.encoding != "sign-magnitude":
            raise ValueError("integers in two's complement cannot leave as sign and magnitude")

    @property
    def beats(self) -> int:
        """Cycles that a group takes."""
        return self.group // self.lanes

    @property
    def latency(self) -> int:
        """Cycles from a group to its first beat."""
        return 1

    @property
    def name(self) -> str:
        """The parameters in a word."""
        short = {"twos-complement": "tc", "sign-magnitude": "sm"}
        kind = f"{short[self.encoding]}{short[self.wires]}_{self.rounding}"
        return f"{self.group}_{self.lanes}x{self.bits}_{kind}"


class Aligner(GroupConverter):
    """Aligned integers: one shift, and one rounding, for each lane of a beat.

    Parameters
    ----------
    parameters : AlignerParameters
    """

    def __init__(self, parameters: AlignerParameters):
        self.parameters = p = parameters
        super().__init__(group=p.group, lanes=p.lanes, bits=p.bits, exponent_bits=_EXPONENT_BITS)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_aligner_{self.parameters.name}"

    def shared(self, m: Module, elements: list[Fp16Fields]) -> tuple[Value, Value]:
        """The largest exponent; that of subnormals is 1, though their field is 0."""
        field = largest_field(m, [fields.field for fields in elements])
        exponent = Signal(_EXPONENT_BITS, name="shared_exponent")
        m.d.comb += exponent.eq(effective(field))
        return exponent, exponent

    def lane(self, m: Module, fields: Fp16Fields, told: Value, index: int) -> Value:
        """Shift, round, give it its sign; in two's complement the sign comes first, for the floor."""
        p = self.parameters
        rounded = p.rounding == "nearest"
        distance = Signal(_EXPONENT_BITS, name=f"distance_{index}")
        # The largest exponent less one of those that it was found among: never negative.
        apart = wrap(Ranged.of(told - effective(fields.field)), _EXPONENT_BITS, is_signed=False)
        m.d.comb += distance.eq(apart.value)
        left = max(p.bits - 1 - _SIGNIFICAND_BITS, 0) + rounded
        right = max(_SIGNIFICAND_BITS - (p.bits - 1), 0)
        number: Value = fields.significand
        if p.encoding == "twos-complement":
            negated = Signal(signed(_SIGNIFICAND_BITS + 1), name=f"signed_{index}")
            m.d.comb += negated.eq(_negated_if(fields.sign, Cat(number, Const(0, 1))))
            number = negated
        # What is cut off below the unit is the floor's, and one floor after another is the floor of both.
        placed = Cat(Const(0, left), number)[right:]
        moved = shifted_right(m, placed, distance, number.shape().signed, f"lane_{index}")
        limits = aligned_range(p.bits, p.encoding)
        if p.encoding == "twos-complement":
            source = Ranged.of(moved.as_signed())
            return extend(_fitted(m, source, limits, rounded, index), p.bits)
        fitted = _fitted(m, Ranged.of(moved), Interval(0, limits.max), rounded, index)
        magnitude = extend(fitted, p.bits - 1)
        if p.wires == "sign-magnitude":
            return Cat(magnitude, fields.sign & magnitude.any())
        return _negated_if(fields.sign, Cat(magnitude, Const(0, 1)))


def effective(field: Value) -> Value:
    """An exponent from its field: 1 for a field of 0."""
    return Cat(field[0] | ~field.any(), field[1:])


def _negated_if(sign: Value, number: Value) -> Value:
    # A magnitude below a zero bit: as wide as that its negative fits, and what is carried out is -0 alone.
    negated = Ranged.of((number ^ sign.replicate(len(number))) + sign)
    return wrap(negated, len(number), is_signed=False).value


def shifted_right(m: Module, number: Value, distance: Value, is_signed: bool, name: str) -> Value:
    """`floor(number / 2**distance)`, as wide as the number."""
    fill = number[-1] if is_signed else Const(0, 1)
    for k, taken in enumerate(distance):
        step = min(1 << k, len(number))
        shifted = Signal(len(number), name=f"{name}_by_{1 << k}")
        m.d.comb += shifted.eq(Mux(taken, Cat(number[step:], fill.replicate(step)), number))
        number = shifted
    return number


def _fitted(m: Module, number: Ranged, limits: Interval, rounded: bool, index: int) -> Value:
    """Without the bit below the unit, and no more than the largest integer."""
    if not rounded:
        return number.value
    nearest = saturate(round_shift(number, 1), limits)
    held = Ranged.signal(nearest.interval, f"rounded_{index}")
    m.d.comb += assign(held, nearest)
    return held.value
