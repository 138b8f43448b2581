"""What a number format does to a real tensor: memory, noise, levels, clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.histogram import Histogram
from anda.tensors import as_matrix
from golden.formats import Block, Clip, Format, Quantized, catalogue, get
from golden.formats.scales import scale_format

__all__ = ["LevelCount", "QuantizationReport", "choose_formats", "measure", "quantize_tensor"]

_BINS = 240

_MOST_LEVELS = 256
"""Formats of more levels are not counted level by level."""


@dataclass(frozen=True)
class LevelCount:
    """How many weights one level took.

    Attributes
    ----------
    level : float
        In units of the scale; with zero points the code, before its zero point is subtracted.
    count : int
    """

    level: float
    count: int


@dataclass(frozen=True)
class QuantizationReport:
    """One tensor in one format.

    Attributes
    ----------
    format : str
    block : int
        Elements that share a scale; the last block of a row may be short.
    scale_format : str
    weights : int
    bits_per_weight : float
        All that is stored of this tensor: codes, scales, zero points, over the weights.
    sqnr_db : float or None
        Energy of the weights over the energy of the error; None when there is no error.
    levels, levels_used : int
        Different values of the format, and how many of them occur.
    clipped : int
        Weights beyond the outermost levels by more than half a step: rounding alone would not move them
        that far.
    worst_clip : float
        Largest share of its magnitude that a clipped weight lost; 0 without any.
    counts : tuple of LevelCount
        Every level in ascending order; empty for formats of more than 256.
    histogram : Histogram
        Of the weights in units of their scale, where the levels are.
    """

    format: str
    block: int
    scale_format: str
    weights: int
    bits_per_weight: float
    sqnr_db: float | None
    levels: int
    levels_used: int
    clipped: int
    worst_clip: float
    counts: tuple[LevelCount, ...]
    histogram: Histogram

    def as_dict(self) -> dict[str, Any]:
        """Everything but the histogram, as JSON holds it."""
        values = {key: getattr(self, key) for key in self.__dataclass_fields__ if key != "histogram"}
        return values | {"counts": [asdict(count) for count in self.counts]}


def choose_formats(names: Sequence[str], bits: int | None = None, scale: str | None = None) -> list[Format]:
    """Formats by name, and all of the catalogue whose codes have so many bits; each once.

    Parameters
    ----------
    names : sequence of str
    bits : int, optional
    scale : str, optional
        A scale format: those that `bits` adds are left out when they do not take it.

    Raises
    ------
    ValueError
        When a name is unknown (the message suggests one), no format has so many bits, or nothing is asked
        for.
    """
    chosen = [get(name) for name in names]
    if scale is not None:
        scale_format(scale)
    if bits is not None:
        same = [form for form in catalogue().values() if form.code_bits == bits]
        if not same:
            widths = sorted({form.code_bits for form in catalogue().values()})
            raise ValueError(f"formats have codes of {', '.join(map(str, widths))} bits, not {bits}")
        chosen += [form for form in same if _takes(form, scale)]
    if not chosen:
        raise ValueError("a format was expected, such as `--format sf4`; `anda formats` lists them")
    return list({form.name: form for form in chosen}.values())


def _takes(form: Format, scale: str | None) -> bool:
    try:
        form.bits_per_weight(scale_format=scale)
    except ValueError:
        return False
    return True


def quantize_tensor(
    w: NDArray[np.float32],
    form: Format,
    block: Block | None = None,
    scale: str | None = None,
    clip: Clip = None,
) -> Quantized:
    """Quantize a tensor of any shape, in blocks along the rows of `as_matrix(w)`.

    The parameters are those of `Format.quantize`, which raises `ValueError` where they are wrong.
    """
    return form.quantize(as_matrix(w), block, scale, clip)


def measure(w: NDArray[np.float32], quantized: Quantized) -> QuantizationReport:
    """Compare a tensor with its quantized form.

    Parameters
    ----------
    w : float32 array
        What was quantized.
    quantized : Quantized
        What `quantize_tensor` made of it.

    Raises
    ------
    ValueError
        When every weight is zero.
    """
    matrix = as_matrix(w)
    form = quantized.format
    noise = quantized.sqnr(matrix)
    units = _in_units(matrix, quantized)
    levels = np.unique(form.table[~np.isnan(form.table)])
    counts = _counts(quantized, levels)
    clipped, worst = _clipping(matrix, quantized, units, levels)
    return QuantizationReport(
        format=form.name,
        block=quantized.block,
        scale_format="none" if form.scaling == "none" else quantized.scale_format.name,
        weights=matrix.size,
        bits_per_weight=_stored_bits(quantized) / matrix.size,
        sqnr_db=None if math.isinf(noise) else noise,
        levels=len(levels),
        levels_used=int(np.count_nonzero(counts)),
        clipped=clipped,
        worst_clip=worst,
        counts=tuple(map(LevelCount, levels.tolist(), counts.tolist()))
        if len(levels) <= _MOST_LEVELS
        else (),
        histogram=_histogram(units, levels),
    )


def _stored_bits(quantized: Quantized) -> float:
    form = quantized.format
    code = float(form.code_bits if form.stored_bits is None else form.stored_bits)
    total = code * quantized.codes.size
    if form.scaling != "none":
        total += quantized.scale_format.bits * quantized.scales.size
    if quantized.zeros is not None:
        total += form.code_bits * quantized.zeros.size
    # The one FP32 scale above E4M3 scales.
    return total + (32 if quantized.scale_format.kind == "e4m3" and form.scaling != "none" else 0)


def _in_units(matrix: NDArray[np.float32], quantized: Quantized) -> NDArray[np.float32]:
    """Weights where the table of the format has its levels: over their scale, plus their zero point.

    0 where a scale is 0.
    """

    def spread(per_block: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(per_block, quantized.block, axis=1)[:, : matrix.shape[1]]

    scales = quantized.scales * quantized.tensor_scale
    units: NDArray[np.float32] = matrix / spread(np.where(scales == 0, np.float32(np.inf), scales))
    if quantized.zeros is not None:
        units += spread(quantized.zeros)
    return units


def _counts(quantized: Quantized, levels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Weights of each level; codes of equal value, such as the two zeros, are one level."""
    table = quantized.format.table
    by_code = np.bincount(quantized.codes.ravel(), minlength=len(table))
    used = ~np.isnan(table)
    counts = np.zeros(len(levels), dtype=np.int64)
    np.add.at(counts, np.searchsorted(levels, table[used]), by_code[used])
    return counts


def _clipping(
    matrix: NDArray[np.float32],
    quantized: Quantized,
    units: NDArray[np.float32],
    levels: NDArray[np.float32],
) -> tuple[int, float]:
    low = levels[0] - (levels[1] - levels[0]) / 2
    high = levels[-1] + (levels[-1] - levels[-2]) / 2
    beyond = (units < low) | (units > high)
    if not beyond.any():
        return 0, 0.0
    lost = 1 - np.abs(quantized.dequantize()[beyond] / matrix[beyond])
    return int(np.count_nonzero(beyond)), float(lost.max())


def _histogram(units: NDArray[np.float32], levels: NDArray[np.float32]) -> Histogram:
    """Over all levels and what is clipped near them; with many levels over the part that is used."""
    low, high = float(levels[0]), float(levels[-1])
    least, largest = float(units.min()), float(units.max())
    span = high - low
    margin = span / len(levels)
    if len(levels) > _MOST_LEVELS:
        low, high = max(low, least), min(high, largest)
    else:
        low, high = min(low, max(least, low - span / 2)), max(high, min(largest, high + span / 2))
    return Histogram.of(units, low - margin, high + margin, _BINS)
