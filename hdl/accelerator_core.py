"""The matrix engine between the converters of a bus, and the sequence of its jobs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, connect, flipped

from .accelerator_parameters import AcceleratorParameters
from .accelerator_registers import EVENTS
from .array import STALLS
from .axi_stream import ActivationReceiver, WeightReceiver, axi_stream_signature
from .engine import Engine
from .gate_receiver import BeatBuffer, GateReceiver
from .job_checker import ADDRESS_BITS, Error, JobChecker, requested_job_layout
from .modules import NamedComponent
from .registers import DATA_BITS
from .result_sender import ResultSender

__all__ = ["COMMANDS", "COUNTERS", "AcceleratorCore"]

COUNTERS = ("cycles", "beats", *(f"stall_{reason}" for reason in STALLS))
COMMANDS = ("start_load", "start_product", "load_weights", "clear_counters")


class AcceleratorCore(NamedComponent):
    """Everything but the registers: what a command resets.

    A job is checked, taken by all who have a share in it, and done when all have finished.

    Parameters
    ----------
    parameters : AcceleratorParameters

    Members
    -------
    s_axis_activations, s_axis_weights, s_axis_gates, m_axis_results
        Streams of the bus (`ActivationReceiver`, `WeightReceiver`, `GateReceiver`, `ResultSender`); that of
        gates with SiLU only.
    start_load, start_product, load_weights, clear_counters, load_scales : In(1)
        Commands, each for one cycle; the last one with an elementwise unit only.
    request : In(requested_job_layout(engine))
        Stable while `checking`.
    weight_address, scale_address : In
    checking, busy : Out(1)
    error, weight_next, scale_next : Out
    cycles, beats, stall_* : Out(32)
    EVENT, EVENT_clear : Out(1), In(1)
        For each of `EVENTS`: whether it happened, and to forget it.
    """

    s_axis_activations: Any
    s_axis_weights: Any
    s_axis_gates: Any
    m_axis_results: Any
    start_load: Signal
    start_product: Signal
    load_weights: Signal
    clear_counters: Signal
    load_scales: Signal
    request: data.View[data.StructLayout]
    weight_address: Signal
    scale_address: Signal
    checking: Signal
    busy: Signal
    error: Signal
    weight_next: Signal
    scale_next: Signal

    def __init__(self, parameters: AcceleratorParameters):
        self.parameters = p = parameters
        members: dict[str, Any] = {
            "s_axis_activations": In(axi_stream_signature(p.activations_bits)),
            "s_axis_weights": In(axi_stream_signature(p.weights_bits)),
            "m_axis_results": Out(axi_stream_signature(p.results_bits)),
            **{command: In(1) for command in COMMANDS},
            "request": In(requested_job_layout(p.engine)),
            "weight_address": In(ADDRESS_BITS),
            "checking": Out(1),
            "busy": Out(1),
            "error": Out(max(Error).bit_length()),
            "weight_next": Out(range(p.engine.weight_words + 1)),
            **{counter: Out(DATA_BITS) for counter in COUNTERS},
        }
        for event in EVENTS:
            members |= {event: Out(1), f"{event}_clear": In(1)}
        if words := p.engine.elementwise_words:
            members |= {"load_scales": In(1), "scale_address": In(ADDRESS_BITS)}
            members |= {"scale_next": Out(range(words + 1))}
        if p.engine.silu:
            members["s_axis_gates"] = In(axi_stream_signature(p.results_bits))
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_accelerator_core_{self.parameters.suffix}"

    def build(self) -> Module:
        """The engine between its converters, and the sequence of a job."""
        m = Module()
        p = self.parameters
        m.submodules.engine = engine = Engine(p.engine)
        m.submodules.receiver = receiver = ActivationReceiver(p.activations_bits, p.engine.array.pe.lanes)
        m.submodules.sender = sender = ResultSender(p.results_bits, p.engine.groups)
        wrong, beyond = self._words(m, engine)
        gates = self._gates(m, engine) if p.engine.silu else None
        connect(m, flipped(self.s_axis_activations), receiver.s_axis)
        connect(m, flipped(self.m_axis_results), sender.m_axis)
        connect(m, engine.activations, receiver.groups)
        m.d.comb += [
            sender.parts.payload.values.eq(engine.results.payload.values),
            sender.parts.payload.blank.eq(engine.results.payload.blank),
            sender.parts.valid.eq(engine.results.valid),
            engine.results.ready.eq(sender.parts.ready),
        ]
        done, refused, product = self._sequence(m, engine, receiver, sender, gates)
        self._events(
            m,
            engine,
            {
                "done": done,
                "refused": refused,
                "activations_last": receiver.wrong_last,
                "weights_last": wrong,
                "weights_beyond": beyond,
                "gates_last": gates.wrong_last if gates else Const(0),
            },
        )
        stalls = {f"stall_{reason}": product & engine.stalls[reason] for reason in STALLS}
        for name, counts in ({"cycles": self.busy, "beats": product & engine.beat} | stalls).items():
            counter = getattr(self, name)
            with m.If(self.clear_counters):
                m.d.sync += counter.eq(0)
            with m.Else():
                m.d.sync += counter.eq(counter + counts)
        return m

    def _words(self, m: Module, engine: Engine) -> tuple[Value, Value]:
        """The stream of weight words, of scales and biases as well, to the memory that was named last.

        Returns
        -------
        Value, Value
            A word was cut by TLAST; a word came beyond its memory.
        """
        p = self.parameters
        memories = [("weight", "weights", p.engine.weights.word_bits, p.engine.weight_words)]
        if unit := p.engine.elementwise:
            memories.append(("scale", "scales", unit.word_bits, unit.words))
        to_scales = Signal()
        receivers = []
        for number, (name, plural, word_bits, words) in enumerate(memories):
            receiver = WeightReceiver(p.weights_bits, word_bits, words, ADDRESS_BITS)
            m.submodules[plural] = receiver
            port = getattr(engine, plural)
            m.d.comb += [
                receiver.s_axis.tdata.eq(self.s_axis_weights.tdata),
                receiver.s_axis.tlast.eq(self.s_axis_weights.tlast),
                receiver.s_axis.tvalid.eq(self.s_axis_weights.tvalid & (to_scales == number)),
                receiver.start.eq(getattr(self, f"load_{plural}")),
                receiver.address.eq(getattr(self, f"{name}_address")),
                getattr(self, f"{name}_next").eq(receiver.next_address),
                port.valid.eq(receiver.written),
                port.payload.address.eq(receiver.write_address),
                port.payload.word.eq(receiver.write_word),
            ]
            with m.If(receiver.start):
                m.d.sync += to_scales.eq(number)
            receivers.append(receiver)
        # Both take a beat in every cycle.
        m.d.comb += self.s_axis_weights.tready.eq(1)
        wrong, beyond = (
            Cat(getattr(each, name) for each in receivers).any() for name in ("wrong_last", "beyond")
        )
        return wrong, beyond

    def _gates(self, m: Module, engine: Engine) -> GateReceiver:
        """The stream of gates, without a path from the bus of results to that of gates."""
        p = self.parameters
        m.submodules.gate_beats = beats = BeatBuffer(p.results_bits)
        m.submodules.gates = gates = GateReceiver(p.results_bits, p.engine.groups)
        connect(m, flipped(self.s_axis_gates), beats.s_axis)
        connect(m, beats.m_axis, gates.s_axis)
        connect(m, gates.gates, engine.gates)
        return gates

    def _sequence(
        self,
        m: Module,
        engine: Engine,
        receiver: ActivationReceiver,
        sender: ResultSender,
        gates: GateReceiver | None,
    ) -> tuple[Value, Value, Value]:
        """Check a job, hand it to everyone who has a share in it, and wait for all of them.

        Returns
        -------
        Value, Value, Value
            A job is complete; one is refused; a product is being done.
        """
        m.submodules.checker = checker = JobChecker(self.parameters.engine)
        running, product = Signal(), Signal()
        done, taken, both, start = Signal(), Signal(), Signal(), Signal()
        refused, error = Signal(), Signal(len(self.error))
        m.d.comb += [
            both.eq(self.start_load & self.start_product),
            start.eq(self.start_load | self.start_product),
            self.busy.eq(checker.busy | running),
            self.checking.eq(checker.busy | start),
            checker.start.eq(start & ~both & ~self.busy),
            checker.request.eq(self.request),
            checker.product.eq(product),
            refused.eq((start & (both | self.busy)) | checker.refused),
            error.eq(Mux(start, Mux(self.busy, Error.BUSY, Error.BOTH), checker.error)),
            engine.loads.payload.eq(checker.load),
            engine.loads.valid.eq(checker.valid & ~product),
            engine.products.payload.eq(checker.product_job),
            engine.products.valid.eq(checker.valid & product),
            checker.ready.eq(Mux(product, engine.products.ready, engine.loads.ready)),
            taken.eq(checker.valid & checker.ready),
            # Both have finished with the job before: it was not done otherwise.
            receiver.job.payload.eq(checker.receive),
            receiver.job.valid.eq(taken & ~product),
            sender.job.payload.eq(checker.send),
            sender.job.valid.eq(taken & product & ~self.request.keep),
            # Gates have all been taken when the engine is idle.
            done.eq(running & engine.idle & receiver.job.ready & sender.job.ready),
        ]
        if gates:
            m.d.comb += [
                gates.job.payload.eq(checker.send),
                gates.job.valid.eq(taken & product & self.request.gated),
            ]
        m.d.sync += running.eq(taken | (running & ~done))
        with m.If(checker.start):
            m.d.sync += [product.eq(self.start_product), self.error.eq(Error.NONE)]
        with m.If(refused):
            m.d.sync += self.error.eq(error)
        return done, refused, running & product

    def _events(self, m: Module, engine: Engine, happened: dict[str, Value]) -> None:
        """Note what happens; the engine notes some of it itself."""
        for event in EVENTS:
            noted, clear = getattr(self, event), getattr(self, f"{event}_clear")
            if event in happened:
                m.d.sync += noted.eq(happened[event] | (noted & ~clear))
            else:
                m.d.comb += [
                    noted.eq(getattr(engine, event)),
                    getattr(engine, f"clear_{event}").eq(clear),
                ]
