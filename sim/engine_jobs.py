"""What a matrix engine is told and given: jobs, weight words and result words of whole matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bench import pack_lanes
from .steps import Steps

__all__ = ["LOAD_FIELDS", "PRODUCT_FIELDS", "EngineShape", "tiled"]

LOAD_FIELDS = ("base", "exponent_base", "row_tiles", "groups", "last_rows", "by_rows", "planes")
PRODUCT_FIELDS = (
    "base",
    "exponent_base",
    "weight_base",
    "row_tiles",
    "column_tiles",
    "groups",
    "out_groups",
    "planes",
    "last_rows",
    "last_columns",
    "last_tiles",
    "keep",
    "out_base",
    "out_exponent_base",
    "out_planes",
)


def tiled(size: int, tile: int) -> tuple[int, int]:
    """How many tiles hold `size` elements, and how many elements the last of them has."""
    count = -(-size // tile)
    return count, size - (count - 1) * tile


@dataclass(frozen=True)
class EngineShape:
    """The sizes of an engine that a program has to know.

    Parameters
    ----------
    rows, columns, columns_per_load, lanes : int
        Of its array.
    weight_bits : int
        Of the levels or codes of one column for one group.
    elementwise_words : int
        Of the elementwise unit; 0: there is none.
    silu : bool
        It has SiLU and gates.
    """

    rows: int
    columns: int
    columns_per_load: int
    lanes: int
    weight_bits: int
    elementwise_words: int = 0
    silu: bool = False

    @property
    def product_fields(self) -> tuple[str, ...]:
        """The fields of a product's job in the order of `product`."""
        if not self.elementwise_words:
            return PRODUCT_FIELDS
        return (*PRODUCT_FIELDS, "scaled", "relu", *(("silu", "gated") if self.silu else ()), "scale_base")

    def plane_words(self, n: int, k: int, planes: int) -> int:
        """Words that a tensor `[N, K]` takes in the activation buffer."""
        return self.group_words(n, k) * planes

    def group_words(self, n: int, k: int) -> int:
        """Exponent words of a tensor `[N, K]`."""
        return tiled(n, self.rows)[0] * tiled(k, self.lanes)[0]

    def weight_words(self, k: int, c: int) -> int:
        """Words that a matrix `[C, K]` takes in the weight buffer."""
        turns = self.columns // self.columns_per_load
        return tiled(c, self.columns)[0] * tiled(k, self.lanes)[0] * turns

    def load(self, n: int, k: int, planes: int, base: int, exponent_base: int) -> tuple[int, ...]:
        """The job of loading a tensor row by row, in the order of `LOAD_FIELDS`."""
        row_tiles, last_rows = tiled(n, self.rows)
        return base, exponent_base, row_tiles, tiled(k, self.lanes)[0], last_rows, 1, planes

    def product(
        self,
        n: int,
        k: int,
        c: int,
        planes: int,
        bases: tuple[int, int, int],
        keep: tuple[int, int, int] | None = None,
        steps: Steps | None = None,
    ) -> tuple[int, ...]:
        """The job of a product, in the order of `product_fields`.

        Parameters
        ----------
        n, k, c : int
        planes : int
            Of the activations.
        bases : tuple of int
            Of plane words, exponent words and weight words.
        keep : tuple of int, optional
            Base of plane words, base of exponent words and planes of the results, if they stay.
        steps : Steps, optional
            Of the elementwise unit.
        """
        row_tiles, last_rows = tiled(n, self.rows)
        column_tiles, last_columns = tiled(c, self.columns)
        out_groups = tiled(c, self.lanes)[0]
        last_tiles = column_tiles - (out_groups - 1) * (self.lanes // self.columns)
        sizes = (row_tiles, column_tiles, tiled(k, self.lanes)[0], out_groups)
        out_base, out_exponent_base, out_planes = keep or (0, 0, 2)
        last = (last_rows, last_columns, last_tiles)
        stored = int(keep is not None), out_base, out_exponent_base, out_planes
        told = (steps or Steps()).fields
        more = (told[name] for name in self.product_fields[len(PRODUCT_FIELDS) :])
        return *bases, *sizes, planes, *last, *stored, *more

    def activation_groups(self, x: NDArray[np.float16]) -> list[int]:
        """Rows of FP16 values `[N, K]` as groups, each one integer; a short group ends in zeros."""
        groups, _ = tiled(x.shape[1], self.lanes)
        padded = np.zeros((len(x), groups * self.lanes), dtype=np.uint16)
        padded[:, : x.shape[1]] = x.view(np.uint16)
        return pack_lanes(padded.reshape(-1, self.lanes), 16)

    def weight_stream(self, sets: NDArray[Any], scales: NDArray[np.float16]) -> list[int]:
        """Words of the weight buffer.

        Parameters
        ----------
        sets : object array [C, groups]
            What a column loads for a group, as one integer.
        scales : float16 array [C, groups]
        """
        channels, groups = sets.shape
        tiles, _ = tiled(channels, self.columns)
        whole = self.weight_bits + 16
        words = []
        for tile in range(tiles):
            for group in range(groups):
                for turn in range(self.columns // self.columns_per_load):
                    word = 0
                    for place in range(self.columns_per_load):
                        c = tile * self.columns + turn * self.columns_per_load + place
                        if c < channels:
                            scale = int(scales.view(np.uint16)[c, group])
                            word |= (int(sets[c, group]) | scale << self.weight_bits) << (place * whole)
                    words.append(word)
        return words

    def scale_words(self, scales: NDArray[np.float16], biases: NDArray[np.float16]) -> list[int]:
        """Words of the elementwise unit for scales and biases [C], those of columns beyond C zero."""
        tiles, _ = tiled(len(scales), self.columns)
        padded = np.zeros((tiles * self.columns, 2), dtype=np.uint16)
        padded[: len(scales)] = np.stack([scales, biases], axis=-1).view(np.uint16)
        return pack_lanes(padded.reshape(tiles, -1), 16)

    def gate_parts(self, gates: NDArray[np.float16]) -> list[int]:
        """Gates `[N, C]` as the unit takes them: the parts of results but for those that are blank."""
        return [value for value, *_, blank in self.result_parts(gates) if not blank]

    def result_parts(self, y: NDArray[np.float16]) -> list[tuple[int, int, int, int, int]]:
        """Results `[N, C]` as they leave: values, row, first, last, blank."""
        n, c = y.shape
        out_groups, _ = tiled(c, self.lanes)
        row_tiles, _ = tiled(n, self.rows)
        tiles = self.lanes // self.columns
        padded = np.zeros((n, out_groups * self.lanes), dtype=np.uint16)
        padded[:, :c] = y.view(np.uint16)
        packed = pack_lanes(padded.reshape(-1, self.columns), 16)
        column_tiles = tiled(c, self.columns)[0]
        parts = []
        for t in range(row_tiles):
            for group in range(out_groups):
                for row in range(min(self.rows, n - t * self.rows)):
                    for q in range(tiles):
                        tile = group * tiles + q
                        value = packed[(t * self.rows + row) * out_groups * tiles + tile]
                        parts.append(
                            (value, row, int(q == 0), int(q == tiles - 1), int(tile >= column_tiles))
                        )
        return parts
