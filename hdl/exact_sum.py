"""How wide the sum of an element must be, for any weights or certified ones (contract, sections 5 and 7)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from golden.interval import Interval

from .ranges import RangeError

__all__ = ["ExactSum"]

_ZERO = Interval(0, 0)


class ExactSum(ABC):
    """The accumulator of an element, from the ranges of what it adds.

    Parameters of an element inherit from it and have the fields `accumulator_bits`, a width or None for the
    exact one, and `certified`, the sums that the weights it is built for can reach, or None.
    """

    accumulator_bits: int | None
    certified: Interval | None

    @property
    @abstractmethod
    def type_range(self) -> Interval:
        """Every sum for any weights."""

    @property
    def sum_range(self) -> Interval:
        """Every sum: for any weights, or for those of the certificate."""
        return self.type_range if self.certified is None else self.certified

    @property
    def exact_bits(self) -> int:
        """Width of the narrowest signed accumulator that holds every sum."""
        return self.sum_range.hull(Interval(-1, 0)).bits

    @property
    def sum_bits(self) -> int:
        """Width of the accumulator and of the result."""
        return self.accumulator_bits or self.exact_bits

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a sum to its result: the accumulator is the output register."""
        return 1

    def _require_sums_to_fit(self) -> None:
        """Raise RangeError unless the certificate fits the data types and the width holds every sum."""
        if self.certified is not None and not self.type_range.contains(self.certified):
            raise RangeError(
                f"the certified range {self.certified.min} to {self.certified.max} is not within "
                f"{self.type_range.min} to {self.type_range.max}, which these data types reach"
            )
        if self.certified is not None and not self.certified.contains(_ZERO):
            raise RangeError(
                f"the certified range {self.certified.min} to {self.certified.max} lacks 0, the sum of zeros"
            )
        if self.accumulator_bits is not None and self.accumulator_bits < self.exact_bits:
            raise RangeError(
                f"accumulator_bits must be at least {self.exact_bits} for sums from {self.sum_range.min} "
                f"to {self.sum_range.max}, not {self.accumulator_bits}"
            )
