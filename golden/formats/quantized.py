"""A quantized tensor: what the memories of the hardware hold, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from golden.formats.nearest import Codes
from golden.formats.scales import ScaleFormat

if TYPE_CHECKING:
    from golden.formats.format import Format

__all__ = ["Quantized", "blocked"]

_TILE = 1 << 18


@dataclass(frozen=True, eq=False)
class Quantized:
    """Codes and scales of a tensor [..., K] in one format; `Format.quantize` makes it.

    An element is worth `value[code] * scale * tensor_scale`, or `(code - zero) * scale * tensor_scale`
    with zero points.
    """

    format: Format
    codes: Codes
    """[..., K], uint8; uint16 for formats of more than 8 bits."""
    scales: NDArray[np.float32]
    """[..., blocks]: numbers that the scale format holds exactly; of any sign where the format says so."""
    zeros: NDArray[np.uint8] | None
    """Zero points [..., blocks], in the range of the codes, or None."""
    tensor_scale: np.float32
    """The scale of the scales: 1 but for E4M3."""
    block: int
    """Elements along K that share a scale; the last block may be short."""
    scale_format: ScaleFormat

    @property
    def levels(self) -> NDArray[Any]:
        """What the processing elements multiply by, [..., K]: the narrowest signed integers that hold it.

        `value / unit`, or `code - zero`; for a real codebook the float32 values.
        """
        form = self.format
        if form.integer_levels is None or form.level_bits is None:
            return form.decode(self.codes)
        kind = np.min_scalar_type(-(1 << (form.level_bits - 1)))
        table = np.array([level or 0 for level in form.integer_levels], dtype=kind)
        levels = table.take(self.codes)
        if self.zeros is not None:
            for part, blocks in self._parts(levels):
                part -= self.zeros[..., blocks, np.newaxis].astype(kind)
        return levels

    @property
    def level_scales(self) -> NDArray[np.float32]:
        """What an integer level is worth, [..., blocks]: the whole scale times the unit of the format."""
        return self.scales * (self.tensor_scale * np.float32(self.format.unit or 1))

    @property
    def scale_codes(self) -> NDArray[Any]:
        """Stored bits of the scales, [..., blocks]: uint8, uint16 or uint32."""
        return self.scale_format.encode(self.scales)

    def dequantize(self, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The values of all elements, in the shape of the weights.

        Parameters
        ----------
        dtype : dtype
            float32: each product is rounded once, and saturates. float64: exact but for the product of an
            E4M3 scale with its tensor scale, which is a float32 number by definition.

        Returns
        -------
        array [..., K]
            Zero is +0, whatever the signs of code and scale: the sign of zero carries no value.
        """
        total = self.scales * self.tensor_scale
        values = self.format.decode(self.codes).astype(dtype, copy=False)
        largest = np.finfo(values.dtype).max
        with np.errstate(over="ignore", under="ignore"):
            for part, blocks in self._parts(values):
                if self.zeros is not None:
                    part -= self.zeros[..., blocks, np.newaxis]
                part *= total[..., blocks, np.newaxis]
                part += 0.0  # -0 + 0 = +0
        if np.isinf(values.max()) or np.isinf(values.min()):
            np.clip(values, -largest, largest, out=values)
        return values

    def sqnr(self, w: NDArray[Any]) -> float:
        """Ratio of signal to quantization noise in dB, infinite without noise.

        Parameters
        ----------
        w : float array [..., K]
            The weights that were quantized.

        Raises
        ------
        ValueError
            When their shape is another one, or all of them are zero.
        """
        if w.shape != self.codes.shape:
            raise ValueError(
                f"the weights must have the shape {self.codes.shape} of the codes, not {w.shape}"
            )
        values = self.dequantize().reshape(-1)
        signal = noise = 0.0
        for start in range(0, values.size, _TILE):
            exact = w.reshape(-1)[start : start + _TILE].astype(np.float64)
            signal += float(np.dot(exact, exact))
            exact -= values[start : start + _TILE]
            noise += float(np.dot(exact, exact))
        if signal == 0:
            raise ValueError("weights that are all zero have no ratio of signal to noise")
        return float(10 * np.log10(signal / noise)) if noise else float("inf")

    def _parts(self, array: NDArray[Any]) -> Iterator[tuple[NDArray[Any], slice]]:
        """Views of the blocks of an array [..., K], whole ones and short ones, and which blocks they are."""
        whole = array.shape[-1] // self.block
        return zip(blocked(array, self.block), (slice(0, whole), slice(whole, None)), strict=False)


def blocked(array: NDArray[Any], block: int) -> list[NDArray[Any]]:
    """Views [..., blocks, block] of the whole blocks, and [..., 1, rest] of the short ones if there are any.

    `block` is at most K.
    """
    whole = array.shape[-1] // block
    cut = whole * block
    parts = [array[..., :cut].reshape(*array.shape[:-1], whole, block)]
    return [*parts, array[..., np.newaxis, cut:]] if cut < array.shape[-1] else parts
