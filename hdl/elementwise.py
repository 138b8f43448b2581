"""Scale, bias, activation and gate of results, between the group buffer and what comes behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .elementwise_lane import ElementwiseLane, gate_latency, lane_latency
from .group_buffer import GroupBufferParameters, collected_layout
from .memory import SyncMemory
from .modules import NamedComponent
from .plane_store import COUNT_BITS

__all__ = ["Elementwise", "ElementwiseParameters", "elementwise_job_layout"]


#: 1.0 in FP16.
_ONE = 0x3C00


@dataclass(frozen=True, kw_only=True)
class ElementwiseParameters:
    """Everything that shapes an elementwise unit.

    Parameters
    ----------
    groups : GroupBufferParameters
        Of the buffer before it.
    words : int
        Column tiles whose scales and biases are kept, at least 2.
    silu : bool
        Build SiLU and the gate; otherwise ReLU is the only activation.
    pipelined : bool
        Build registers within the steps as well, for a faster clock on an FPGA.

    Raises
    ------
    ValueError
        There are fewer than two words.
    """

    groups: GroupBufferParameters
    words: int = 64
    silu: bool = True
    pipelined: bool = False

    def __post_init__(self) -> None:
        if self.words < 2:
            raise ValueError(f"an elementwise unit keeps the scales of at least 2 tiles, not of {self.words}")

    @property
    def columns(self) -> int:
        """Values of a part."""
        return self.groups.array.columns

    @property
    def address_bits(self) -> int:
        """Width of the address of a word."""
        return (self.words - 1).bit_length()

    @property
    def word_bits(self) -> int:
        """For each column its scale, and above it its bias."""
        return 32 * self.columns

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a part to its result."""
        return 1 + lane_latency(silu=self.silu, pipelined=self.pipelined)

    @property
    def gate_latency(self) -> int:
        """Cycles from the transfer of a part to the one before its gate."""
        return gate_latency(pipelined=self.pipelined)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        pipelined = "_pipelined" if self.pipelined else ""
        return f"{self.groups.name}_{self.words}_{'silu' if self.silu else 'relu'}{pipelined}"


def elementwise_job_layout(parameters: ElementwiseParameters) -> data.StructLayout:
    """What happens to a product `[N, C]`.

    `scaled`: by scales and biases of the memory; without it they are 1 and 0. `base`: word of its first
    column tile; the others follow. `groups`: `ceil(C / group)`, at least 1. `relu`, `silu`: the activation;
    neither is none, and `silu` wins. `gated`: a part of `gates` for each part that is not blank.
    """
    fields = {"scaled": 1, "base": parameters.address_bits, "groups": COUNT_BITS, "relu": 1}
    if parameters.silu:
        fields |= {"silu": 1, "gated": 1}
    return data.StructLayout(fields)


class Elementwise(NamedComponent):
    """`activation(x * scale + bias) * gate` of every value that leaves (`golden.elementwise`).

    A part a cycle. Scale and bias belong to a channel, and a part that is not blank finds those of its column
    tile in a memory. Rows of a group come with increasing numbers from 0, as a group buffer gives them: the
    first part of row 0 begins the next group, and behind the last group the first one again.

    Parameters
    ----------
    parameters : ElementwiseParameters

    Members
    -------
    job : In(stream.Signature(elementwise_job_layout(parameters)))
        Before the first part of a product; taken when no part is under way.
    parts : In(stream.Signature(collected_layout(groups)))
        From the group buffer. Blank parts stay 0.
    gates : In(stream.Signature(16 * columns))
        With `silu` only: FP16 values for every part of a job that is gated, but for blank ones.
    results : Out(stream.Signature(collected_layout(groups)))
    write, write_address, write_word : In
        A word of the memory: for each column the scale in its lower 16 bits, the bias above.
    nonfinite, clear_nonfinite : Out(1), In(1)
        Sticky: a part left of which an operand was infinite or NaN, and replaced (contract, section 1).
    overflow, clear_overflow : Out(1), In(1)
        Sticky: a part left in which a step was too large and became the largest finite value.
    """

    job: stream.Interface
    parts: stream.Interface
    gates: stream.Interface
    results: stream.Interface
    write: Signal
    write_address: Signal
    write_word: Signal
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: ElementwiseParameters):
        self.parameters = p = parameters
        part = stream.Signature(collected_layout(p.groups))
        ports: dict[str, Any] = {"job": In(stream.Signature(elementwise_job_layout(p))), "parts": In(part)}
        if p.silu:
            ports["gates"] = In(stream.Signature(16 * p.columns))
        super().__init__(
            {
                **ports,
                "results": Out(part),
                "write": In(1),
                "write_address": In(p.address_bits),
                "write_word": In(p.word_bits),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
                "overflow": Out(1),
                "clear_overflow": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_elementwise_{self.parameters.name}"

    def build(self) -> Module:
        """A lane for each column; what else belongs to a part goes beside them."""
        m = Module()
        p = self.parameters
        given = self.job.payload
        kept = Signal(len(given.as_value()), name="job_kept", reset_less=True)
        job = data.View(given.shape(), kept)
        lanes = [ElementwiseLane(silu=p.silu, pipelined=p.pipelined) for _ in range(p.columns)]
        # One for each register behind the port: whether a part is there.
        there = Signal(p.latency)
        advance, start = Signal(), Signal()
        m.d.comb += [
            self.job.ready.eq(~there.any()),
            start.eq(self.job.valid & self.job.ready),
            self.parts.ready.eq(advance),
            self.results.valid.eq(there[-1]),
        ]
        with m.If(start):
            m.d.sync += kept.eq(given.as_value())
        with m.If(advance):
            m.d.sync += there.eq(Cat(self.parts.valid, there[:-1]))
        with m.Elif(self.results.ready):
            # What is behind it waits for a gate.
            m.d.sync += there[-1].eq(0)
        told = self._told(m, advance)
        space = ~there[-1] | self.results.ready
        gate: Value = Const(0, 16 * p.columns)
        if p.silu:
            wanted = Signal()
            m.d.comb += [
                wanted.eq(there[p.gate_latency] & job.gated & ~told[p.gate_latency][-1]),
                advance.eq(space & (~wanted | self.gates.valid)),
                self.gates.ready.eq(space & wanted),
            ]
            gate = Mux(job.gated, self.gates.payload, Cat(Const(_ONE, 16) for _ in lanes))
        else:
            m.d.comb += advance.eq(space)
        word = self._operands(m, job, given, start, advance)
        self._results(m, job, lanes, advance, word, gate)
        m.d.comb += self.results.payload.as_value()[p.groups.part_bits :].eq(told[-1])
        return m

    def _told(self, m: Module, advance: Value) -> list[Signal]:
        """What a part says of itself, behind each register; the last bit of it is `blank`."""
        before: Value = self.parts.payload.as_value()[self.parameters.groups.part_bits :]
        told = []
        for stage in range(self.parameters.latency):
            register = Signal(len(before), name=f"told_{stage}", reset_less=True)
            with m.If(advance):
                m.d.sync += register.eq(before)
            told.append(register)
            before = register
        return told

    def _operands(
        self,
        m: Module,
        job: data.View[data.StructLayout],
        given: data.View[data.StructLayout],
        start: Value,
        advance: Value,
    ) -> Value:
        """Scales and biases of the part that was taken."""
        p = self.parameters
        m.submodules.content = content = SyncMemory(depth=p.words, width=p.word_bits)
        group = Signal(COUNT_BITS, reset_less=True)
        # The words of this group's first tile, and of the next tile.
        first, following = (
            Signal(len(job.base), name=name, reset_less=True) for name in ("first_word", "following_word")
        )
        taken, opens, is_last = Signal(), Signal(), Signal()
        part = self.parts.payload
        m.d.comb += [
            taken.eq(self.parts.valid & advance),
            opens.eq(part.first & ~part.row.any()),
            is_last.eq(~(group + 1 ^ job.groups)[:COUNT_BITS].any()),
            content.read.eq(taken),
            content.read_address.eq(
                Mux(
                    part.first,
                    Mux(opens, Mux(is_last, job.base, following), first),
                    following,
                )
            ),
            content.write.eq(self.write),
            content.write_address.eq(self.write_address),
            content.write_word.eq(self.write_word),
        ]
        with m.If(start):
            # As if the last group of a row tile had just left.
            m.d.sync += group.eq(given.groups - 1)
        with m.Elif(taken):
            m.d.sync += following.eq(content.read_address + 1)
            with m.If(part.first):
                m.d.sync += first.eq(content.read_address)
            with m.If(opens):
                m.d.sync += group.eq(Mux(is_last, 0, group + 1))
        return content.word

    def _results(
        self,
        m: Module,
        job: data.View[data.StructLayout],
        lanes: list[ElementwiseLane],
        advance: Value,
        word: Value,
        gate: Value,
    ) -> None:
        """The lanes between a part and its result."""
        p = self.parameters
        values = Signal(p.groups.part_bits, reset_less=True)
        with m.If(advance):
            m.d.sync += values.eq(self.parts.payload.values)
        for i, lane in enumerate(lanes):
            m.submodules[f"lane_{i}"] = lane
            operands = Mux(job.scaled, word.word_select(i, 32), Const(_ONE, 32))
            m.d.comb += [
                lane.advance.eq(advance),
                lane.value.eq(values.word_select(i, 16)),
                lane.scale.eq(operands[:16]),
                lane.bias.eq(operands[16:]),
                lane.relu.eq(job.relu),
            ]
            if p.silu:
                m.d.comb += [lane.silu.eq(job.silu), lane.gate.eq(gate.word_select(i, 16))]
        result = self.results.payload
        shown = Signal(name="not_blank")
        results = Cat(lane.result for lane in lanes) & shown.replicate(p.groups.part_bits)
        m.d.comb += [result.values.eq(results), shown.eq(~result.blank)]
        leaves = self.results.valid & self.results.ready & shown
        for name in ("nonfinite", "overflow"):
            flag, clear = getattr(self, name), getattr(self, f"clear_{name}")
            with m.If(leaves & Cat(getattr(lane, name) for lane in lanes).any()):
                m.d.sync += flag.eq(1)
            with m.Elif(clear):
                m.d.sync += flag.eq(0)
