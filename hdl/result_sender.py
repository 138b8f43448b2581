"""AXI4-Stream out of an accelerator: results in beats of a bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .axi_stream import axi_stream_signature
from .group_buffer import GroupBufferParameters
from .modules import NamedComponent
from .result_beats import ResultBeats, gathered, send_job_layout

__all__ = ["ResultSender"]


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
        self.beats = ResultBeats(bits, parameters)
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
        return f"anda_result_sender_{self.beats.bits}_{self.parameters.name}"

    def build(self) -> Module:
        """Loops over the beats and parts of a job."""
        m = Module()
        given, part, beats = self.job.payload, self.parts.payload, self.beats
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        busy, offered, whole, step = Signal(), Signal(), Signal(), Signal()
        beat, tile, is_last = beats.loops(m, data.View(given.shape(), kept), step)
        m.d.comb += [
            self.job.ready.eq(~busy),
            offered.eq(busy & self.parts.valid & ~part.blank),
            step.eq(offered & (~whole | self.m_axis.tready)),
            self.parts.ready.eq((self.parts.valid & part.blank) | (step & beat.is_last)),
            self.m_axis.tvalid.eq(offered & whole),
            self.m_axis.tlast.eq(is_last),
        ]
        with m.If(self.job.valid & ~busy):
            m.d.sync += [kept.eq(given.as_value()), busy.eq(1)]
        with m.Elif(step & is_last):
            m.d.sync += busy.eq(0)
        if beats.joined > 1:
            # Parts wait until they fill a beat, or the last one of their row comes.
            place = beats.place(tile)
            m.d.comb += [
                whole.eq(place.all() | tile.is_last),
                self.m_axis.tdata.eq(gathered(m, beats.joined, place, part.values, step)),
            ]
        else:
            pieces = Array(part.values.word_select(n, beats.bits) for n in range(beats.split))
            m.d.comb += [whole.eq(1), self.m_axis.tdata.eq(pieces[beat.index])]
        return m
