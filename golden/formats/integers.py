"""Plain integers: symmetric, full range, with zero point; and ABQ's balanced one- and two-bit formats."""

from __future__ import annotations

import math
from fractions import Fraction

from golden.formats.format import Format

__all__ = ["balanced_formats", "integer_formats"]

_STUDENT_FLOAT = "Dotzel et al., Learning from Students, arXiv 2405.03103, section 4.1 (published)"
_ABQ = "Zeng et al., ABQ-LLM, arXiv 2408.08554 (published)"


def integer_formats() -> list[Format]:
    """INT2 to INT8 in four kinds each."""
    formats = []
    for bits in range(2, 9):
        half = 1 << (bits - 1)
        values = _twos_complement(-half, half - 1)
        formats += [
            Format(
                f"int{bits}",
                values,
                source=_STUDENT_FLOAT,
                summary=f"symmetric: scale absmax/{half - 1}, so that {-half} appears under clipping only",
                family="integer",
                unit=1,
                ties="even",
            ),
            Format(
                f"int{bits}-sym",
                _twos_complement(1 - half, half - 1),
                source=_STUDENT_FLOAT,
                summary=f"int{bits} without the level {-half}, which narrows sums of products",
                family="integer",
                unit=1,
                ties="even",
            ),
            Format(
                f"int{bits}-full",
                values,
                source="this project; llama.cpp's Q4_0 scales its blocks alike",
                summary=f"the sign of the scale takes a block's extreme to {-half}",
                family="integer",
                unit=1,
                ties="even",
                scaling="extreme",
            ),
            Format(
                f"int{bits}-zp",
                tuple(map(float, range(2 * half))),
                source="Jacob et al., arXiv 1712.05877, section 2.1 (published)",
                summary="from a block's least element to its largest, zero included",
                family="integer",
                unit=1,
                ties="even",
                scaling="zero-point",
            ),
        ]
    return formats


def balanced_formats() -> list[Format]:
    """ABQ's bit balance: three levels for one bit (W1*), five for two (W2*)."""
    formats = []
    # Three-level digits: five in a byte (243 <= 256); five-level ones: three in seven bits (125 <= 128).
    for bits, reach, stored in ((1, 1, Fraction(8, 5)), (2, 2, Fraction(7, 3))):
        formats += [
            Format(
                f"w{bits}-star",
                tuple(map(float, range(2 * reach + 1))),
                source=f"{_ABQ}: W{bits}* as its code quantizes",
                summary=f"levels 0 to {2 * reach} about a zero point",
                family="bit balance",
                unit=1,
                ties="even",
                scaling="zero-point",
                stored_bits=stored,
            ),
            Format(
                f"w{bits}-star-sym",
                _twos_complement(-reach, reach),
                source=f"{_ABQ}: W{bits}* as its text has it",
                summary=f"levels {-reach} to {reach}, no zero point",
                family="bit balance",
                unit=1,
                ties="even",
                stored_bits=stored,
            ),
        ]
    return formats


def _twos_complement(least: int, largest: int) -> tuple[float, ...]:
    """Values by two's-complement code; codes outside `least` to `largest` are reserved."""
    half = 1 << largest.bit_length()
    codes = [*range(half), *range(-half, 0)]
    return tuple(float(n) if least <= n <= largest else math.nan for n in codes)
