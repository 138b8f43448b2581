"""Integer weights with one FP16 scale per block and channel (contract, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from golden.interval import Interval

__all__ = ["IntegerWeights"]

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class IntegerWeights:
    """A matrix of `bits`-bit integers, `w = level * scale`, INT4 with a scale per 128 unless told otherwise.

    Without zero points a code is its level, a signed integer. With them the codes are unsigned and
    `level = code - zero`, one bit wider: -15 to 15 for INT4. The hardware takes levels either way.

    Parameters
    ----------
    codes : int8 array [C, K]
        Output channels by reduction elements. Signed `bits`-bit values, or unsigned ones with `zeros`.
    scales : float16 array [C, ceil(K / block)]
        Finite; of any sign.
    block : int
        Elements along K that share a scale; the last block may be short.
    bits : int
        Width of a code, 1 to 8, and at most 7 with zero points, so that a level has at most 8.
    zeros : int8 array [C, ceil(K / block)], optional
        Zero points, in the range of the codes.

    Raises
    ------
    ValueError
        When a shape, type or value does not fit; it says which.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float16]
    block: int = 128
    bits: int = 4
    zeros: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        widest = 8 if self.zeros is None else 7
        if not 1 <= self.bits <= widest:
            raise ValueError(f"bits must be from 1 to {widest}, not {self.bits!r}")
        if self.block < 1:
            raise ValueError(f"block must be at least 1, not {self.block!r}")
        if self.codes.dtype != np.int8 or self.codes.ndim != 2 or 0 in self.codes.shape:
            raise ValueError(
                f"codes must be an int8 matrix [C, K], not {self.codes.dtype} of shape {self.codes.shape}"
            )
        blocks = (self.channels, -(-self.length // self.block))
        if self.scales.dtype != np.float16 or self.scales.shape != blocks:
            raise ValueError(
                f"scales must be float16 of shape {blocks}, "
                f"not {self.scales.dtype} of shape {self.scales.shape}"
            )
        if not np.isfinite(self.scales).all():
            raise ValueError(f"scales must be finite, but that of {_first(~np.isfinite(self.scales))} is not")
        if self.zeros is not None:
            if self.zeros.dtype != np.int8 or self.zeros.shape != blocks:
                raise ValueError(
                    f"zeros must be int8 of shape {blocks}, "
                    f"not {self.zeros.dtype} of shape {self.zeros.shape}"
                )
            self._require_codes("zeros", self.zeros)
        self._require_codes("codes", self.codes)

    def _require_codes(self, name: str, values: NDArray[np.int8]) -> None:
        allowed = self.code_range
        outside = (values < allowed.min) | (values > allowed.max)
        if outside.any():
            index = _first(outside)
            raise ValueError(
                f"{name} must be from {allowed.min} to {allowed.max}, but {index} is {values[index]}"
            )

    @property
    def channels(self) -> int:
        """Output channels, C."""
        return int(self.codes.shape[0])

    @property
    def length(self) -> int:
        """Reduction elements, K."""
        return int(self.codes.shape[1])

    @property
    def code_range(self) -> Interval:
        """Every code: signed, or unsigned with zero points."""
        return Interval.of_bits(self.bits, signed=self.zeros is None)

    @property
    def level_range(self) -> Interval:
        """Every level that these parameters allow, whatever the codes are: what the hardware is built for."""
        return self.code_range if self.zeros is None else self.code_range - self.code_range

    @cached_property
    def levels(self) -> NDArray[np.int8]:
        """Signed integers that the processing elements multiply by, int8 [C, K]."""
        if self.zeros is None:
            return self.codes
        return self.codes - _per_element(self.zeros, self.block, self.length)

    def decode(self, channels: slice = slice(None)) -> NDArray[np.float64]:
        """Exact weights `level * scale`, float64 [C, K], of all channels or of a slice of them."""
        scales = _per_element(self.scales[channels].astype(np.float64), self.block, self.length)
        return np.multiply(self.levels[channels], scales, out=scales)

    @classmethod
    def quantize(cls, w: NDArray[np.floating], block: int = 128, bits: int = 4) -> IntegerWeights:
        """Round real weights to nearest, symmetrically: a block's largest magnitude becomes `2^(bits-1) - 1`.

        Parameters
        ----------
        w : float array [C, K]
            Finite weights.
        block : int
            Elements along K that share a scale.
        bits : int
            2 to 8.

        Raises
        ------
        ValueError
            When a weight is not finite, or a block's scale is too large for FP16.
        """
        if not 2 <= bits <= 8:
            raise ValueError(f"symmetric rounding needs 2 to 8 bits, not {bits!r}")
        if w.ndim != 2 or 0 in w.shape or not np.isfinite(w).all():
            raise ValueError(
                f"w must be a finite matrix [C, K], but has shape {w.shape} or a non-finite element"
            )
        exact = w.astype(np.float64)
        length = w.shape[1]
        starts = np.arange(0, length, block)
        largest = (1 << bits - 1) - 1
        peaks = np.maximum.reduceat(np.abs(exact), starts, axis=1)
        with np.errstate(over="ignore"):
            scales = (peaks / largest).astype(np.float16)
        if not np.isfinite(scales).all():
            raise ValueError(f"weights of up to {peaks.max()} need a scale that FP16 cannot hold")
        # A scale too small for FP16 is 0, and its block becomes 0.
        divisors = np.where(scales == 0, np.inf, scales.astype(np.float64))
        ratios = exact / _per_element(divisors, block, length)
        codes = np.clip(np.rint(ratios), -largest - 1, largest).astype(np.int8)
        return cls(codes, scales, block, bits)


def _per_element(per_block: NDArray[Scalar], block: int, length: int) -> NDArray[Scalar]:
    return np.repeat(per_block, block, axis=1)[:, :length]


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])
