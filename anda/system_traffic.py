"""Traffic and cycles of whole linear layers on one engine: what an energy or time model of a system counts.

A layer `[N, K] x [K, C]` is cut into products that the engine's buffers hold, each one job:

1. **Row blocks** hold as many whole row tiles (`rows` tokens, all of K) as the activation buffer takes;
   **column blocks** as many whole column tiles (`columns` channels, all of K) as the weight buffer takes. The
   array is output stationary, so K is never cut and no partial sums move.
2. The loops over the blocks are in one of two orders. `activations stay`: for each row block, all column
   blocks pass by; activations are read from DRAM once, weights once for each row block. `weights stay`: the
   other way round. A matrix that its buffer holds whole is read once in either. Each layer gets the order
   that reads fewer bytes; `activations stay` if they are equal.
3. In a job the engine's own loops run: row tiles, column tiles, groups, planes (docs/engine.md). So for each
   row tile and column tile all their groups are read from both buffers.
4. Results pass the group buffer and go to DRAM once: those of `up_gate` behind the elementwise unit, as the
   groups that `down` reads; all others as FP16, which is what attention, norms and residual sums take.

Cycles are those of the engine's cycle model for each job, jobs following each other. DRAM takes no time here:
its transfers run beside the products, and `bytes / cycles` says what bandwidth that asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import Literal

from anda.models import Layer
from anda.system_cycles import steady_cycles
from hdl.engine import EngineParameters
from sim.cycles import Product
from sim.engine_jobs import tiled

__all__ = ["LayerPlan", "LayerTraffic", "System", "plan_layer"]

Order = Literal["activations stay", "weights stay"]

WEIGHT_BITS, SCALE_BITS, SCALE_BLOCK = 4, 16, 128
"""INT4 with an FP16 scale per 128 in DRAM. The weight buffer has a scale for every group."""

FP16_BYTES = 2


@dataclass(frozen=True)
class LayerTraffic:
    """Bytes that move, and the time and the work meanwhile; sums with `+`, and repeats with `*`.

    Attributes
    ----------
    dram_read_bytes, dram_write_bytes : int
    sram_read_bytes, sram_write_bytes : int
        Of the activation, weight and group buffers.
    cycles : int
        Of the array.
    macs : int
        Multiplications of an activation by a weight, padding not counted.
    """

    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    sram_read_bytes: int = 0
    sram_write_bytes: int = 0
    cycles: int = 0
    macs: int = 0

    @property
    def dram_bytes(self) -> int:
        """Both directions."""
        return self.dram_read_bytes + self.dram_write_bytes

    @property
    def sram_bytes(self) -> int:
        """Both directions."""
        return self.sram_read_bytes + self.sram_write_bytes

    def __add__(self, other: LayerTraffic) -> LayerTraffic:
        return LayerTraffic(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, times: int) -> LayerTraffic:
        return LayerTraffic(*(getattr(self, f.name) * times for f in fields(self)))


@dataclass(frozen=True)
class System:
    """An engine and the form in which activations are stored.

    Parameters
    ----------
    name : str
    engine : EngineParameters
        With the buffers of the system; its time is that of `sim.cycles`.
    added_words : int
        Words of a group besides those of the mantissa: 1 for a sign plane.
    exponent_bits : int
        Of a group.
    always : int, optional
        Words of a group whatever the mantissa length, such as 16 for FP16.
    """

    name: str
    engine: EngineParameters
    added_words: int = 0
    exponent_bits: int = 5
    always: int | None = None

    def words(self, length: int) -> int:
        """Words of a group, each a bit of every element; also the cycles that a group takes."""
        return self.always or length + self.added_words

    def activation_bytes(self, n: int, k: int, length: int) -> int:
        """A tensor `[N, K]` in DRAM, packed without gaps."""
        lanes = self.engine.array.pe.lanes
        groups, _ = tiled(k, lanes)
        return _bytes(n * groups * (self.words(length) * lanes + self.exponent_bits))

    def row_tiles(self, k: int, length: int) -> int:
        """Row tiles that the activation buffer holds."""
        groups, _ = tiled(k, self.engine.array.pe.lanes)
        held = min(
            self.engine.plane_words // (groups * self.words(length)), self.engine.plane_groups // groups
        )
        if not held:
            raise ValueError(
                f"the activation buffer of {self.name} must hold a row tile, which with K = {k} is "
                f"{groups * self.words(length)} words, but it has {self.engine.plane_words}"
            )
        return held

    def column_tiles(self, k: int) -> int:
        """Column tiles that the weight buffer holds."""
        words = self._column_tile_words(k)
        held = self.engine.weight_words // words
        if not held:
            raise ValueError(
                f"the weight buffer of {self.name} must hold a column tile, which with K = {k} is "
                f"{words} words, but it has {self.engine.weight_words}"
            )
        return held

    def column_tile_bytes(self, k: int) -> int:
        """A column tile in the weight buffer."""
        return self._column_tile_words(k) * _bytes(self.engine.weights.word_bits)

    def group_read_bytes(self, length: int) -> int:
        """What the array reads of the activation buffer for a group of all rows."""
        array = self.engine.array
        return _bytes(array.rows * (self.words(length) * array.pe.lanes + self.exponent_bits))

    def _column_tile_words(self, k: int) -> int:
        array = self.engine.array
        return tiled(k, array.pe.lanes)[0] * (array.columns // array.columns_per_load)


@dataclass(frozen=True)
class LayerPlan:
    """How one layer runs, and what moves.

    Attributes
    ----------
    order : str
    row_blocks, column_blocks : int
        Their product is the number of jobs.
    beats : int
        Cycles in which the array takes planes.
    activations, weights, results : LayerTraffic
        What moves, by operand.
    array : LayerTraffic
        Cycles and multiplications.
    """

    order: Order
    row_blocks: int
    column_blocks: int
    beats: int
    activations: LayerTraffic
    weights: LayerTraffic
    results: LayerTraffic
    array: LayerTraffic

    @property
    def total(self) -> LayerTraffic:
        """Everything."""
        return reduce(add, (self.activations, self.weights, self.results, self.array))


def plan_layer(
    system: System, layer: Layer, n: int, length: int, next_length: int | None = None
) -> LayerPlan:
    """Cycles and traffic of one linear layer.

    Parameters
    ----------
    system : System
    layer : Layer
    n : int
        Tokens.
    length : int
        Mantissa bits of its activations.
    next_length : int, optional
        Mantissa bits of its results, if they leave as groups of the next layer; otherwise they leave as FP16.

    Raises
    ------
    ValueError
        A tile does not fit its buffer.
    """
    array = system.engine.array
    row_tiles, _ = tiled(n, array.rows)
    column_tiles, _ = tiled(layer.c, array.columns)
    groups, _ = tiled(layer.k, array.pe.lanes)
    row_blocks, _ = tiled(row_tiles, system.row_tiles(layer.k, length))
    column_blocks, _ = tiled(column_tiles, system.column_tiles(layer.k))
    activation_bytes = system.activation_bytes(n, layer.k, length)
    weight_bytes = _bytes(layer.c * (layer.k * WEIGHT_BITS + tiled(layer.k, SCALE_BLOCK)[0] * SCALE_BITS))
    order, activation_loads, weight_loads = _order(activation_bytes, weight_bytes, row_blocks, column_blocks)
    cycles = beats = 0
    for times, product in _jobs(system, layer, n, length):
        found = steady_cycles(system.engine, product)
        cycles += times * found.total
        beats += times * found.beats
    leaving = (
        n * layer.outputs * FP16_BYTES
        if next_length is None
        else system.activation_bytes(n, layer.outputs, next_length)
    )
    tiles = row_tiles * column_tiles
    return LayerPlan(
        order=order,
        row_blocks=row_blocks,
        column_blocks=column_blocks,
        beats=beats,
        activations=LayerTraffic(
            dram_read_bytes=activation_loads * activation_bytes,
            sram_write_bytes=activation_loads * activation_bytes,
            sram_read_bytes=tiles * groups * system.group_read_bytes(length),
        ),
        weights=LayerTraffic(
            dram_read_bytes=weight_loads * weight_bytes,
            sram_write_bytes=weight_loads * column_tiles * system.column_tile_bytes(layer.k),
            sram_read_bytes=tiles * system.column_tile_bytes(layer.k),
        ),
        results=LayerTraffic(
            dram_write_bytes=leaving,
            sram_write_bytes=n * layer.c * FP16_BYTES,
            sram_read_bytes=n * layer.c * FP16_BYTES,
        ),
        array=LayerTraffic(cycles=cycles, macs=layer.macs(n)),
    )


def _order(
    activation_bytes: int, weight_bytes: int, row_blocks: int, column_blocks: int
) -> tuple[Order, int, int]:
    """The order, and how often activations and weights are read from DRAM."""
    weight_loads = row_blocks if column_blocks > 1 else 1
    activation_loads = column_blocks if row_blocks > 1 else 1
    if activation_bytes + weight_loads * weight_bytes <= activation_loads * activation_bytes + weight_bytes:
        return "activations stay", 1, weight_loads
    return "weights stay", activation_loads, 1


def _jobs(system: System, layer: Layer, n: int, length: int) -> Iterator[tuple[int, Product]]:
    """The products that a layer consists of, and how often each occurs."""
    array = system.engine.array
    rows = _blocks(n, system.row_tiles(layer.k, length) * array.rows)
    columns = _blocks(layer.c, system.column_tiles(layer.k) * array.columns)
    for row_times, own_n in rows:
        for column_times, own_c in columns:
            yield row_times * column_times, Product(own_n, layer.k, own_c, system.words(length))


def _blocks(size: int, block: int) -> list[tuple[int, int]]:
    """Blocks of equal size, and the rest: how often, and how large."""
    whole, rest = divmod(size, block)
    return [each for each in ((whole, block), (1, rest)) if all(each)]


def _bytes(bits: int) -> int:
    return -(-bits // 8)
