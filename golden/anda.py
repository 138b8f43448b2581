"""The Anda codec: groups of FP16 values under one exponent, as bit planes (contract, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.bitplanes import (
    Encoding,
    Words,
    group_range,
    pack_into,
    plane_axes,
    require_encoding,
    unpack,
    unpack_flat,
    words_per_plane,
)
from golden.fp16 import FloatArray16, fields, require_finite, require_fp16
from golden.interval import Interval

__all__ = ["EXPONENTS", "AndaBlock", "AndaCodec", "Rounding"]

Rounding = Literal["nearest", "truncate"]

EXPONENTS = Interval(1, 30)
"""Every shared exponent that finite FP16 values can have."""

_TILE = 1 << 16
"""Elements worked on at a time: the temporaries of a tile stay in the second-level cache."""


@dataclass(frozen=True, eq=False)
class AndaBlock:
    """An encoded tensor: what the two memories of the hardware hold (contract, sections 2 and 3)."""

    words: Words
    """Plane words, uint64 [..., groups, planes]; groups above 64 have one more axis, of group / 64 words."""
    exponents: NDArray[np.uint8]
    """Shared exponents E, 1 to 30, [..., groups]."""
    length: int
    """Elements along K that came in; the last group may be longer."""


@dataclass(frozen=True)
class AndaCodec:
    """Anda's number format, in the two encodings and two roundings of the contract (section 2).

    With `E` the largest exponent of a group, its unit in the last place is `2^(E - 13 - planes)` and an
    element is the integer `q`, in units, that `planes` bits hold:

    | encoding          | rounding   | q                                                                 |
    |-------------------|------------|-------------------------------------------------------------------|
    | `sign-magnitude`  | `truncate` | `sign * floor(abs(x)/ulp)`, as published (2a)                     |
    | `sign-magnitude`  | `nearest`  | `sign * min(floor(abs(x)/ulp + 1/2), 2^(planes-1) - 1)`           |
    | `twos-complement` | `nearest`  | `min(floor(x/ulp + 1/2), 2^(planes-1) - 1)`, this project's (2b)  |
    | `twos-complement` | `truncate` | `floor(x/ulp)`                                                    |

    Parameters
    ----------
    planes : int
        Words that a group occupies and cycles that it takes, 2 to 17: `M + 1` for `sign-magnitude`
        (the sign plane and M mantissa bits, the hidden one included), `P` for `twos-complement`.
    encoding : str
        "twos-complement" or "sign-magnitude".
    rounding : str
        "nearest" or "truncate".
    group : int
        Consecutive elements along K that share an exponent: a power of two from 8 to 256.

    Raises
    ------
    ValueError
        When a parameter is none of these.
    """

    planes: int = 7
    encoding: Encoding = "twos-complement"
    rounding: Rounding = "nearest"
    group: int = 64

    def __post_init__(self) -> None:
        require_encoding(self.encoding, self.planes, self.group)
        if self.rounding not in get_args(Rounding):
            raise ValueError(f"rounding must be nearest or truncate, not {self.rounding!r}")

    def __str__(self) -> str:
        return f"Anda {self.encoding} {self.rounding}, {self.planes} planes, groups of {self.group}"

    @property
    def levels(self) -> Interval:
        """The integers an element can be, asymmetric for `twos-complement`."""
        return group_range(self.planes, self.encoding)

    @property
    def bits_per_element(self) -> float:
        """Memory an element takes, its share of the 5-bit exponent included."""
        return self.planes + 5 / self.group

    def groups(self, length: int) -> int:
        """How many groups `length` elements along K make: the last one may be short."""
        return -(-length // self.group)

    def ulp_exponent(self, exponent: int) -> int:
        """Power of two of the unit in the last place of a group with this shared exponent.

        `E - 14 - M` for `sign-magnitude` and `E - 13 - P` for `twos-complement`: the same number,
        since `planes` is `M + 1` and `P`.
        """
        if not EXPONENTS.min <= exponent <= EXPONENTS.max:
            raise ValueError(f"a shared exponent is from {EXPONENTS.min} to {EXPONENTS.max}, not {exponent}")
        return exponent - 13 - self.planes

    def ulp_exponents(self, exponents: NDArray[np.uint8]) -> NDArray[np.int32]:
        """`ulp_exponent` of every shared exponent of a block, int32 [..., groups]."""
        return exponents.astype(np.int32) - 13 - self.planes

    def encode(self, x: FloatArray16) -> AndaBlock:
        """Encode FP16 values into plane words and shared exponents (contract, sections 2 and 3).

        Parameters
        ----------
        x : float16 array [..., K]
            Finite values; a last, short group is padded with zeros.

        Returns
        -------
        AndaBlock

        Raises
        ------
        ValueError
            When `x` is not a float16 array, or not finite: then it names the first bad index.
        """
        grouped = self._grouped(x)
        flat = grouped.reshape(-1, self.group)
        words = np.empty((flat.shape[0], self.planes, words_per_plane(self.group)), dtype=np.uint64)
        exponents = np.empty(flat.shape[0], dtype=np.uint8)
        for tile in self._tiles(flat.shape[0]):
            q, exponents[tile] = self._quantize(flat[tile])
            pack_into(words[tile], q, self.encoding)
        lead = grouped.shape[:-1]
        axes = plane_axes(self.planes, self.group)
        return AndaBlock(words.reshape(lead + axes), exponents.reshape(lead), x.shape[-1])

    def decode(self, block: AndaBlock) -> NDArray[np.float64]:
        """Exact values of an encoded tensor: `q * 2^ulp_exponent(E)`.

        Returns
        -------
        float64 array [..., K]
            At most 17 significant bits and exponents far inside float64: no rounding.

        Raises
        ------
        ValueError
            When the block was not made by this codec: another shape, or an impossible exponent.
        """
        self._require_block(block)
        lead = block.exponents.shape
        words = block.words.reshape(-1, self.planes, words_per_plane(self.group))
        ulps = np.ldexp(1.0, self.ulp_exponents(block.exponents).reshape(-1, 1))
        values = np.empty((words.shape[0], self.group))
        for tile in self._tiles(words.shape[0]):
            np.multiply(unpack_flat(words[tile], self.encoding, self.group), ulps[tile], out=values[tile])
        return values.reshape((*lead[:-1], lead[-1] * self.group))[..., : block.length]

    def quantize(self, x: FloatArray16) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """The integers behind the planes.

        Parameters
        ----------
        x : float16 array [..., K]
            As for `encode`.

        Returns
        -------
        q : int32 array [..., groups, group]
            Inside `levels`; the value of an element is `q * 2^ulp_exponent(E)`.
        exponents : uint8 array [..., groups]
            Shared exponents E, 1 to 30.
        """
        grouped = self._grouped(x)
        flat = grouped.reshape(-1, self.group)
        q = np.empty(flat.shape, dtype=np.int32)
        exponents = np.empty(flat.shape[0], dtype=np.uint8)
        for tile in self._tiles(flat.shape[0]):
            q[tile], exponents[tile] = self._quantize(flat[tile])
        return q.reshape(grouped.shape), exponents.reshape(grouped.shape[:-1])

    def integers(self, block: AndaBlock) -> NDArray[np.int32]:
        """The integers of an encoded tensor, int32 [..., groups, group]: `quantize` from the planes."""
        self._require_block(block)
        return unpack(block.words, self.encoding, self.group)

    def _quantize(self, x: FloatArray16) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Integers and shared exponents of `x` [groups, group]."""
        sign, exponent, q = fields(x)
        shared = exponent.max(axis=1, keepdims=True)
        # x / ulp = significand * 2^(planes - 12 - (shared - exponent)). One fraction bit is kept below
        # the ulp, so that nearest is "add one to it, then drop it". At most 11 + 6 bits: int32 is ample.
        fraction_bits = 1 if self.rounding == "nearest" else 0
        left = max(self.planes - 12, 0) + fraction_bits
        right = max(12 - self.planes, 0)
        np.left_shift(q, left, out=q)
        if self.encoding == "twos-complement":
            self._apply_signs(q, sign)  # before the shift: an arithmetic shift is the floor
        np.subtract(shared + right, exponent, out=exponent)
        np.minimum(exponent, 31, out=exponent)  # a shift by 31 leaves the sign alone, as a longer one would
        np.right_shift(q, exponent, out=q)
        if self.rounding == "nearest":
            np.add(q, 1, out=q)
            np.right_shift(q, 1, out=q)
            np.minimum(q, self.levels.max, out=q)
        if self.encoding == "sign-magnitude":
            self._apply_signs(q, sign)
        return q, shared[:, 0]

    @staticmethod
    def _apply_signs(q: NDArray[np.int32], sign: NDArray[np.int32]) -> None:
        np.negative(sign, out=sign)
        np.bitwise_xor(q, sign, out=q)  # x ^ -1 - -1 is -x
        np.subtract(q, sign, out=q)

    def _grouped(self, x: FloatArray16) -> FloatArray16:
        """`x` as [..., groups, group], zeros behind its end."""
        require_fp16(x)
        require_finite(x)
        lead, length = x.shape[:-1], x.shape[-1]
        groups = self.groups(length)
        if length == groups * self.group:
            return np.ascontiguousarray(x).reshape((*lead, groups, self.group))
        padded = np.zeros((*lead, groups * self.group), dtype=np.float16)
        padded[..., :length] = x
        return padded.reshape((*lead, groups, self.group))

    def _require_block(self, block: AndaBlock) -> None:
        expected = block.exponents.shape + plane_axes(self.planes, self.group)
        if block.words.dtype != np.uint64 or block.words.shape != expected:
            raise ValueError(
                f"{self} with exponents of shape {block.exponents.shape} needs uint64 words "
                f"of shape {expected}, not {block.words.dtype} of shape {block.words.shape}"
            )
        if block.exponents.ndim == 0 or block.exponents.shape[-1] != self.groups(block.length):
            raise ValueError(
                f"{block.length} elements in groups of {self.group} need {self.groups(block.length)} "
                f"exponents, not an array of shape {block.exponents.shape}"
            )
        wrong = (block.exponents < EXPONENTS.min) | (block.exponents > EXPONENTS.max)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"a shared exponent is from {EXPONENTS.min} to {EXPONENTS.max}, "
                f"but that of group {index} is {block.exponents[index]}"
            )

    def _tiles(self, groups: int) -> Iterator[slice]:
        step = _TILE // self.group
        return (slice(start, start + step) for start in range(0, groups, step))
