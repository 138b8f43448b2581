"""The binary engine: memories of planes, a table of steps, and the loops that feed an array (contract, 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .binary_array import (
    BinaryArray,
    BinaryArrayParameters,
    array_flags,
    array_results_layout,
)
from .binary_weights import PLANES, BalancedPlanes, packed_bits
from .memory import SyncMemory
from .modules import NamedComponent
from .ranges import Ranged, wrap
from .walker import Loop, nest

__all__ = ["BinaryEngine", "BinaryEngineParameters", "binary_job_layout", "step_layout"]

#: Widths of the counts of a job.
_COUNT_BITS = 12


@dataclass(frozen=True, kw_only=True)
class BinaryEngineParameters:
    """Everything that shapes a binary engine.

    Parameters
    ----------
    array : BinaryArrayParameters
    activation_words, weight_words, channel_words, row_words : int
        Depths of the memories: blocks of planes of both sides, one word a group; constants of channels, one
        word a tile of columns; zero points of tokens, one word a tile of rows. At least 2.
    steps : int
        Entries of the table of steps, 2 to 64.
    packed : bool
        Weights of five levels, three to 7 bits in memory, three planes behind it.

    Raises
    ------
    ValueError
        A parameter is out of its range, or packed weights do not have three unsigned planes.
    """

    array: BinaryArrayParameters
    activation_words: int = 1024
    weight_words: int = 1024
    channel_words: int = 64
    row_words: int = 16
    steps: int = 64
    packed: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.steps <= 64:
            raise ValueError(f"steps must be from 2 to 64, not {self.steps}")
        element = self.array.element
        if self.packed and (element.weight_planes != PLANES or element.weights != "unsigned"):
            raise ValueError(
                f"packed weights have {PLANES} unsigned planes, "
                f"not {element.weight_planes} {element.weights} ones"
            )
        if self.packed and element.weight_planes_per_cycle not in (1, PLANES):
            raise ValueError(
                f"packed weights are taken 1 or {PLANES} planes a cycle, "
                f"not {element.weight_planes_per_cycle}"
            )

    @property
    def weight_word_bits(self) -> int:
        """Width of the weight memory: all columns."""
        element = self.array.element
        plain = element.lanes * element.weight_planes_per_cycle
        return self.array.columns * (packed_bits(element.lanes) if self.packed else plain)

    @property
    def activation_word_bits(self) -> int:
        """Width of the activation memory: all rows."""
        element = self.array.element
        return self.array.rows * element.lanes * element.activation_planes_per_cycle

    def memories(self) -> dict[str, tuple[int, int]]:
        """Depth and width of each memory by its name."""
        p = self.array
        found = {
            "activations": (self.activation_words, self.activation_word_bits),
            "weights": (self.weight_words, self.weight_word_bits),
            "steps": (self.steps, step_layout(self).size),
        }
        if p.zero_bits:
            found |= {
                "channels": (self.channel_words, p.columns * p.channel_bits),
                "row_zeros": (self.row_words, p.rows * p.zero_bits),
            }
        return found


def step_layout(parameters: BinaryEngineParameters) -> data.StructLayout:
    """An entry of the table of steps: where the blocks of both sides begin in a tile, and what is done.

    The fields of `golden.binary_order.Step`; `counts`: activations are added up, `count_first`: from 0 on.
    `plane`: which plane of packed weights, of those taken one a cycle.
    """
    p = parameters
    flags = ("shift", "adds", "activations_negative", "weights_negative", "counts", "count_first")
    return data.StructLayout(
        {
            "activation_offset": (p.activation_words - 1).bit_length(),
            "weight_offset": (p.weight_words - 1).bit_length(),
            "plane": 2,
            **dict.fromkeys(flags, 1),
        }
    )


def binary_job_layout(parameters: BinaryEngineParameters) -> data.StructLayout:
    """A product: groups along K, steps of the table, tiles, and words of a tile in both memories."""
    p = parameters
    counts = ("groups", "steps", "column_tiles", "row_tiles")
    return data.StructLayout(
        {
            **dict.fromkeys(counts, _COUNT_BITS),
            "activation_tile": (p.activation_words - 1).bit_length() + 1,
            "weight_tile": (p.weight_words - 1).bit_length() + 1,
        }
    )


class BinaryEngine(NamedComponent):
    """A matrix product of any bits by any bits from memory to integers: `sum_k (x - zx)(w - zw)`, exact.

    Loops, the fastest first: groups of lanes along K, steps of the table, tiles of columns, tiles of rows.
    Which planes meet in which order, and so how many planes either side has, is what the table says; the
    hardware is built for a rate of planes, not for a pair of widths. A cycle a beat, and none between tiles
    as long as a tile takes no fewer beats than its results take to leave.

    Parameters
    ----------
    parameters : BinaryEngineParameters

    Members
    -------
    write_<memory>, <memory>_address, <memory>_word : In
        For each of `parameters.memories()`: a word to write.
    job : In(stream.Signature(binary_job_layout(parameters)))
        Taken when the job before has left the loops.
    results : Out(stream.Signature(array_results_layout(array)))
        Tile by tile, row by row.
    idle : Out(1)
        Nothing is on its way to the array.
    beat : Out(1)
        The array takes a beat.
    """

    job: stream.Interface
    results: stream.Interface
    idle: Signal
    beat: Signal

    def __init__(self, parameters: BinaryEngineParameters):
        self.parameters = p = parameters
        ports: dict[str, Any] = {}
        for name, (depth, width) in p.memories().items():
            ports |= {
                f"write_{name}": In(1),
                f"{name}_address": In((depth - 1).bit_length()),
                f"{name}_word": In(width),
            }
        super().__init__(
            {
                **ports,
                "job": In(stream.Signature(binary_job_layout(p))),
                "results": Out(stream.Signature(array_results_layout(p.array))),
                "idle": Out(1),
                "beat": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        p = self.parameters
        depths = "_".join(str(depth) for depth, _ in p.memories().values())
        array = p.array.name.removeprefix("binary_")
        return f"anda_binary_engine_{array}_{depths}{'_packed' if p.packed else ''}"

    def build(self) -> Module:
        """Three stages that wait together: loops, then the step, then what it reads from memory."""
        m = Module()
        p = self.parameters
        m.submodules.array = array = BinaryArray(p.array)
        memories = {}
        for name, (depth, width) in p.memories().items():
            m.submodules[f"{name}_memory"] = memory = SyncMemory(depth=depth, width=width)
            m.d.comb += [
                memory.write.eq(getattr(self, f"write_{name}")),
                memory.write_address.eq(getattr(self, f"{name}_address")),
                memory.write_word.eq(getattr(self, f"{name}_word")),
            ]
            memories[name] = memory
        go, walking, fetched, there = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            go.eq(~there | array.beats.ready),
            array.beats.valid.eq(there),
            self.beat.eq(there & array.beats.ready),
            self.idle.eq(~(walking | fetched | there)),
            self.results.payload.eq(array.results.payload),
            self.results.valid.eq(array.results.valid),
            array.results.ready.eq(self.results.ready),
        ]
        with m.If(go):
            m.d.sync += [fetched.eq(walking), there.eq(fetched)]
        walk = self._walk(m, walking, go)
        m.d.comb += [memories["steps"].read_address.eq(walk.pop("step")), memories["steps"].read.eq(go)]

        # Second stage: the step is there, and with it the addresses.
        kept = {
            name: Signal.like(value, name=f"fetched_{name}", reset_less=True) for name, value in walk.items()
        }
        with m.If(go):
            m.d.sync += [kept[name].eq(value) for name, value in walk.items()]
        step = data.View(step_layout(p), memories["steps"].word)
        addresses = {
            "activations": kept["row_base"] + step.activation_offset + kept["group"],
            "weights": kept["column_base"] + step.weight_offset + kept["group"],
            "channels": kept["column_tile"],
            "row_zeros": kept["row_tile"],
        }
        for name, memory in memories.items():
            if name != "steps":
                # A job's words all lie in its memories, whose addresses may be narrower than its counts.
                address = wrap(Ranged.of(addresses[name]), len(memory.read_address), is_signed=False)
                m.d.comb += [memory.read_address.eq(address.value), memory.read.eq(go)]
        opening = kept["group"] == 0
        flags: dict[str, Value] = {
            "first": kept["opens"],
            "last": kept["ends"],
            "shift": step.shift & opening,
            "activations_negative": step.activations_negative,
            "weights_negative": step.weights_negative,
            "counts": step.counts,
            "count_first": step.count_first & opening,
            "count_shift": step.counts & ~step.count_first & opening,
        }
        # Third stage: words and flags are there together.
        beat = array.beats.payload
        for name in ("first", *array_flags(p.array), "last"):
            flag = Signal(name=f"beat_{name}", reset_less=True)
            with m.If(go):
                m.d.sync += flag.eq(flags[name])
            m.d.comb += beat[name].eq(flag)
        adds = Signal(reset_less=True)
        plane = Signal(2, reset_less=True)
        with m.If(go):
            m.d.sync += [adds.eq(step.adds), plane.eq(step.plane)]
        activations = memories["activations"].word
        m.d.comb += [
            beat.activations.eq(activations & adds.replicate(len(activations))),
            beat.weights.eq(self._weights(m, memories["weights"].word, plane)),
        ]
        if p.array.zero_bits:
            m.d.comb += [
                beat.row_zeros.eq(memories["row_zeros"].word),
                beat.channels.eq(memories["channels"].word),
            ]
        return m

    def _walk(self, m: Module, walking: Signal, go: Value) -> dict[str, Value]:
        """The loops of a job.

        Returns
        -------
        dict
            Indices, bases of the tiles, and whether this is the first and the last beat of a tile.
        """
        p = self.parameters
        given = self.job.payload
        held = Signal(len(given.as_value()), name="job_held", reset_less=True)
        job = data.View(given.shape(), held)
        group, step = Loop(m, "group", job.groups), Loop(m, "step", job.steps)
        column, row = Loop(m, "column_tile", job.column_tiles), Loop(m, "row_tile", job.row_tiles)
        advance, start = Signal(), Signal()
        m.d.comb += [
            advance.eq(walking & go),
            self.job.ready.eq(~walking),
            start.eq(self.job.valid & self.job.ready),
        ]
        _, _, next_column, next_row = nest(m, [group, step, column, row], advance)
        column_base = Signal((p.weight_words - 1).bit_length(), reset_less=True)
        row_base = Signal((p.activation_words - 1).bit_length(), reset_less=True)
        with m.If(start):
            m.d.sync += [held.eq(given.as_value()), walking.eq(1), column_base.eq(0), row_base.eq(0)]
        with m.Elif(next_column):
            m.d.sync += column_base.eq(Mux(column.is_last, 0, column_base + job.weight_tile))
            with m.If(next_row):
                m.d.sync += row_base.eq(row_base + job.activation_tile)
                with m.If(row.is_last):
                    m.d.sync += walking.eq(0)
        return {
            "step": step.index,
            "group": group.index,
            "column_tile": column.index,
            "row_tile": row.index,
            "column_base": column_base,
            "row_base": row_base,
            "opens": (group.index == 0) & (step.index == 0),
            "ends": group.is_last & step.is_last,
        }

    def _weights(self, m: Module, word: Value, plane: Value) -> Value:
        """Plane words of all columns: as they are in memory, or out of packed weights."""
        p = self.parameters
        element = p.array.element
        if not p.packed:
            return word
        found: list[Value] = []
        for column in range(p.array.columns):
            m.submodules[f"unpack_{column}"] = unpack = BalancedPlanes(element.lanes)
            m.d.comb += unpack.packed.eq(word.word_select(column, packed_bits(element.lanes)))
            if element.weight_planes_per_cycle == PLANES:
                found.append(unpack.planes)
                continue
            chosen: Value = Const(0, element.lanes)
            for number in range(PLANES):
                chosen = Mux(plane == number, unpack.planes.word_select(number, element.lanes), chosen)
            found.append(chosen)
        return Cat(*found)
