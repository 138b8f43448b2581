"""The activation buffer: planes and exponents of whole tensors, read in the order the array takes them."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.anda import EXPONENTS
from golden.interval import Interval

from .memory import SyncMemory
from .modules import NamedComponent
from .walker import Loop, nest

__all__ = ["COUNT_BITS", "PlaneStore", "PlaneStoreParameters", "plane_job_layout", "stored_planes_layout"]

#: Width of the numbers of tiles in a job.
COUNT_BITS = 16


@dataclass(frozen=True, kw_only=True)
class PlaneStoreParameters:
    """Everything that shapes an activation buffer.

    Parameters
    ----------
    rows : int
        Rows of the array: groups side by side in a word.
    lanes : int
        Elements of a group.
    words : int
        Plane words of all rows.
    groups : int
        Exponent words of all rows: one a group, however many planes it has.
    max_planes : int
        Most words a group may occupy.

    Raises
    ------
    ValueError
        A memory of fewer than two words.
    """

    rows: int
    lanes: int = 64
    words: int = 1024
    groups: int = 256
    max_planes: int = 17

    def __post_init__(self) -> None:
        for name in ("words", "groups"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, not {getattr(self, name)}")

    @property
    def word_address(self) -> Interval:
        """Every address of a plane word."""
        return Interval(0, self.words - 1)

    @property
    def group_address(self) -> Interval:
        """Every address of an exponent word."""
        return Interval(0, self.groups - 1)

    @property
    def planes(self) -> Interval:
        """Words that a group may occupy."""
        return Interval(0, self.max_planes)

    @property
    def row_count(self) -> Interval:
        """Rows that a tile may have."""
        return Interval(0, self.rows)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        return f"{self.rows}x{self.lanes}_{self.words}_{self.groups}_p{self.max_planes}"


def plane_job_layout(parameters: PlaneStoreParameters) -> data.StructLayout:
    """A tensor `[N, K]` to be multiplied by a matrix of `[C, K]`; every count is at least 1.

    `base` and `exponent_base`: where it begins. `row_tiles`: `ceil(N / rows)`; `last_rows`: how many rows the
    last of them has. `column_tiles`: how often each row tile is read. `groups`: of a row. `planes`: of a
    group.
    """
    p = parameters
    return data.StructLayout(
        {
            "base": p.word_address.bits,
            "exponent_base": p.group_address.bits,
            "row_tiles": COUNT_BITS,
            "column_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "planes": p.planes.bits,
            "last_rows": p.row_count.bits,
        }
    )


def stored_planes_layout(parameters: PlaneStoreParameters) -> data.StructLayout:
    """What the array takes in one cycle, with one plane a cycle (`hdl.array.array_planes_layout`)."""
    p = parameters
    return data.StructLayout(
        {
            "words": p.rows * p.lanes,
            "exponents": p.rows * EXPONENTS.bits,
            "first": 1,
            "last": 1,
            "tile_last": 1,
        }
    )


class PlaneStore(NamedComponent):
    """Plane words and exponents in memories of their own, and the addresses of a matrix product.

    Word `p` of group `g` of row tile `t` is at `base + (t * groups + g) * planes + p` (contract, section 3),
    its exponents at `exponent_base + t * groups + g`, those of all rows of the tile side by side. The number
    of planes changes addresses and nothing else. No address is multiplied: pointers advance and return.

    Reading takes a cycle; from then on a word leaves in every cycle that it is taken. Rows beyond the end of
    the tensor read as groups of zeros, whatever the memories hold there.

    Parameters
    ----------
    parameters : PlaneStoreParameters

    Members
    -------
    job : In(stream.Signature(plane_job_layout(parameters)))
        Taken when the job before has left.
    planes : Out(stream.Signature(stored_planes_layout(parameters)))
        For each row tile, for each column tile, for each group its planes.
    write, write_address, write_word : In
        Which rows of a plane word to write, and with what, row 0 in the least significant bits.
    write_exponents, write_group, write_exponent : In
        Which rows of an exponent word to write, and with what.
    """

    job: stream.Interface
    planes: stream.Interface
    write: Signal
    write_address: Signal
    write_word: Signal
    write_exponents: Signal
    write_group: Signal
    write_exponent: Signal

    def __init__(self, parameters: PlaneStoreParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(plane_job_layout(p))),
                "planes": Out(stream.Signature(stored_planes_layout(p))),
                "write": In(p.rows),
                "write_address": In(p.word_address.bits),
                "write_word": In(p.rows * p.lanes),
                "write_exponents": In(p.rows),
                "write_group": In(p.group_address.bits),
                "write_exponent": In(p.rows * EXPONENTS.bits),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_plane_store_{self.parameters.name}"

    def build(self) -> Module:
        """Two memories, the loops, and the register that goes with what is read."""
        m = Module()
        p = self.parameters
        m.submodules.words = words = SyncMemory(depth=p.words, width=p.rows * p.lanes, parts=p.rows)
        m.submodules.exponents = exponents = SyncMemory(
            depth=p.groups, width=p.rows * EXPONENTS.bits, parts=p.rows
        )
        m.d.comb += [
            words.write.eq(self.write),
            words.write_address.eq(self.write_address),
            words.write_word.eq(self.write_word),
            exponents.write.eq(self.write_exponents),
            exponents.write_address.eq(self.write_group),
            exponents.write_word.eq(self.write_exponent),
        ]
        walking, advance, there = Signal(), Signal(), Signal()
        m.d.comb += [
            advance.eq(walking & (~there | self.planes.ready)),
            words.read.eq(advance),
            exponents.read.eq(advance),
            self.planes.valid.eq(there),
            self.job.ready.eq(~walking & ~there),
        ]
        with m.If(advance | self.planes.ready):
            m.d.sync += there.eq(advance)
        self._walk(m, walking, advance, words, exponents)
        return m

    def _walk(
        self, m: Module, walking: Signal, advance: Value, words: SyncMemory, exponents: SyncMemory
    ) -> None:
        """The loops over a job, and what they tell of each word."""
        p = self.parameters
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        plane = Loop(m, "plane", job.planes)
        group = Loop(m, "group", job.groups)
        column_tile = Loop(m, "column_tile", job.column_tiles)
        row_tile = Loop(m, "row_tile", job.row_tiles)
        _, next_group, next_tile, next_row_tile = nest(m, [plane, group, column_tile, row_tile], advance)
        done = next_row_tile & row_tile.is_last
        # Whether the row beyond the end of the tensor is, in the last row tile.
        beyond = Signal(p.rows, reset_less=True)
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [
                kept.eq(given.as_value()),
                walking.eq(1),
                beyond.eq(Cat(given.last_rows <= row for row in range(p.rows))),
            ]
        with m.Elif(done):
            m.d.sync += walking.eq(0)
        start = self.job.valid & self.job.ready
        back = next_tile & ~column_tile.is_last
        for memory, step, base in (
            (words, advance, given.base),
            (exponents, next_group, given.exponent_base),
        ):
            self._point(m, memory, start, base, step, back, next_row_tile)
        blank = Signal(p.rows, reset_less=True)
        first, last, tile_last = (
            Signal(name=f"read_{n}", reset_less=True) for n in ("first", "last", "tile")
        )
        with m.If(advance):
            m.d.sync += [
                first.eq(~plane.index.any()),
                last.eq(plane.is_last),
                tile_last.eq(group.is_last),
                blank.eq(Mux(row_tile.is_last, beyond, 0)),
            ]
        rows = [words.word.word_select(row, p.lanes) for row in range(p.rows)]
        m.d.comb += [
            self.planes.payload.words.eq(
                Cat(word & (~blank[row]).replicate(p.lanes) for row, word in enumerate(rows))
            ),
            self.planes.payload.exponents.eq(
                Cat(
                    Mux(blank[row], EXPONENTS.min, exponents.word.word_select(row, EXPONENTS.bits))
                    for row in range(p.rows)
                )
            ),
            self.planes.payload.first.eq(first),
            self.planes.payload.last.eq(last),
            self.planes.payload.tile_last.eq(tile_last),
        ]

    def _point(
        self,
        m: Module,
        memory: SyncMemory,
        start: Value,
        base: Value,
        step: Value,
        back: Value,
        on: Value,
    ) -> None:
        """The pointer into one memory: one on with each step, back to the row tile's begin for every column
        tile but the last.
        """
        bits = len(memory.read_address)
        pointer = Signal(bits, name=f"pointer_{memory.width}", reset_less=True)
        begin = Signal(bits, name=f"begin_{memory.width}", reset_less=True)
        following = (pointer + 1)[:bits]
        m.d.comb += memory.read_address.eq(pointer)
        with m.If(start):
            m.d.sync += [pointer.eq(base), begin.eq(base)]
        with m.Elif(back):
            m.d.sync += pointer.eq(begin)
        with m.Elif(step):
            m.d.sync += pointer.eq(following)
            with m.If(on):
                m.d.sync += begin.eq(following)
