"""Scales and codes of whole tensors, with NumPy operations over tiles of many blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.formats.checks import require_finite
from golden.formats.nearest import Codes
from golden.formats.quantized import Quantized, blocked
from golden.formats.scales import ScaleFormat, e8m0_scale

if TYPE_CHECKING:
    from golden.formats.format import Format

__all__ = ["CLIP_RATIOS", "Clip", "quantize"]

Clip = float | Literal["tensor", "block"] | None
"""A fixed ratio that shrinks the scales, or where the best ratio is searched for."""

CLIP_RATIOS = tuple((200 - step) / 200 for step in range(40))
"""1, 0.995, ... 0.805: the ratios of the published clipping."""

_TILE = 1 << 15
"""Elements worked on at a time: the temporaries of a tile stay in the second-level cache."""

_LARGEST_E4M3 = 448.0


def quantize(form: Format, w: NDArray[np.float32], block: int, scale: ScaleFormat, clip: Clip) -> Quantized:
    """`Format.quantize`, with its defaults filled in; `w` is contiguous."""
    if w.size == 0:
        raise ValueError(f"there must be weights to quantize, but the shape is {w.shape}")
    if form.scaling == "none":
        return _without_scale(form, w, scale, clip)
    work = _Work(form, scale, w, min(block, w.shape[-1]))
    signs = (1, -1) if form.scaling == "either" else (1,)
    if clip is None or isinstance(clip, (int, float)):
        ratio = 1.0 if clip is None else float(clip)
        if not 0 < ratio <= 1:
            raise ValueError(f"a clip ratio must be above 0 and at most 1, not {clip!r}")
        trial = work.search((ratio,), signs, per_block=True)
    elif clip in ("tensor", "block"):
        trial = work.search(CLIP_RATIOS, signs, per_block=clip == "block")
    else:
        raise ValueError(f'clip must be a ratio, "tensor" or "block", not {clip!r}')
    codes = work.codes(trial)
    blocks = (*w.shape[:-1], -(-w.shape[-1] // work.block))
    return Quantized(
        format=form,
        codes=codes.reshape(w.shape),
        scales=work.by_row(trial.scales).reshape(blocks),
        zeros=None if trial.zeros is None else work.by_row(trial.zeros).reshape(blocks).astype(np.uint8),
        tensor_scale=work.tensor_scale,
        block=work.block,
        scale_format=scale,
    )


def _without_scale(form: Format, w: NDArray[np.float32], scale: ScaleFormat, clip: Clip) -> Quantized:
    if clip is not None:
        raise ValueError(f"format {form.name} has no scale that could be clipped")
    require_finite(w)
    ones = np.ones((*w.shape[:-1], 1), dtype=np.float32)
    return Quantized(form, form.nearest(w), ones, None, np.float32(1), w.shape[-1], scale)


class _Trial(NamedTuple):
    """Scales of all blocks, zero points if any, and the squared errors that they leave."""

    scales: NDArray[np.float32]
    zeros: NDArray[np.float32] | None
    errors: NDArray[np.float64]

    def or_better(self, other: _Trial) -> _Trial:
        """For each block the trial of the smaller error, this one where they are equal."""
        better = other.errors < self.errors
        zeros = self.zeros
        if zeros is not None and other.zeros is not None:
            zeros = np.where(better, other.zeros, zeros)
        return _Trial(
            np.where(better, other.scales, self.scales), zeros, np.where(better, other.errors, self.errors)
        )


@dataclass(frozen=True, eq=False)
class _Work:
    """One tensor on its way. Per-block arrays list the whole blocks of all rows, then the short ones."""

    form: Format
    scale: ScaleFormat
    w: NDArray[np.float32]
    block: int

    @cached_property
    def parts(self) -> list[NDArray[np.float32]]:
        """Whole blocks [n, block], and short ones [rows, rest] if there are any."""
        return [part.reshape(-1, part.shape[-1]) for part in blocked(self.w, self.block)]

    @cached_property
    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Smallest and largest element of every block."""
        least = np.concatenate([part.min(axis=1) for part in self.parts])
        largest = np.concatenate([part.max(axis=1) for part in self.parts])
        if not (np.isfinite(least).all() and np.isfinite(largest).all()):
            require_finite(self.w)
        return least.astype(np.float64), largest.astype(np.float64)

    @cached_property
    def span(self) -> NDArray[np.float64]:
        """What is scaled to `form.top`: the largest magnitude, or the range with zero points."""
        least, largest = self.ends
        if self.form.scaling == "zero-point":
            return np.maximum(largest, 0) - np.minimum(least, 0)
        return np.maximum(largest, -least)

    @cached_property
    def sign(self) -> NDArray[np.float32]:
        """Sign of the scale of every block; of two extremes, the positive one counts."""
        least, largest = self.ends
        if self.form.scaling != "extreme":
            return np.ones(len(least), dtype=np.float32)
        return np.where((largest >= -least) == (self.form.top > 0), np.float32(1), np.float32(-1))

    @cached_property
    def tensor_scale(self) -> np.float32:
        """The scale of E4M3 scales: the largest of them becomes 448. 1 for other formats."""
        if self.scale.kind != "e4m3":
            return np.float32(1)
        return np.float32(self.span.max() / (_LARGEST_E4M3 * abs(self.form.top)))

    def trial(self, ratio: float, sign: int, measure: bool) -> _Trial:
        """Scales, zero points and, to compare, squared errors for a clip ratio and a sign."""
        # Adding zero: the scale of a block of zeros is +0.
        scales = self._scales(self.span * ratio) * (self.sign * np.float32(sign)) + np.float32(0)
        zeros = None
        if self.form.scaling == "zero-point":
            least = np.minimum(self.ends[0] * ratio, 0).astype(np.float32)
            zeros = np.clip(np.rint(-least / self._divisors(scales)), 0, self.form.top).astype(np.float32)
        trial = _Trial(scales, zeros, np.zeros(len(scales)))
        return trial._replace(errors=self._errors(trial)) if measure else trial

    def search(self, ratios: Sequence[float], signs: Sequence[int], per_block: bool) -> _Trial:
        """The trial of least squared error; of equal ones the first."""
        measure = len(ratios) * len(signs) > 1
        best = self._best_sign(ratios[0], signs, measure)
        for ratio in ratios[1:]:
            trial = self._best_sign(ratio, signs, measure)
            if per_block:
                best = best.or_better(trial)
            elif trial.errors.sum() < best.errors.sum():
                best = trial
        return best

    def _best_sign(self, ratio: float, signs: Sequence[int], measure: bool) -> _Trial:
        best = self.trial(ratio, signs[0], measure)
        for sign in signs[1:]:
            best = best.or_better(self.trial(ratio, sign, measure))
        return best

    def codes(self, trial: _Trial) -> Codes:
        """Codes of all elements, [rows, K]."""
        parts = []
        for number, part in enumerate(self.parts):
            codes = np.empty(part.shape, dtype=np.uint8 if self.form.code_bits <= 8 else np.uint16)
            for tile, x, divisors, zeros in self._tiles(number, trial):
                codes[tile] = self._encode(x / divisors, zeros)
            parts.append(codes)
        return self.by_row(*parts)

    def by_row(self, *parts: NDArray[Any]) -> NDArray[Any]:
        """Parts, or one per-block array, put together again as [rows, ...]."""
        if len(parts) == 1 and len(self.parts) == 2:
            whole = len(self.parts[0])
            parts = (parts[0][:whole], parts[0][whole:])
        rows = self.w.size // self.w.shape[-1]
        return np.concatenate([part.reshape(rows, -1) for part in parts], axis=1)

    def _scales(self, span: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scales of these spans, rounded to their format."""
        top = abs(self.form.top)
        if self.scale.kind == "e8m0":
            return e8m0_scale(span, top, self.scale.rule or self.form.e8m0_rule, self.form.mantissa_bits)
        ideal = span / top
        if self.scale.kind == "e4m3":
            # Two float32 divisions, as NVFP4 does it. A tensor too small for a scale becomes zero.
            tensor = self.tensor_scale or np.float32(np.inf)
            return self.scale.round((ideal.astype(np.float32) / tensor).astype(np.float64))
        scales = self.scale.round(ideal)
        if not np.isfinite(scales).all():
            worst = int(np.argmax(~np.isfinite(scales)))
            raise ValueError(
                f"a block whose largest magnitude is {span[worst]:g} needs a scale of {ideal[worst]:g} in "
                f"format {self.form.name}, which {self.scale.name} cannot hold"
            )
        return scales

    def _divisors(self, scales: NDArray[np.float32]) -> NDArray[np.float32]:
        """What elements are divided by: a block whose scale is zero becomes zero."""
        total = scales * self.tensor_scale
        return np.where(total == 0, np.float32(np.inf), total)

    def _tiles(
        self, number: int, trial: _Trial
    ) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]]:
        """Tiles of a part: their place, elements [m, block], divisors [m, 1], zero points [m, 1]."""
        part = self.parts[number]
        offset = len(self.parts[0]) * number
        divisors = self._divisors(trial.scales)[:, np.newaxis]
        zeros = None if trial.zeros is None else trial.zeros[:, np.newaxis]
        step = max(1, _TILE // part.shape[1])
        for start in range(0, len(part), step):
            tile = slice(start, min(start + step, len(part)))
            there = slice(offset + tile.start, offset + tile.stop)
            yield tile, part[tile], divisors[there], None if zeros is None else zeros[there]

    def _encode(self, ratios: NDArray[np.float32], zeros: NDArray[np.float32] | None) -> Codes:
        if zeros is None:
            return self.form.nearest(ratios)
        return np.clip(np.rint(ratios) + zeros, 0, self.form.top).astype(np.uint8)

    def _errors(self, trial: _Trial) -> NDArray[np.float64]:
        errors = np.empty(len(trial.scales))
        done = 0
        for number in range(len(self.parts)):
            for _, x, divisors, zeros in self._tiles(number, trial):
                ratios = x / divisors
                values = self.form.decode(self._encode(ratios, zeros))
                ratios -= values if zeros is None else values - zeros
                units = np.square(divisors[:, 0], dtype=np.float64)
                dead = np.isinf(units)
                units[dead] = 0
                tile = errors[done : done + len(x)]
                np.multiply(np.square(ratios, out=ratios).sum(axis=1), units, out=tile)
                tile[dead] = np.square(x[dead], dtype=np.float64).sum(axis=1)
                done += len(x)
        return errors
