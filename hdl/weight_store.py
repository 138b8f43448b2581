"""The weight buffer: packed codes and scales of a whole matrix, read once for every row tile."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .array_column import ArrayParameters, weights_layout
from .memory import SyncMemory
from .modules import NamedComponent
from .plane_store import COUNT_BITS
from .walker import Loop, nest

__all__ = ["WeightStore", "WeightStoreParameters", "weight_job_layout"]


@dataclass(frozen=True, kw_only=True)
class WeightStoreParameters:
    """Everything that shapes a weight buffer.

    Parameters
    ----------
    array : ArrayParameters
        What is loaded, and for how many columns at a time.
    words : int
        Words: each has the weights and scales of `columns_per_load` columns for one group.

    Raises
    ------
    ValueError
        A memory of fewer than two words.
    """

    array: ArrayParameters
    words: int = 1024

    def __post_init__(self) -> None:
        if self.words < 2:
            raise ValueError(f"words must be at least 2, not {self.words}")

    @property
    def word_bits(self) -> int:
        """Width of a word."""
        return Shape.cast(weights_layout(self.array)).width * self.array.columns_per_load

    @property
    def address(self) -> Interval:
        """Every address."""
        return Interval(0, self.words - 1)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        a = self.array
        form = a.format.name.replace("-", "_") if a.format else f"{a.pe.level_bits}b"
        return f"{a.pe.lanes}x{form}_{a.columns_per_load}of{a.columns}_{self.words}"


def weight_job_layout(parameters: WeightStoreParameters) -> data.StructLayout:
    """A matrix `[C, K]`; every count is at least 1.

    `base`: where it begins. `row_tiles`: how often it is read. `column_tiles`: `ceil(C / columns)`;
    `last_columns`: how many columns the last of them has. `groups`: of a column.
    """
    p = parameters
    return data.StructLayout(
        {
            "base": p.address.bits,
            "row_tiles": COUNT_BITS,
            "column_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "last_columns": Interval(0, p.array.columns).bits,
        }
    )


class WeightStore(NamedComponent):
    """The words of a matrix one after the other: for each column tile, for each group, for each set of
    columns.

    Codes are stored as they are packed, of any format with integer levels; they are decoded at the elements.
    Columns beyond the end of the matrix get a scale of zero, so that nothing that the memory holds there can
    overflow.

    Parameters
    ----------
    parameters : WeightStoreParameters

    Members
    -------
    job : In(stream.Signature(weight_job_layout(parameters)))
        Taken when the job before has left.
    weights : Out(stream.Signature(data.ArrayLayout(weights_layout(array), columns_per_load)))
        As the array takes them.
    write, write_address, write_word : In
        A word to write.
    """

    job: stream.Interface
    weights: stream.Interface
    write: Signal
    write_address: Signal
    write_word: Signal

    def __init__(self, parameters: WeightStoreParameters):
        self.parameters = p = parameters
        layout = data.ArrayLayout(weights_layout(p.array), p.array.columns_per_load)
        super().__init__(
            {
                "job": In(stream.Signature(weight_job_layout(p))),
                "weights": Out(stream.Signature(layout)),
                "write": In(1),
                "write_address": In(p.address.bits),
                "write_word": In(p.word_bits),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_weight_store_{self.parameters.name}"

    def build(self) -> Module:
        """The memory, the loops, and the register that goes with what is read."""
        m = Module()
        p = self.parameters
        m.submodules.words = words = SyncMemory(depth=p.words, width=p.word_bits)
        walking, advance, there = Signal(), Signal(), Signal()
        start = Signal()
        m.d.comb += [
            words.write.eq(self.write),
            words.write_address.eq(self.write_address),
            words.write_word.eq(self.write_word),
            advance.eq(walking & (~there | self.weights.ready)),
            words.read.eq(advance),
            self.weights.valid.eq(there),
            self.job.ready.eq(~walking & ~there),
            start.eq(self.job.valid & self.job.ready),
        ]
        with m.If(advance | self.weights.ready):
            m.d.sync += there.eq(advance)
        self._walk(m, walking, start, advance, words)
        return m

    def _walk(self, m: Module, walking: Signal, start: Value, advance: Value, words: SyncMemory) -> None:
        """The loops over a job, the address, and the scales that count."""
        p, array = self.parameters, self.parameters.array
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        turns = array.columns // array.columns_per_load
        turn = Loop(m, "turn", Const(turns))
        group = Loop(m, "group", job.groups)
        column_tile = Loop(m, "column_tile", job.column_tiles)
        row_tile = Loop(m, "row_tile", job.row_tiles)
        *_, next_row_tile = nest(m, [turn, group, column_tile, row_tile], advance)
        with m.If(start):
            m.d.sync += [kept.eq(given.as_value()), walking.eq(1)]
        with m.Elif(next_row_tile & row_tile.is_last):
            m.d.sync += walking.eq(0)

        pointer = Signal(p.address.bits, reset_less=True)
        m.d.comb += words.read_address.eq(pointer)
        with m.If(start):
            m.d.sync += pointer.eq(given.base)
        with m.Elif(next_row_tile):
            m.d.sync += pointer.eq(job.base)
        with m.Elif(advance):
            m.d.sync += pointer.eq(pointer + 1)

        blank = Signal(array.columns_per_load, reset_less=True)
        with m.If(advance):
            m.d.sync += blank.eq(Mux(column_tile.is_last, self._beyond(turn.index, job.last_columns), 0))
        read = data.View(self.weights.payload.shape(), words.word)
        for place in range(array.columns_per_load):
            m.d.comb += [
                self.weights.payload[place].weights.eq(read[place].weights),
                self.weights.payload[place].scale.eq(
                    read[place].scale & (~blank[place]).replicate(len(read[place].scale))
                ),
            ]

    def _beyond(self, turn: Value, columns: Value) -> Value:
        """For each column of a word, whether it is beyond so many columns of the tile."""
        step = self.parameters.array.columns_per_load
        return Cat((turn * step + place) >= columns for place in range(step))
