"""ABQ's quantizer: even steps between the ends of the data, with a zero point, for weights and activations.

Defined by the code of ABQ-LLM (arXiv 2408.08554, https://github.com/bytedance/ABQ-LLM, quantizer.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST",
    "LEAST_SCALE",
    "AffineFormat",
    "AffineMatrix",
    "affine_tokens",
    "encode_tokens",
    "grid",
    "grouped",
    "least_error_ends",
    "ranges",
    "steps",
]

Array = NDArray[Any]

LEAST_SCALE, LARGEST = 1e-5, 1e4
"""Scales stay between the two, and zero points within the second of both signs."""

_PACKED = {1: (5, 8), 2: (3, 7)}
"""Balanced formats: how many codes go into how many bits, as 3^5 <= 2^8 and 5^3 <= 2^7."""

_SCALE_BITS, _ZERO_BITS = 16, 16


@dataclass(frozen=True)
class AffineFormat:
    """Codes 0 to `top`.

    Parameters
    ----------
    bits : int
        1 to 8.
    balanced : bool
        One more level than the bits hold, so that there is a middle one: 1* has 3 and 2* has 5.

    Raises
    ------
    ValueError
        When the width is not 1 to 8, or there is no balanced format of it.
    """

    bits: int
    balanced: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"an affine format has 1 to 8 bits, not {self.bits}")
        if self.balanced and self.bits not in _PACKED:
            raise ValueError(f"only 1 and 2 bits have a balanced format, not {self.bits}")

    @classmethod
    def parse(cls, text: str) -> AffineFormat:
        """A format by its name, such as `4` or `2*`.

        Raises
        ------
        ValueError
            When this is no name of a format.
        """
        match = re.fullmatch(r"(\d)(\*?)", text)
        if match is None:
            raise ValueError(f"an affine format is written like 4 or 2*, not {text!r}")
        return cls(int(match[1]), bool(match[2]))

    def __str__(self) -> str:
        return f"{self.bits}*" if self.balanced else str(self.bits)

    @property
    def top(self) -> int:
        """The largest code."""
        return (1 << self.bits) - (not self.balanced)

    def stored_bits(self, codes: int) -> int:
        """Memory of the codes of a row: balanced ones in base 3 or 5, the last of them padded."""
        if not self.balanced:
            return self.bits * codes
        together, bits = _PACKED[self.bits]
        return -(-codes // together) * bits


def steps(low: Array, high: Array, top: int) -> tuple[Array, Array]:
    """Scales and zero points that make `low` code 0 and `high` code `top`, about.

    The zero point is an integer that need not be a code.
    """
    scales = np.clip((high - low) / top, LEAST_SCALE, LARGEST)
    return scales, zero_points(low, scales)


def zero_points(low: Array, scales: Array) -> Array:
    """The code of 0, rounded half to even."""
    return np.rint(np.clip(-low / scales, -LARGEST, LARGEST))


def encode_tokens(
    x: Array, form: AffineFormat
) -> tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.int16]]:
    """Codes of x [..., K], and a scale and a zero point [..., 1] of each token, that is each vector [K]."""
    scales, zeros = grid(form, x.min(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True))
    codes = np.clip(np.rint(x / scales.astype(x.dtype)) + zeros, 0, form.top)
    return codes.astype(np.uint8), scales, zeros


def affine_tokens(x: Array, form: AffineFormat) -> Array:
    """What is left of x [..., K] when each token has its own step."""
    codes, scales, zeros = encode_tokens(x, form)
    return np.asarray((codes.astype(x.dtype) - zeros) * scales.astype(x.dtype))


def grouped(matrix: Array, group: int | None) -> Array:
    """A matrix [C, K] as [C, groups, group].

    Raises
    ------
    ValueError
        When the groups do not fill the rows.
    """
    channels, inputs = matrix.shape
    size = inputs if group is None else group
    if inputs % size:
        raise ValueError(f"groups of {size} weights should fill rows of {inputs}, but do not")
    return matrix.reshape(channels, -1, size)


def ranges(matrix: Array, group: int | None) -> tuple[Array, Array]:
    """Least and largest weight of every group of a matrix [C, K], each [C, groups]."""
    blocks = grouped(matrix, group)
    return blocks.min(axis=2), blocks.max(axis=2)


@dataclass(frozen=True, eq=False)
class AffineMatrix:
    """A quantized matrix: `weight = (code - zero) * scale`.

    Attributes
    ----------
    format : AffineFormat
    codes : uint8 array [C, K]
    scales : float16 array [C, groups]
    zeros : int16 array [C, groups]
    """

    format: AffineFormat
    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]
    zeros: NDArray[np.int16]

    @classmethod
    def of(
        cls, matrix: Array, form: AffineFormat, low: Array, high: Array, offsets: Array | None = None
    ) -> AffineMatrix:
        """Round a matrix [C, K] to the nearest codes.

        Parameters
        ----------
        matrix : float array [C, K]
        form : AffineFormat
        low, high : float arrays [C, groups]
            Ends of the codes.
        offsets : float array [C, K], optional
            What is added to a weight, in steps, before it is rounded.
        """
        scales, zeros = grid(form, low, high)
        blocks = matrix.reshape(*low.shape, -1) / scales.astype(np.float32)[..., np.newaxis]
        if offsets is not None:
            blocks = blocks + offsets.reshape(blocks.shape)
        codes = np.clip(np.rint(blocks) + zeros[..., np.newaxis], 0, form.top)
        return cls(form, codes.reshape(matrix.shape).astype(np.uint8), scales, zeros)

    def values(self) -> NDArray[np.float32]:
        """The weights [C, K]."""
        blocks = self.codes.reshape(*self.scales.shape, -1).astype(np.float32) - self.zeros[..., np.newaxis]
        product = blocks * self.scales.astype(np.float32)[..., np.newaxis]
        return np.asarray(product.reshape(self.codes.shape), dtype=np.float32)

    @property
    def stored_bits(self) -> int:
        """Memory of codes, FP16 scales and 16-bit zero points."""
        channels, inputs = self.codes.shape
        return int(channels * self.format.stored_bits(inputs) + (_SCALE_BITS + _ZERO_BITS) * self.scales.size)


def grid(form: AffineFormat, low: Array, high: Array) -> tuple[NDArray[np.float16], NDArray[np.int16]]:
    """Scales as they are stored, in FP16, and the zero points that belong to them."""
    scales = steps(low, high, form.top)[0].astype(np.float16)
    return scales, zero_points(low, scales.astype(np.float32)).astype(np.int16)


_RATIOS = tuple(np.arange(100, 28, -4) / 100)
"""Shares of its largest and smallest weight that a group's grid may end at."""


def least_error_ends(matrix: Array, form: AffineFormat, group: int | None) -> tuple[Array, Array]:
    """Ends [C, groups] of the grid with the least squared error of every group, both clipped alike."""
    low, high = ranges(matrix, group)
    best = np.full(low.shape, np.inf)
    found = low.copy(), high.copy()
    for ratio in _RATIOS:
        rounded = AffineMatrix.of(matrix, form, low * ratio, high * ratio).values()
        errors = grouped((rounded - matrix) ** 2, group).sum(axis=2)
        better = errors < best
        best[better] = errors[better]
        for end, whole in zip(found, (low, high), strict=True):
            end[better] = whole[better] * ratio
    return found
