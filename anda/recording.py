"""What the three stages of a design take and must give on real data, item by item.

Everything a stage must give is computed by the golden model; the next stage takes it as its input. When
every stage gives exactly that, the chain of the three does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.config import Design
from anda.fixture import Projection
from anda.tops import pe_parameters
from golden.anda import AndaBlock, AndaCodec
from golden.bitplanes import plane_words_to_beats
from golden.dot import group_dot
from golden.gemm import gemm

__all__ = ["Recording", "Stream", "Workload"]

Items = list[list[int]]


@dataclass(frozen=True)
class Stream:
    """Items of one stream, one integer a field."""

    name: str
    fields: tuple[str, ...]
    items: Items


@dataclass(frozen=True)
class Recording:
    """What goes into one component, and what must come out.

    Attributes
    ----------
    role : str
        Which component of the design.
    sources : tuple of Stream
    sink : Stream
    constants : dict
        Values of plain input ports.
    """

    role: str
    sources: tuple[Stream, ...]
    sink: Stream
    constants: dict[str, int]


class Workload:
    """Real projections as the work of one design.

    Parameters
    ----------
    design : Design
        It has a processing element, a compressor of one lane and an accumulator, for groups of at most 64.
    projections : mapping of Projection
    planes : int
        Words of a group.

    Raises
    ------
    ValueError
        From the methods: when the tokens do not fill the columns or accumulators, or the channels the rows.

    """

    def __init__(self, design: Design, projections: Mapping[str, Projection], planes: int):
        self.design = design
        self.planes = planes
        self.pe = pe_parameters(design)
        self.rows = (design.pe.rows if design.pe else None) or 1
        self.slots = design.accumulator.elements if design.accumulator else 1
        self.columns = design.datapath.columns if design.datapath else 1
        self.codec = AndaCodec(planes, design.format.encoding, design.format.rounding, design.format.group)
        self.projections = dict(projections)
        self.blocks = {name: self.codec.encode(p.x) for name, p in self.projections.items()}

    @property
    def groups(self) -> int:
        """Groups of activations in all."""
        return sum(block.exponents.size for block in self.blocks.values())

    @property
    def products(self) -> int:
        """Group dot products in all."""
        return sum(
            block.exponents.size * len(self.projections[name].levels) for name, block in self.blocks.items()
        )

    def results(self, name: str) -> NDArray[np.float32]:
        """What the accumulators must give for one projection, float32 [tokens, channels]."""
        values = gemm(self.blocks[name], self.projections[name].weights, self.codec)
        return values.astype(np.float32)

    def compress(self) -> Recording:
        """FP16 activations to plane words and exponents."""
        taken: Items = []
        given: Items = []
        for name, block in self.blocks.items():
            values = self._padded(self.projections[name].x.view(np.uint16))
            taken += [[word, 1] for word in _pack(values.reshape(-1, self.codec.group), 16)]
            words = block.words.reshape(-1, self.planes)
            for group, exponent in zip(words, block.exponents.reshape(-1), strict=True):
                given += [
                    [int(word), int(exponent), 1, int(plane == 0), int(plane == self.planes - 1)]
                    for plane, word in enumerate(group)
                ]
        return Recording(
            "compressor",
            (Stream("activations", ("values", "last"), taken),),
            Stream("planes", ("words", "exponents", "lanes_valid", "first", "last"), given),
            {"group_planes": self.planes, "clear_nonfinite": 0},
        )

    def dot(self) -> Recording:
        """Plane words and weight levels to group sums, `rows` tokens at a time."""
        beats: Items = []
        levels: Items = []
        sums: Items = []
        for name, block in self.blocks.items():
            tiles = list(self._tiles(name, self.rows))
            words = self._beats(block)
            totals = self._totals(name, block)
            packed = self._levels(name)
            for channel, tokens in tiles:
                for group in range(words.shape[1]):
                    levels.append([packed[channel][group]])
                    beats += words[tokens.start // self.rows, group].tolist()
                    sums += [
                        [total] for total in _pack(totals[None, channel, tokens, group], self.pe.sum_bits)
                    ]
        one = self.rows == 1
        return Recording(
            "pe" if one else "column",
            (Stream("planes", ("words", "first", "last"), beats), Stream("load", ("payload",), levels)),
            Stream("result" if one else "results", ("payload",), sums),
            {},
        )

    def accumulate(self) -> Recording:
        """Group sums, exponents and scales to FP32 results, `slots` tokens interleaved."""
        sums: Items = []
        results: Items = []
        for name, block in self.blocks.items():
            totals = self._totals(name, block) & ((1 << self.pe.sum_bits) - 1)
            bits = self.results(name).view(np.uint32)
            scales = self.projections[name].scales.view(np.uint16)
            per_scale = self.projections[name].weights.block // self.codec.group
            groups = block.exponents.shape[1]
            for channel, tokens in self._tiles(name, self.slots):
                for group in range(groups):
                    scale = int(scales[channel, group // per_scale])
                    for slot, token in enumerate(tokens):
                        item = [int(totals[channel, token, group]), int(block.exponents[token, group]), scale]
                        sums.append([*item, *self._slot(slot), int(group == 0), int(group == groups - 1)])
                results += [
                    [int(bits[token, channel]), *self._slot(slot)] for slot, token in enumerate(tokens)
                ]
        slot_field = ("slot",) if self.slots > 1 else ()
        return Recording(
            "accumulator",
            (Stream("sums", ("sum", "exponent", "scale", *slot_field, "first", "last"), sums),),
            Stream("results", ("value", *slot_field), results),
            {"planes": self.planes, "clear_nonfinite": 0},
        )

    def datapath(self) -> Recording:
        """FP16 activations, levels and scales to FP32 results, through the whole row."""
        activations: Items = []
        levels: Items = []
        scales: Items = []
        results: Items = []
        for name, projection in self.projections.items():
            values = self._padded(projection.x.view(np.uint16)).reshape(
                len(projection.x), -1, self.codec.group
            )
            bits = self.results(name).view(np.uint32)
            packed = self._levels(name)
            per_scale = projection.weights.block // self.codec.group
            groups = values.shape[1]
            if len(projection.levels) % self.columns:
                raise ValueError(
                    f"{len(projection.levels)} channels do not fill rows of {self.columns} columns"
                )
            for first in range(0, len(projection.levels), self.columns):
                row = range(first, first + self.columns)
                row_levels = [[packed[channel][group]] for group in range(groups) for channel in row]
                row_scales = projection.scales.view(np.uint16)[row, :].repeat(per_scale, axis=1)[:, :groups]
                for token, own in enumerate(values):
                    activations += [[word, int(at == groups - 1)] for at, word in enumerate(_pack(own, 16))]
                    levels += row_levels
                    scales += [[scale] for scale in row_scales.T.reshape(-1).tolist()]
                    results += [
                        [int(bits[token, channel]), *([column] if self.columns > 1 else [])]
                        for column, channel in enumerate(row)
                    ]
        column_field = ("column",) if self.columns > 1 else ()
        return Recording(
            "datapath",
            (
                Stream("activations", ("values", "last"), activations),
                Stream("levels", ("payload",), levels),
                Stream("scales", ("payload",), scales),
            ),
            Stream("results", ("value", *column_field), results),
            {"group_planes": self.planes, "clear_nonfinite": 0},
        )

    def _slot(self, slot: int) -> list[int]:
        return [slot] if self.slots > 1 else []

    def _tiles(self, name: str, tokens: int) -> Iterator[tuple[int, range]]:
        """Every channel with every run of so many tokens, which must divide their number."""
        projection = self.projections[name]
        if len(projection.x) % tokens:
            raise ValueError(f"{len(projection.x)} tokens of {name} cannot be taken {tokens} at a time")
        for channel in range(len(projection.levels)):
            for start in range(0, len(projection.x), tokens):
                yield channel, range(start, start + tokens)

    def _padded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Rows along K filled up with zeros to whole groups."""
        missing = -values.shape[-1] % self.codec.group
        return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])

    def _beats(self, block: AndaBlock) -> NDArray[Any]:
        """Beats [token runs, groups, beats, (words, first, last)] as Python integers."""
        beats = plane_words_to_beats(block.words, self.pe.planes_per_cycle, self.codec.encoding)
        tokens, groups, count, _ = beats.shape
        together = np.moveaxis(beats.reshape(-1, self.rows, groups, count * beats.shape[3]), 1, 3)
        # Word k of a beat, and row after row, from the low end up.
        together = together.reshape(-1, groups, count, beats.shape[3], self.rows).swapaxes(3, 4)
        items = np.zeros((tokens // self.rows, groups, count, 3), dtype=object)
        packed = _pack(together.reshape(-1, self.rows * beats.shape[3]), self.codec.group)
        items[..., 0] = np.array(packed, dtype=object).reshape(items.shape[:3])
        items[:, :, 0, 1] = 1
        items[:, :, -1, 2] = 1
        return items

    def _levels(self, name: str) -> list[list[int]]:
        """Packed weight levels, by channel and group."""
        levels = self._padded(self.projections[name].levels.astype(np.int64))
        return [_pack(channel.reshape(-1, self.codec.group), self.pe.level_bits) for channel in levels]

    def _totals(self, name: str, block: AndaBlock) -> NDArray[np.int64]:
        """Group sums `T` [channels, tokens, groups]."""
        q = self.codec.integers(block)
        levels = self._padded(self.projections[name].levels).reshape(-1, 1, q.shape[1], q.shape[2])
        return group_dot(q[None], levels)


def _pack(values: NDArray[Any], bits: int) -> list[int]:
    """Rows of integers as one wide integer each, the first element lowest."""
    mask = (1 << bits) - 1
    return [sum((int(v) & mask) << (i * bits) for i, v in enumerate(row)) for row in values.tolist()]
