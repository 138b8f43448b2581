"""AXI4-Stream into an accelerator: rows of activations and weight words out of the beats of a bus."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from .modules import NamedComponent
from .plane_store import COUNT_BITS
from .walker import Loop, nest

__all__ = [
    "ActivationReceiver",
    "WeightReceiver",
    "axi_stream_signature",
    "receive_job_layout",
    "require_beat",
]


def axi_stream_signature(bits: int) -> Signature:
    """AXI4-Stream as its transmitter drives it; every byte of every beat counts."""
    return Signature({"tdata": Out(bits), "tlast": Out(1), "tvalid": Out(1), "tready": In(1)})


def require_beat(name: str, bits: int) -> None:
    """Refuse a width of TDATA that no bus has.

    Raises
    ------
    ValueError
        It is not a power of two from 64 to 1024.
    """
    if bits not in (64, 128, 256, 512, 1024):
        raise ValueError(f"{name} must be a power of two from 64 to 1024, not {bits}")


def receive_job_layout(lanes: int) -> data.StructLayout:
    """Rows `[N, K]`: `rows` is N, `groups` is `ceil(K / lanes)`, `last_lane` is `(K - 1) % lanes`."""
    return data.StructLayout(
        {"rows": COUNT_BITS, "groups": COUNT_BITS, "last_lane": (lanes - 1).bit_length()},
    )


class ActivationReceiver(NamedComponent):
    """Rows of FP16 from the bus become groups.

    A row begins with a new beat and has `ceil(K / values of a beat)` of them, the first value in the least
    significant bits. What the last beat has beyond K is ignored; the group is filled with zeros.

    Parameters
    ----------
    bits : int
        Width of TDATA: a power of two from 64 to 1024, at most that of a group.
    lanes : int
        Values of a group.

    Members
    -------
    job : In(stream.Signature(receive_job_layout(lanes)))
        Taken when all groups of the job before have left.
    s_axis : In(axi_stream_signature(bits))
        Taken during a job only.
    groups : Out(stream.Signature(16 * lanes))
    wrong_last : Out(1)
        In the cycle of a beat whose TLAST is not that of the last beat of the job.
    """

    job: stream.Interface
    s_axis: Any
    groups: stream.Interface
    wrong_last: Signal

    def __init__(self, bits: int, lanes: int):
        require_beat("the beats of activations", bits)
        if bits > 16 * lanes:
            raise ValueError(
                f"a beat of activations must be at most a group of {16 * lanes} bits, not {bits}"
            )
        self.bits = bits
        self.lanes = lanes
        super().__init__(
            {
                "job": In(stream.Signature(receive_job_layout(lanes))),
                "s_axis": In(axi_stream_signature(bits)),
                "groups": Out(stream.Signature(16 * lanes)),
                "wrong_last": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Both widths."""
        return f"anda_activation_receiver_{self.bits}_{self.lanes}"

    def build(self) -> Module:
        """Loops over the beats of a job, and the group that they fill."""
        m = Module()
        per_beat = self.bits // 16
        beats_of_group = self.lanes // per_beat
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        busy, full, take = Signal(), Signal(), Signal()
        beats = Signal(range(beats_of_group + 1))
        beat = Loop(m, "beat", beats)
        group = Loop(m, "group", job.groups)
        row = Loop(m, "row", job.rows)
        _, next_group, next_row = nest(m, [beat, group, row], take)
        last_beat = job.last_lane[(per_beat - 1).bit_length() :]
        m.d.comb += [
            beats.eq(Mux(group.is_last, last_beat + 1, beats_of_group)),
            self.job.ready.eq(~busy & ~full),
            self.s_axis.tready.eq(busy & (~full | self.groups.ready)),
            take.eq(self.s_axis.tvalid & self.s_axis.tready),
            self.wrong_last.eq(take & (self.s_axis.tlast ^ (next_row & row.is_last))),
            self.groups.valid.eq(full),
        ]
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [kept.eq(given.as_value()), busy.eq(1)]
        with m.Elif(next_row & row.is_last):
            m.d.sync += busy.eq(0)
        m.d.sync += full.eq(next_group | (full & ~self.groups.ready))
        self._fill(m, take, beat.index, group.is_last, job.last_lane)
        return m

    def _fill(self, m: Module, take: Value, index: Value, last: Value, last_lane: Value) -> None:
        """Each value into its lane: the first beat of a group makes the lanes behind it zero."""
        per_beat = self.bits // 16
        lanes = [Signal(16, name=f"lane_{lane}", reset_less=True) for lane in range(self.lanes)]
        for number, lane in enumerate(lanes):
            beat, place = divmod(number, per_beat)
            value = self.s_axis.tdata.word_select(place, 16)
            if number:
                inside = ~last | (last_lane >= number)
                value &= inside.replicate(16)
            with m.If(take & (index == beat)):
                m.d.sync += lane.eq(value)
            if beat:
                with m.Elif(take & (index == 0)):
                    m.d.sync += lane.eq(0)
        m.d.comb += self.groups.payload.eq(Cat(lanes))


class WeightReceiver(NamedComponent):
    """Weight words from the bus, with addresses that ascend.

    A word takes `ceil(word_bits / bits)` beats, its least significant bits first; what the last beat has
    beyond is ignored. TLAST is allowed in the last beat of a word only: elsewhere the word that it cuts is
    dropped, and the next beat begins a new one. Words beyond the memory are dropped.

    Parameters
    ----------
    bits : int
        Width of TDATA: a power of two from 64 to 1024.
    word_bits : int
    words : int
        Of the memory.
    address_bits : int
        Of the address to begin at.

    Members
    -------
    start : In(1)
        The next beat begins a word, and that goes to `address`.
    address : In
    s_axis : In(axi_stream_signature(bits))
        Taken at any time.
    written, write_address, write_word : Out
        A word is complete.
    next_address : Out
        Where the next word goes; the depth of the memory when it is full.
    wrong_last : Out(1)
        In the cycle of a beat whose TLAST cuts a word.
    beyond : Out(1)
        In the cycle in which a word is dropped for want of memory.
    """

    start: Signal
    address: Signal
    s_axis: Any
    written: Signal
    write_address: Signal
    write_word: Signal
    next_address: Signal
    wrong_last: Signal
    beyond: Signal

    def __init__(self, bits: int, word_bits: int, words: int, address_bits: int):
        require_beat("the beats of weights", bits)
        self.bits = bits
        self.word_bits = word_bits
        self.words = words
        super().__init__(
            {
                "start": In(1),
                "address": In(address_bits),
                "s_axis": In(axi_stream_signature(bits)),
                "written": Out(1),
                "write_address": Out((words - 1).bit_length()),
                "write_word": Out(word_bits),
                "next_address": Out(range(words + 1)),
                "wrong_last": Out(1),
                "beyond": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The widths and the depth."""
        return f"anda_weight_receiver_{self.bits}_{self.word_bits}_{self.words}"

    @property
    def beats(self) -> int:
        """Beats of a word."""
        return -(-self.word_bits // self.bits)

    def build(self) -> Module:
        """The beats before the last one wait; the last one completes the word."""
        m = Module()
        take, complete = self.s_axis.tvalid, Signal()
        m.d.comb += [self.s_axis.tready.eq(1), complete.eq(take), self.wrong_last.eq(0)]
        waiting: list[Value] = []
        if self.beats > 1:
            index = Signal(range(self.beats))
            at_last = index == self.beats - 1
            waiting = [Signal(self.bits, name=f"beat_{n}", reset_less=True) for n in range(self.beats - 1)]
            m.d.comb += [complete.eq(take & at_last), self.wrong_last.eq(take & self.s_axis.tlast & ~at_last)]
            with m.If(self.start | (take & (at_last | self.s_axis.tlast))):
                m.d.sync += index.eq(0)
            with m.Elif(take):
                m.d.sync += index.eq(index + 1)
            for number, part in enumerate(waiting):
                with m.If(take & (index == number)):
                    m.d.sync += part.eq(self.s_axis.tdata)
        room = Signal()
        m.d.comb += [
            room.eq(self.next_address != self.words),
            self.written.eq(complete & room),
            self.beyond.eq(complete & ~room),
            self.write_address.eq(self.next_address[: len(self.write_address)]),
            self.write_word.eq(Cat(*waiting, self.s_axis.tdata)[: self.word_bits]),
        ]
        with m.If(self.start):
            m.d.sync += self.next_address.eq(Mux(self.address < self.words, self.address, self.words))
        with m.Elif(self.written):
            m.d.sync += self.next_address.eq(self.next_address + 1)
        return m
