"""Compressed groups on their way into the activation buffer."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.anda import EXPONENTS

from .modules import NamedComponent
from .plane_store import COUNT_BITS, PlaneStoreParameters
from .walker import Loop, nest

__all__ = ["PlaneWriter", "compressed_layout", "write_job_layout"]


def write_job_layout(parameters: PlaneStoreParameters) -> data.StructLayout:
    """A tensor `[N, K]` to be stored; every count is at least 1.

    `base` and `exponent_base`: where it begins. `row_tiles`: `ceil(N / rows)`; `last_rows`: how many rows the
    last of them has. `groups`: of a row. `by_rows`: for each row of a tile come all its groups; otherwise for
    each group come all rows of the tile.
    """
    p = parameters
    return data.StructLayout(
        {
            "base": p.word_address.bits,
            "exponent_base": p.group_address.bits,
            "row_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "last_rows": p.row_count.bits,
            "by_rows": 1,
        }
    )


def compressed_layout(parameters: PlaneStoreParameters) -> data.StructLayout:
    """One plane of one group with the shared exponent (`hdl.compressor.planes_layout` of one lane)."""
    return data.StructLayout({"word": parameters.lanes, "exponent": EXPONENTS.bits, "first": 1, "last": 1})


class PlaneWriter(NamedComponent):
    """Gives every plane of a tensor its place: the row of a word, and the word.

    The place is that of the contract, section 3, as `PlaneStore` reads it. Words beyond the tensor are left
    as they are.

    Parameters
    ----------
    parameters : PlaneStoreParameters

    Members
    -------
    job : In(stream.Signature(write_job_layout(parameters)))
        Taken when all planes of the job before have come.
    planes : In(stream.Signature(compressed_layout(parameters)))
        The planes of the groups in the order of the job.
    write, write_address, write_word, write_exponents, write_group, write_exponent : Out
        To the store.
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
                "job": In(stream.Signature(write_job_layout(p))),
                "planes": In(stream.Signature(compressed_layout(p))),
                "write": Out(p.rows),
                "write_address": Out(p.word_address.bits),
                "write_word": Out(p.rows * p.lanes),
                "write_exponents": Out(p.rows),
                "write_group": Out(p.group_address.bits),
                "write_exponent": Out(p.rows * EXPONENTS.bits),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_plane_writer_{self.parameters.name}"

    def build(self) -> Module:
        """The loops over a job: a block of groups is written once for every row of its tile.

        By rows a block is all groups of a tile; otherwise it is one group.
        """
        m = Module()
        p = self.parameters
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        busy, start, step = Signal(), Signal(), Signal()
        inside, blocks = Signal(COUNT_BITS), Signal(COUNT_BITS)
        rows = Signal(p.row_count.bits)
        group = Loop(m, "group_of_block", inside)
        row = Loop(m, "row", rows)
        block = Loop(m, "block", blocks)
        row_tile = Loop(m, "row_tile", job.row_tiles)
        next_group = Signal()
        _, next_row, next_block, next_tile = nest(m, [group, row, block, row_tile], next_group)
        m.d.comb += [
            self.job.ready.eq(~busy),
            start.eq(self.job.valid & ~busy),
            self.planes.ready.eq(busy),
            step.eq(self.planes.valid & busy),
            next_group.eq(step & self.planes.payload.last),
            inside.eq(Mux(job.by_rows, job.groups, 1)),
            blocks.eq(Mux(job.by_rows, 1, job.groups)),
            rows.eq(Mux(row_tile.is_last, job.last_rows, p.rows)),
        ]
        with m.If(start):
            m.d.sync += kept.eq(given.as_value())
        m.d.sync += busy.eq(start | (busy & ~(next_tile & row_tile.is_last)))

        word = Signal(p.word_address.bits, name="word", reset_less=True)
        exponent = Signal(p.group_address.bits, name="exponent", reset_less=True)
        back = next_row & ~row.is_last
        for pointer, advance, base in (
            (word, step, given.base),
            (exponent, next_group, given.exponent_base),
        ):
            begin = Signal(len(pointer), name=f"{pointer.name}_begin", reset_less=True)
            following = (pointer + 1)[: len(pointer)]
            with m.If(start):
                m.d.sync += [pointer.eq(base), begin.eq(base)]
            with m.Elif(back):
                m.d.sync += pointer.eq(begin)
            with m.Elif(advance):
                m.d.sync += pointer.eq(following)
                with m.If(next_block):
                    m.d.sync += begin.eq(following)

        chosen = Cat(row.index == number for number in range(p.rows))
        m.d.comb += [
            self.write.eq(Mux(step, chosen, 0)),
            self.write_address.eq(word),
            self.write_word.eq(self.planes.payload.word.replicate(p.rows)),
            self.write_exponents.eq(Mux(step & self.planes.payload.first, chosen, 0)),
            self.write_group.eq(exponent),
            self.write_exponent.eq(self.planes.payload.exponent.replicate(p.rows)),
        ]
        return m
