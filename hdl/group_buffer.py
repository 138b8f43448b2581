"""Results collected into groups: column tiles of an array become groups along the next product's K."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .array import array_results_layout
from .array_column import ArrayParameters
from .memory import SyncMemory
from .modules import NamedComponent
from .plane_store import COUNT_BITS
from .walker import Loop, nest

__all__ = ["GroupBuffer", "GroupBufferParameters", "collect_job_layout", "collected_layout"]


@dataclass(frozen=True, kw_only=True)
class GroupBufferParameters:
    """Everything that shapes a group buffer.

    Parameters
    ----------
    array : ArrayParameters
        Its columns divide the group, and its results are of 16 bits.
    group : int
        Channels of a group of the next product.

    Raises
    ------
    ValueError
        The columns do not divide the group, or results are of 32 bits.
    """

    array: ArrayParameters
    group: int = 64

    def __post_init__(self) -> None:
        if self.group % self.array.columns:
            raise ValueError(
                f"the {self.array.columns} columns of an array must divide a group of {self.group}, "
                "so that whole column tiles fill it"
            )
        if self.array.output != "fp16":
            raise ValueError(f"groups are collected of fp16 results, not of {self.array.output}")

    @property
    def tiles(self) -> int:
        """Column tiles that fill a group."""
        return self.group // self.array.columns

    @property
    def part_bits(self) -> int:
        """Width of the results of one row in one column tile."""
        return 16 * self.array.columns

    @property
    def words(self) -> int:
        """Words of the memory: two groups of every row."""
        return max(2 * self.array.sharing * self.tiles, 2)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        a = self.array
        return f"{self.group}_{a.rows}x{a.columns}_s{a.sharing}"


def collect_job_layout(parameters: GroupBufferParameters) -> data.StructLayout:
    """A product `[N, C]`; every count is at least 1.

    `row_tiles`: `ceil(N / rows)`; `last_rows`: how many rows the last of them has. `groups`:
    `ceil(C / group)`; `last_tiles`: how many column tiles the last of them has.
    """
    p = parameters
    return data.StructLayout(
        {
            "row_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "last_tiles": Interval(0, p.tiles).bits,
            "last_rows": Interval(0, p.array.rows).bits,
        }
    )


def collected_layout(parameters: GroupBufferParameters) -> data.StructLayout:
    """One row's results of one column tile, column 0 in the least significant bits.

    `first` and `last` mark the tiles of one group. `blank`: the tile is beyond the end of the product, its
    values are 0. `row`: of the row tile.
    """
    p = parameters
    row = Interval(0, p.array.rows - 1).bits
    return data.StructLayout(
        {"values": p.part_bits, "row": max(row, 1), "first": 1, "last": 1, "blank": 1},
    )


class GroupBuffer(NamedComponent):
    """A memory of two groups for each row of the array: one fills while the other leaves.

    An array of `columns` columns gives a row's results of so many channels; a group of the next product has
    `group` channels. `group / columns` column tiles are kept here, and leave row by row, so that one
    compressor lane serves all rows. A tile that is missing at the end of a row leaves as zeros; rows beyond
    the end of the product are left out.

    Parameters
    ----------
    parameters : GroupBufferParameters

    Members
    -------
    job : In(stream.Signature(collect_job_layout(parameters)))
        Taken when the job before has left.
    results : In(stream.Signature(array_results_layout(array), always_ready=True))
        From the array.
    room : Out(1)
        There is room for one tile more than was promised.
    promised : In(1)
        From the array.
    parts : Out(stream.Signature(collected_layout(parameters)))
        For each row tile, for each group, for each row its column tiles.
    """

    job: stream.Interface
    results: stream.Interface
    room: Signal
    promised: Signal
    parts: stream.Interface

    def __init__(self, parameters: GroupBufferParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(collect_job_layout(p))),
                "results": In(stream.Signature(array_results_layout(p.array), always_ready=True)),
                "room": Out(1),
                "promised": In(1),
                "parts": Out(stream.Signature(collected_layout(p))),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_group_buffer_{self.parameters.name}"

    def build(self) -> Module:
        """The memory between its two sides."""
        m = Module()
        p = self.parameters
        a = p.array
        width = a.banks * p.part_bits
        m.submodules.content = content = SyncMemory(depth=p.words, width=width)
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        busy, start = Signal(), Signal()
        m.d.comb += [self.job.ready.eq(~busy), start.eq(self.job.valid & ~busy)]
        with m.If(start):
            m.d.sync += kept.eq(given.as_value())
        # For each half whether it is promised to the array, and whether all of it is there.
        used, full = Signal(2), Signal(2)
        opened = self._promise(m, job, used, start)
        filled = self._fill(m, job, content)
        freed, done = self._leave(m, job, content, full)
        m.d.sync += [
            used.eq((used & ~freed) | opened),
            full.eq((full & ~freed) | filled),
            busy.eq(start | (busy & ~done)),
        ]
        return m

    def _tiles(
        self, m: Module, job: data.View[data.StructLayout], side: str, step: Value
    ) -> tuple[Loop, Value, Value]:
        """Count column tiles as they come: the tile of a group, and the half it belongs to.

        Returns
        -------
        Loop, Value, Value
            The tile, which half is counted, and whether this is the end of a row tile.
        """
        p = self.parameters
        tiles = Signal(len(job.last_tiles), name=f"{side}_tiles")
        tile = Loop(m, f"{side}_tile", tiles)
        group = Loop(m, f"{side}_group", job.groups)
        m.d.comb += tiles.eq(Mux(group.is_last, job.last_tiles, p.tiles))
        _, next_group = nest(m, [tile, group], step)
        half = Signal(name=f"{side}_half")
        with m.If(next_group):
            m.d.sync += half.eq(~half)
        return tile, half, next_group & group.is_last

    def _promise(self, m: Module, job: data.View[data.StructLayout], used: Value, start: Value) -> Value:
        """Grant room for the tiles of the job; which half is taken into use."""
        tile, half, next_row_tile = self._tiles(m, job, "promised", self.promised)
        row_tile = Loop(m, "promised_row_tile", job.row_tiles)
        granting = Signal()
        with m.If(next_row_tile):
            row_tile.step(m)
        m.d.sync += granting.eq(start | (granting & ~(next_row_tile & row_tile.is_last)))
        m.d.comb += self.room.eq(granting & (tile.index.any() | ~Mux(half, used[1], used[0])))
        return _half(half, self.promised)

    def _fill(self, m: Module, job: data.View[data.StructLayout], content: SyncMemory) -> Value:
        """Write what comes; which half is complete."""
        slots = self.parameters.array.sharing
        slot: Value = self.results.payload.slot if slots > 1 else Const(0, 1)
        complete = Signal(name="tile_complete")
        tile, half, _ = self._tiles(m, job, "filled", complete)
        m.d.comb += [
            complete.eq(self.results.valid & (slot == slots - 1)),
            content.write.eq(self.results.valid),
            content.write_address.eq(self._address(half, slot, tile.index)),
            content.write_word.eq(self.results.payload.values),
        ]
        return _half(half, complete & tile.is_last)

    def _leave(
        self, m: Module, job: data.View[data.StructLayout], content: SyncMemory, full: Value
    ) -> tuple[Value, Value]:
        """Read row by row; which half is free again, and whether the job has left."""
        p, a = self.parameters, self.parameters.array
        advance, there = Signal(), Signal()
        tile = Loop(m, "tile", Const(p.tiles))
        rows = Signal(len(job.last_rows))
        row = Loop(m, "row", rows)
        group = Loop(m, "group", job.groups)
        row_tile = Loop(m, "row_tile", job.row_tiles)
        m.d.comb += rows.eq(Mux(row_tile.is_last, job.last_rows, a.rows))
        _, _, next_group, next_row_tile = nest(m, [tile, row, group, row_tile], advance)
        half = Signal(name="leaving_half")
        with m.If(next_group):
            m.d.sync += half.eq(~half)
        bank, slot = self._place(row.index)
        m.d.comb += [
            advance.eq(Mux(half, full[1], full[0]) & (~there | self.parts.ready)),
            self.parts.valid.eq(there),
            content.read.eq(advance),
            content.read_address.eq(self._address(half, slot, tile.index)),
        ]
        with m.If(advance | self.parts.ready):
            m.d.sync += there.eq(advance)
        read_bank = Signal(range(a.banks), reset_less=True)
        out = self.parts.payload
        told = Signal(len(out.as_value()) - p.part_bits, name="told", reset_less=True)
        blank = Signal(name="beyond")
        m.d.comb += blank.eq(group.is_last & (tile.index >= job.last_tiles))
        with m.If(advance):
            m.d.sync += [
                read_bank.eq(bank),
                told.eq(Cat(row.index[: len(out.row)], ~tile.index.any(), tile.is_last, blank)),
            ]
        part = Array(content.word.word_select(bank, p.part_bits) for bank in range(a.banks))[read_bank]
        m.d.comb += out.as_value().eq(Cat(part & (~told[-1]).replicate(p.part_bits), told))
        return _half(half, next_group), next_row_tile & row_tile.is_last

    def _place(self, row: Value) -> tuple[Value, Value]:
        """The bank and the slot of a row: a table, as `sharing` need not be a power of two."""
        sharing = self.parameters.array.sharing
        rows = range(self.parameters.array.rows)
        banks = Array(Const(r // sharing, range(rows[-1] // sharing + 1)) for r in rows)
        slots = Array(Const(r % sharing, range(sharing)) for r in rows)
        return banks[row], slots[row]

    def _address(self, half: Value, slot: Value, tile: Value) -> Value:
        """Where a tile of a row is: halves, then slots, then tiles."""
        p = self.parameters
        address = (half * p.array.sharing + slot) * p.tiles + tile
        return address[: (p.words - 1).bit_length()]


def _half(half: Value, happens: Value) -> Value:
    """One bit for each half: the one it happens to."""
    return Cat(happens & ~half, happens & half)
