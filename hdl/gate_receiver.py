"""AXI4-Stream into the elementwise unit of an accelerator: gates in the beats in which results leave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .axi_stream import axi_stream_signature
from .group_buffer import GroupBufferParameters
from .modules import NamedComponent
from .result_beats import ResultBeats, gathered, send_job_layout

__all__ = ["BeatBuffer", "GateReceiver"]


class BeatBuffer(NamedComponent):
    """Two beats between a bus and what takes them: no signal passes from one to the other in the same cycle.

    Parameters
    ----------
    bits : int
        Width of TDATA.

    Members
    -------
    s_axis : In(axi_stream_signature(bits))
    m_axis : Out(axi_stream_signature(bits))
        The same beats, at least a cycle later.
    """

    s_axis: Any
    m_axis: Any

    def __init__(self, bits: int):
        self.bits = bits
        super().__init__(
            {"s_axis": In(axi_stream_signature(bits)), "m_axis": Out(axi_stream_signature(bits))}
        )

    @property
    def module_name(self) -> str:
        """The width."""
        return f"anda_beat_buffer_{self.bits}"

    def build(self) -> Module:
        """The beat that is offered, and one behind it."""
        m = Module()
        given = Cat(self.s_axis.tdata, self.s_axis.tlast)
        offered, behind = (Signal(len(given), name=name, reset_less=True) for name in ("offered", "behind"))
        is_behind = Signal()
        m.d.comb += [
            self.s_axis.tready.eq(~is_behind),
            Cat(self.m_axis.tdata, self.m_axis.tlast).eq(offered),
        ]
        with m.If(~self.m_axis.tvalid | self.m_axis.tready):
            m.d.sync += [
                self.m_axis.tvalid.eq(is_behind | self.s_axis.tvalid),
                offered.eq(Mux(is_behind, behind, given)),
                is_behind.eq(0),
            ]
        with m.Elif(self.s_axis.tvalid & self.s_axis.tready):
            m.d.sync += [behind.eq(given), is_behind.eq(1)]
        return m


class GateReceiver(NamedComponent):
    """Beats of the bus become the gates of a product, part by part.

    They come as results leave (`ResultSender`): the packet of one product may be sent back as the gates of
    another one of the same shape.

    Parameters
    ----------
    bits : int
        Width of TDATA: a power of two from 64 to 1024, at most that of a group.
    parameters : GroupBufferParameters
        Of the buffer before the elementwise unit; its columns are a power of two.

    Members
    -------
    job : In(stream.Signature(send_job_layout(parameters)))
        Taken when the gates of the job before have left.
    s_axis : In(axi_stream_signature(bits))
        Taken during a job only.
    gates : Out(stream.Signature(part_bits))
        Those of parts that are not blank.
    wrong_last : Out(1)
        In the cycle of a beat whose TLAST is not that of the last beat of the job.
    """

    job: stream.Interface
    s_axis: Any
    gates: stream.Interface
    wrong_last: Signal

    def __init__(self, bits: int, parameters: GroupBufferParameters):
        self.beats = ResultBeats(bits, parameters)
        self.parameters = p = parameters
        super().__init__(
            {
                "job": In(stream.Signature(send_job_layout(p))),
                "s_axis": In(axi_stream_signature(bits)),
                "gates": Out(stream.Signature(p.part_bits)),
                "wrong_last": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The width, and the shape of the buffer."""
        return f"anda_gate_receiver_{self.beats.bits}_{self.parameters.name}"

    def build(self) -> Module:
        """Loops over the beats and parts of a job."""
        m = Module()
        given, beats = self.job.payload, self.beats
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        busy, here, whole, step, done = Signal(), Signal(), Signal(), Signal(), Signal()
        beat, tile, is_last = beats.loops(m, data.View(given.shape(), kept), step)
        m.d.comb += [
            self.job.ready.eq(~busy),
            here.eq(busy & self.s_axis.tvalid),
            self.gates.valid.eq(here & whole),
            step.eq(here & (~whole | self.gates.ready)),
            self.s_axis.tready.eq(step & done),
            self.wrong_last.eq(step & done & (self.s_axis.tlast ^ is_last)),
        ]
        with m.If(self.job.valid & ~busy):
            m.d.sync += [kept.eq(given.as_value()), busy.eq(1)]
        with m.Elif(step & is_last):
            m.d.sync += busy.eq(0)
        if beats.joined > 1:
            # A beat is done with its last part, or with that of its row.
            place, tdata = beats.place(tile), self.s_axis.tdata
            pieces = Array(tdata.word_select(n, len(self.gates.payload)) for n in range(beats.joined))
            m.d.comb += [
                whole.eq(1),
                done.eq(place.all() | tile.is_last),
                self.gates.payload.eq(pieces[place]),
            ]
        else:
            m.d.comb += [
                whole.eq(beat.is_last),
                done.eq(1),
                self.gates.payload.eq(gathered(m, beats.split, beat.index, self.s_axis.tdata, step)),
            ]
        return m
