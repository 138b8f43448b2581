"""Exact integer intervals: the range of every signal on a datapath (contract, section 7)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True)
class Interval:
    """The integers `min, min + 1, ..., max`, both ends included.

    Arithmetic on intervals gives the exact range of the result over independent operands.
    Asymmetric ends, such as those of an 8-bit two's-complement number, are kept as they are.

    Parameters
    ----------
    min, max : int
        The ends, `min <= max`.
    """

    min: int
    max: int

    def __post_init__(self) -> None:
        if self.min > self.max:
            raise ValueError(f"an interval needs min <= max, not min = {self.min} and max = {self.max}")

    @classmethod
    def of_bits(cls, bits: int, signed: bool) -> Interval:
        """Everything that `bits` bits can hold."""
        if bits < 0:
            raise ValueError(f"a width must be at least 0 bits, not {bits}")
        if signed:
            if bits == 0:
                raise ValueError("a signed number needs at least 1 bit, not 0")
            return cls(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return cls(0, (1 << bits) - 1)

    @property
    def signed(self) -> bool:
        """Whether a sign bit is needed."""
        return self.min < 0

    @property
    def bits(self) -> int:
        """Width in bits of the narrowest register that holds every value."""
        if self.signed:
            return 1 + max(self.max.bit_length(), (-self.min - 1).bit_length())
        return self.max.bit_length()

    def contains(self, other: Interval) -> bool:
        """Whether every value of `other` is one of these values."""
        return self.min <= other.min and other.max <= self.max

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds the values of both."""
        return Interval(min(self.min, other.min), max(self.max, other.max))

    def times(self, count: int) -> Interval:
        """The range of a sum of `count` independent values of this interval."""
        if count < 0:
            raise ValueError(f"a sum has at least 0 terms, not {count}")
        return Interval(self.min * count, self.max * count)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.min + other.min, self.max + other.max)

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __neg__(self) -> Interval:
        return Interval(-self.max, -self.min)

    def __mul__(self, other: Interval) -> Interval:
        ends = [a * b for a in (self.min, self.max) for b in (other.min, other.max)]
        return Interval(min(ends), max(ends))

    def __lshift__(self, bits: int) -> Interval:
        return Interval(self.min << bits, self.max << bits)
