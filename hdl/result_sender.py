"""AXI4-Stream out of an accelerator: results in beats of a bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .axi_stream import axi_stream_signature, require_beat
from .group_buffer import GroupBufferParameters
from .modules import NamedComponent
from .plane_store import COUNT_BITS
from .walker import Loop, nest

__all__ = ["ResultSender", "send_job_layout"]


def send_job_layout(parameters: GroupBufferParameters) -> data.StructLayout:
    """A product `[N, C]` as `collect_job_layout` has it, and `last_columns` of the last column tile."""
    p = parameters
    return data.StructLayout(
        {
            "row_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "last_tiles": p.tiles.bit_length(),
            "last_rows": p.array.rows.bit_length(),
            "last_columns": p.array.columns.bit_length(),
        }
    )


class ResultSender(NamedComponent):
    """Parts of groups become beats of the bus.

    They leave in the order in which they come: for each row tile, for each group of channels, for each row.
    Such a row of a group begins with a new beat and has as many as its channels take; what its last beat has
    beyond them is zero. TLAST marks the last beat of the product.

    Parameters
    ----------
    bits : int
        Width of TDATA: a power of two from 64 to 1024, at most that of a group.
    parameters : GroupBufferParameters
        Of the buffer that the parts come from; its columns are a power of two.

    Members
    -------
    job : In(stream.Signature(send_job_layout(parameters)))
        Taken when the job before has left.
    parts : In(stream.Signature(data.StructLayout({"values": part_bits, "blank": 1})))
        What a `GroupBuffer` gives. Those that are blank are taken at any time, and dropped.
    m_axis : Out(axi_stream_signature(bits))
    """

    job: stream.Interface
    parts: stream.Interface
    m_axis: Any

    def __init__(self, bits: int, parameters: GroupBufferParameters):
        require_beat("the beats of results", bits)
        if bits > 16 * parameters.group:
            raise ValueError(
                f"a beat of results must be at most a group of {16 * parameters.group} bits, not {bits}"
            )
        self.bits = bits
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(send_job_layout(p))),
                "parts": In(stream.Signature(data.StructLayout({"values": p.part_bits, "blank": 1}))),
                "m_axis": Out(axi_stream_signature(bits)),
            }
        )

    @property
    def module_name(self) -> str:
        """The width, and the shape of the buffer."""
        return f"anda_result_sender_{self.bits}_{self.parameters.name}"

    @property
    def split(self) -> int:
        """Beats of a part, where it is the wider one."""
        return max(self.parameters.part_bits // self.bits, 1)

    @property
    def joined(self) -> int:
        """Parts of a beat, where that is the wider one."""
        return max(self.bits // self.parameters.part_bits, 1)

    def build(self) -> Module:
        """Loops over the beats and parts of a job."""
        m = Module()
        p = self.parameters
        given, part = self.job.payload, self.parts.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        busy, offered, whole, step = Signal(), Signal(), Signal(), Signal()
        counts = {
            "beat": Signal(range(self.split + 1), name="beats"),
            "tile": Signal(len(job.last_tiles), name="tiles"),
            "row": Signal(len(job.last_rows), name="rows"),
            "group": job.groups,
            "row_tile": job.row_tiles,
        }
        loops = [Loop(m, name, count) for name, count in counts.items()]
        beat, tile, _, group, row_tile = loops
        end = nest(m, loops, step)[-1] & row_tile.is_last
        # Of the last column tile only the beats that hold a channel; values of a beat are a power of two.
        last_beats = ((job.last_columns - 1)[: len(job.last_columns)] >> _log2(self.bits // 16)) + 1
        m.d.comb += [
            counts["beat"].eq(Mux(group.is_last & tile.is_last, last_beats, self.split)),
            counts["tile"].eq(Mux(group.is_last, job.last_tiles, p.tiles)),
            counts["row"].eq(Mux(row_tile.is_last, job.last_rows, p.array.rows)),
            self.job.ready.eq(~busy),
            offered.eq(busy & self.parts.valid & ~part.blank),
            step.eq(offered & (~whole | self.m_axis.tready)),
            self.parts.ready.eq((self.parts.valid & part.blank) | (step & beat.is_last)),
            self.m_axis.tvalid.eq(offered & whole),
            self.m_axis.tlast.eq(Cat(loop.is_last for loop in loops).all()),
        ]
        with m.If(self.job.valid & ~busy):
            m.d.sync += [kept.eq(given.as_value()), busy.eq(1)]
        with m.Elif(end):
            m.d.sync += busy.eq(0)
        if self.joined > 1:
            self._join(m, part.values, tile, step, whole)
        else:
            pieces = Array(part.values.word_select(n, self.bits) for n in range(self.split))
            m.d.comb += [whole.eq(1), self.m_axis.tdata.eq(pieces[beat.index])]
        return m

    def _join(self, m: Module, values: Value, tile: Loop, step: Value, whole: Value) -> None:
        """Parts wait until they fill a beat, or the last one of their row comes."""
        position = tile.index[: _log2(self.joined)]
        m.d.comb += whole.eq(position.all() | tile.is_last)
        parts: list[Value] = []
        for number in range(self.joined):
            now = Mux(position == number, values, 0)
            if number < self.joined - 1:
                waiting = Signal(len(values), name=f"part_{number}", reset_less=True)
                with m.If(step & (position == number)):
                    m.d.sync += waiting.eq(values)
                now = Mux(position > number, waiting, now)
            parts.append(now)
        m.d.comb += self.m_axis.tdata.eq(Cat(parts))


def _log2(power: int) -> int:
    return power.bit_length() - 1
