"""Integers of 1 to 8 bits as binary planes, with zero points and scales: both sides of a product of any bits
by any bits (contract, section 8).

A plane holds one bit of every element of a row, so a product of rows is a weighted sum of
`popcount(x_plane AND w_plane)` over all pairs of planes (ABQ-LLM, arXiv 2408.08554, section 3.4). Rows are
tokens of activations, or output channels of weights; both have a zero point and a scale of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.binary_packing import pack_five, unpack_five
from golden.bitplanes import Words
from golden.formats.packing import WORDS, pack, unpack
from golden.interval import Interval

__all__ = ["BITS", "ZEROS", "BinaryFormat", "BinaryOperand", "row_words"]

BITS = Interval(1, 8)
"""Widths a code may have."""
ZEROS = Interval.of_bits(16, signed=True)
"""Zero points, which need not be codes themselves."""


@dataclass(frozen=True)
class BinaryFormat:
    """Which integers the codes of an operand are, and the planes they take.

    Parameters
    ----------
    bits : int
        1 to 8.
    signed : bool
        Two's complement: the top plane counts negative.
    balanced : bool
        Bit balance, W1* and W2*: one level more than `bits` bits have, 0 to 2 or 0 to 4, about a zero point.
        For 1 or 2 bits, unsigned.

    Raises
    ------
    ValueError
        The bits are out of their range, or cannot be balanced.
    """

    bits: int
    signed: bool = False
    balanced: bool = False

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not BITS.min <= self.bits <= BITS.max:
            raise ValueError(f"bits must be an integer from {BITS.min} to {BITS.max}, not {self.bits!r}")
        if self.balanced and (self.bits > 2 or self.signed):
            raise ValueError(f"balanced codes are unsigned and have 1 or 2 bits, unlike {self!r}")

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}{'*' if self.balanced else ''}"

    @property
    def range(self) -> Interval:
        """Every code."""
        return Interval(0, 2 * self.bits) if self.balanced else Interval.of_bits(self.bits, self.signed)

    @property
    def planes(self) -> int:
        """Binary planes of a row: one for each bit, and one more where codes are balanced."""
        return self.bits + self.balanced

    @property
    def coefficients(self) -> tuple[int, ...]:
        """What a bit of each plane counts, the most significant plane first."""
        top = self.planes - 1
        return tuple(-(1 << j) if self.signed and j == top else 1 << j for j in range(top, -1, -1))

    @property
    def stored_bits(self) -> Fraction:
        """Memory of a code: its planes, or its share of a packed word where codes are balanced."""
        if not self.balanced:
            return Fraction(self.bits)
        digits, bits = WORDS[self.range.max + 1]
        return Fraction(bits, digits)


@dataclass(frozen=True, eq=False)
class BinaryOperand:
    """Codes [rows, K] with a zero point and a scale a row: `value = (code - zero) * scale`.

    Parameters
    ----------
    codes : integer array [rows, K]
        In the range of the format.
    format : BinaryFormat
    zeros : integer array [rows], optional
        -32768 to 32767; all 0 when left out.
    scales : float16 array [rows], optional
        Finite; all 1 when left out.

    Raises
    ------
    ValueError
        A shape, a type or a value does not fit; names the first wrong code.
    """

    codes: NDArray[Any]
    format: BinaryFormat
    zeros: NDArray[Any] | None = None
    scales: NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        codes, allowed = self.codes, self.format.range
        if codes.ndim != 2 or 0 in codes.shape or codes.dtype.kind not in "iu":
            raise ValueError(
                f"codes must be an integer matrix [rows, K], not {codes.dtype} of shape {codes.shape}"
            )
        wrong = (codes < allowed.min) | (codes > allowed.max)
        if wrong.any():
            row, place = (int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"codes of {self.format} are from {allowed.min} to {allowed.max}, "
                f"but that of row {row}, element {place} is {codes[row, place]}"
            )
        rows = (len(codes),)
        if self.zeros is not None:
            if self.zeros.shape != rows or self.zeros.dtype.kind not in "iu":
                raise ValueError(
                    f"zeros must be integers, one for each of the {len(codes)} rows, "
                    f"not {self.zeros.dtype} of shape {self.zeros.shape}"
                )
            if not ZEROS.contains(Interval(int(self.zeros.min()), int(self.zeros.max()))):
                raise ValueError(
                    f"zeros must be from {ZEROS.min} to {ZEROS.max}, but reach from {self.zeros.min()} "
                    f"to {self.zeros.max()}"
                )
        if self.scales is not None and (
            self.scales.shape != rows or self.scales.dtype != np.float16 or not np.isfinite(self.scales).all()
        ):
            raise ValueError(
                f"scales must be finite float16 numbers, one for each of the {len(codes)} rows, "
                f"not {self.scales.dtype} of shape {self.scales.shape}"
            )

    @property
    def rows(self) -> int:
        """Tokens, or output channels."""
        return int(self.codes.shape[0])

    @property
    def length(self) -> int:
        """Reduction elements, K."""
        return int(self.codes.shape[1])

    @cached_property
    def sums(self) -> NDArray[np.int64]:
        """Sum of the codes of each row, [rows]: what a zero point on the other side is multiplied by."""
        return np.asarray(self.codes.sum(axis=1, dtype=np.int64))

    @cached_property
    def row_zeros(self) -> NDArray[np.int64]:
        """The zero point of each row, [rows]."""
        return np.zeros(self.rows, np.int64) if self.zeros is None else self.zeros.astype(np.int64)

    @property
    def level_range(self) -> Interval:
        """Every `code - zero` that these zero points allow, whatever the codes are."""
        return self.format.range - Interval(int(self.row_zeros.min()), int(self.row_zeros.max()))

    @cached_property
    def words(self) -> Words:
        """Packed planes, uint64 [rows, planes, ceil(K / 64)]: the most significant plane first, element 0 in
        the lowest bit of word 0 (contract, section 3); bits beyond K are 0.
        """
        planes = self.format.planes
        words = np.empty((self.rows, planes, -(-self.length // 64)), np.uint64)
        low = self.codes.astype(np.uint8)  # the low eight bits are all there are
        for place in range(planes):
            words[:, place] = row_words(low >> np.uint8(planes - 1 - place) & np.uint8(1))
        return words

    @classmethod
    def from_words(
        cls,
        words: Words,
        length: int,
        format: BinaryFormat,
        zeros: NDArray[Any] | None = None,
        scales: NDArray[np.float16] | None = None,
    ) -> BinaryOperand:
        """The operand with these packed planes: the inverse of `words`.

        Parameters
        ----------
        words : uint64 array [rows, planes, ceil(K / 64)]
        length : int
            K.

        Raises
        ------
        ValueError
            The shape does not fit, a bit beyond K is set, or a balanced code does not exist.
        """
        wanted = (format.planes, -(-length // 64))
        if words.dtype != np.uint64 or words.ndim != 3 or words.shape[1:] != wanted:
            raise ValueError(
                f"planes of {format} with {length} elements are uint64 words "
                f"[rows, {wanted[0]}, {wanted[1]}], not {words.dtype} of shape {words.shape}"
            )
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
        if bits[..., length:].any():
            raise ValueError(f"a bit beyond the {length} elements of a row is set")
        places = np.array(format.coefficients, dtype=np.int16)
        codes = (bits[..., :length] * places[:, None]).sum(axis=1, dtype=np.int16)
        return cls(codes, format, zeros, scales)

    @cached_property
    def packed(self) -> NDArray[np.uint8]:
        """Balanced codes as they lie in memory, [rows, words]: three to 7 bits (W2*), or five to 8 (W1*).

        Five levels are coded as in `golden.binary_packing`, three as in `golden.formats.packing`.

        Raises
        ------
        ValueError
            The codes are not balanced: their planes are as short as they can be.
        """
        if not self.format.balanced:
            raise ValueError(f"codes of {self.format} are stored as planes; only balanced ones are packed")
        digits = self.codes.astype(np.uint8)
        return pack_five(digits) if self.format.bits == 2 else pack(digits, 3)

    @classmethod
    def from_packed(
        cls,
        packed: NDArray[np.uint8],
        length: int,
        format: BinaryFormat,
        zeros: NDArray[Any] | None = None,
        scales: NDArray[np.float16] | None = None,
    ) -> BinaryOperand:
        """The operand with these packed balanced codes: the inverse of `packed`."""
        if not format.balanced:
            raise ValueError(f"packed codes are balanced, unlike {format}")
        digits = unpack_five(packed, length) if format.bits == 2 else unpack(packed, 3, length)
        return cls(digits.astype(np.int16), format, zeros, scales)

    def dequantize(self) -> NDArray[np.float64]:
        """Exact values, float64 [rows, K]."""
        levels = self.codes.astype(np.float64) - self.row_zeros[:, None]
        return levels if self.scales is None else levels * self.scales.astype(np.float64)[:, None]

    @classmethod
    def quantize(cls, values: NDArray[np.floating], format: BinaryFormat) -> BinaryOperand:
        """Round real numbers to nearest, row by row.

        Unsigned codes span the row's range, zero included, about a zero point that is a code; signed ones are
        symmetric: the largest magnitude becomes the largest code. The scale is rounded to FP16 first.

        Parameters
        ----------
        values : float array [rows, K]
            Finite.
        format : BinaryFormat
            Of 2 bits at least where it is signed.

        Raises
        ------
        ValueError
            A value is not finite, a scale is too large for FP16, or signed codes have no positive one.
        """
        if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
            raise ValueError(
                f"values must be a finite matrix [rows, K], but have shape {values.shape} "
                "or a non-finite element"
            )
        codes = format.range
        if codes.max == 0:
            raise ValueError(f"codes of {format} have no positive one to round to")
        exact = values.astype(np.float64)
        low, high = np.minimum(exact.min(axis=1), 0.0), np.maximum(exact.max(axis=1), 0.0)
        span = np.maximum(high, -low) if format.signed else high - low
        with np.errstate(over="ignore"):
            scales = (span / codes.max).astype(np.float16)
        if not np.isfinite(scales).all():
            raise ValueError(f"values of up to {span.max()} need a scale that FP16 cannot hold")
        # A scale too small for FP16 is 0, and its row becomes 0.
        steps = np.where(scales == 0, np.inf, scales.astype(np.float64))
        zeros = None if format.signed else np.clip(np.rint(-low / steps), 0, codes.max).astype(np.int32)
        rounded = np.rint(exact / steps[:, None])
        if zeros is not None:
            rounded += zeros[:, None]
        return cls(np.clip(rounded, codes.min, codes.max).astype(np.int16), format, zeros, scales)


def row_words(bits: NDArray[np.uint8]) -> Words:
    """Bits [rows, K], 0 or 1, as uint64 words [rows, ceil(K / 64)], element 0 in the lowest bit."""
    rows, length = bits.shape
    padded = np.zeros((rows, -(-length // 64) * 64), np.uint8)
    padded[:, :length] = bits
    packed = np.packbits(padded, axis=1, bitorder="little")
    return np.asarray(packed.view("<u8"), dtype=np.uint64)
