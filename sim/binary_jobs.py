"""Programs of the binary engine: what its memories hold, its table of steps, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.binary import BinaryOperand
from golden.binary_order import Rate, blocks, steps
from golden.binary_product import binary_gemm

from .bench import pack_lanes

__all__ = ["BinaryShape", "Program", "program"]


@dataclass(frozen=True)
class BinaryShape:
    """What a program has to know of an engine.

    Attributes
    ----------
    rows, columns, lanes : int
    rate : Rate
    zero_bits, term_bits : int
        Widths of the zero points and of the constants `K * zw - sum(w)`; 0 without zero points.
    value_bits : int
        Width of a result.
    packed : bool
        Weights of five levels lie packed.
    step_bits : dict of int
        Widths of the fields of a step, in order.
    """

    rows: int
    columns: int
    lanes: int
    rate: Rate
    zero_bits: int
    term_bits: int
    value_bits: int
    packed: bool
    step_bits: dict[str, int]


@dataclass(frozen=True)
class Program:
    """A product on the engine.

    Attributes
    ----------
    memories : dict of list of int
        Words by the name of the memory.
    job : tuple of int
        Fields of the job.
    results : list of tuple
        What comes: values of a row as one integer, and whether it is the last row of a tile.
    beats : int
        Cycles of the array.
    """

    memories: dict[str, list[int]]
    job: tuple[int, ...]
    results: list[tuple[int, bool]]
    beats: int


def program(shape: BinaryShape, x: BinaryOperand, w: BinaryOperand) -> Program:
    """The product of activations [N, K] by weights [C, K]; rows, columns and K are filled up with zeros.

    Raises
    ------
    ValueError
        An operand has zero points, and the engine none.
    """
    if not shape.zero_bits and (x.row_zeros.any() or w.row_zeros.any()):
        raise ValueError("an engine without zero points cannot multiply operands that have some")
    groups = -(-x.length // shape.lanes)
    row_tiles, column_tiles = -(-x.rows // shape.rows), -(-w.rows // shape.columns)
    of_x = _words(x, shape.rows, shape.lanes, groups, shape.rate.activation_planes_per_cycle)
    memories = {"activations": _flat(of_x)}
    if shape.packed:
        memories["weights"] = _packed(w, shape, groups)
        weight_blocks = 1
    else:
        of_w = _words(w, shape.columns, shape.lanes, groups, shape.rate.weight_planes_per_cycle)
        memories["weights"] = _flat(of_w)
        weight_blocks = len(of_w[0])
    order = steps(x.format, w.format, shape.rate)
    counted = [step.adds and step.weights == 0 for step in order]
    table = []
    for number, step in enumerate(order):
        fields = {
            "activation_offset": step.activations * groups,
            "weight_offset": 0 if shape.packed else step.weights * groups,
            "plane": step.weights if shape.packed else 0,
            "shift": step.shifts,
            "adds": step.adds,
            "activations_negative": step.activations_negative,
            "weights_negative": step.weights_negative,
            "counts": counted[number],
            "count_first": counted[number] and not any(counted[:number]),
        }
        table.append(_joined(fields, shape.step_bits))
    memories["steps"] = table
    if shape.zero_bits:
        zeros = _padded(x.row_zeros, row_tiles * shape.rows)
        memories["row_zeros"] = pack_lanes(zeros.reshape(row_tiles, -1), shape.zero_bits)
        memories["channels"] = _channels(w, shape, column_tiles)
    job = (groups, len(order), column_tiles, row_tiles, len(of_x[0]) * groups, weight_blocks * groups)
    beats = row_tiles * column_tiles * len(order) * groups
    return Program(memories, job, _results(shape, x, w), beats)


def _results(shape: BinaryShape, x: BinaryOperand, w: BinaryOperand) -> list[tuple[int, bool]]:
    """Tile by tile; rows and channels beyond the ends are made of zeros without a zero point."""
    product = binary_gemm(x, w).astype(np.int64)
    n, c = -(-x.rows // shape.rows) * shape.rows, -(-w.rows // shape.columns) * shape.columns
    whole = np.zeros((n, c), np.int64)
    whole[: x.rows, : w.rows] = product
    # Rows that fill up are codes of 0 about a zero point of 0, so `sum (0 - 0)(w - zw)` is 0, and so is that
    # of channels that fill up. Elements that fill K up are codes of 0 on both sides: they count in no sum,
    # and the constants of the channels know the true K.
    tiles = whole.reshape(n // shape.rows, shape.rows, c // shape.columns, shape.columns)
    rows = pack_lanes(tiles.transpose(0, 2, 1, 3).reshape(-1, shape.columns), shape.value_bits)
    return [(values, place % shape.rows == shape.rows - 1) for place, values in enumerate(rows)]


def _channels(w: BinaryOperand, shape: BinaryShape, tiles: int) -> list[int]:
    """Zero point and `K * zw - sum(w)` of every channel of a tile."""
    zeros = _padded(w.row_zeros, tiles * shape.columns)
    terms = _padded(w.length * w.row_zeros - w.sums, tiles * shape.columns)
    mask = (1 << shape.zero_bits) - 1
    joined = (zeros & mask) | terms << shape.zero_bits
    return pack_lanes(joined.reshape(tiles, -1), shape.zero_bits + shape.term_bits)


def _padded(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.concatenate([values, np.zeros(size - len(values), np.int64)])


def _words(operand: BinaryOperand, rows: int, lanes: int, groups: int, rate: int) -> list[list[list[int]]]:
    """For each tile and block the words of all groups: row 0 lowest, in it the least significant plane."""
    planes = blocks(operand.words, rate, operand.format.signed)
    bits = np.unpackbits(np.ascontiguousarray(planes).view(np.uint8), axis=-1, bitorder="little")
    tiles = -(-operand.rows // rows)
    whole = np.zeros((*planes.shape[:2], tiles * rows, groups * lanes), np.uint8)
    whole[:, :, : operand.rows, : operand.length] = bits[..., : operand.length]
    split = whole.reshape(*planes.shape[:2], tiles, rows, groups, lanes)
    ordered = split.transpose(2, 0, 4, 3, 1, 5)  # [tiles, blocks, groups, rows, rate, lanes]
    return [[pack_lanes(block.reshape(groups, -1), 1) for block in tile] for tile in ordered]


def _flat(words: list[list[list[int]]]) -> list[int]:
    return [word for tile in words for block in tile for word in block]


def _packed(w: BinaryOperand, shape: BinaryShape, groups: int) -> list[int]:
    """A word a group: packed codes of all columns."""
    tiles = -(-w.rows // shape.columns)
    codes = np.zeros((tiles * shape.columns, groups * shape.lanes), np.int16)
    codes[: w.rows, : w.length] = w.codes
    parts = BinaryOperand(codes.reshape(-1, shape.lanes), w.format).packed
    split = parts.reshape(tiles, shape.columns, groups, -1).transpose(0, 2, 1, 3)
    return pack_lanes(split.reshape(tiles * groups, -1), 7)


def _joined(fields: dict[str, Any], bits: dict[str, int]) -> int:
    word = place = 0
    for name, width in bits.items():
        word |= int(fields[name]) << place
        place += width
    return word
