"""The accelerator: a matrix engine behind AXI4-Stream and AXI4-Lite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, connect, flipped

from .accelerator_registers import EVENTS, Build, accelerator_registers
from .array import STALLS
from .axi_lite import AxiLiteRegisters, axi_lite_signature
from .axi_stream import ActivationReceiver, WeightReceiver, axi_stream_signature, require_beat
from .engine import Engine, EngineParameters
from .job_checker import ADDRESS_BITS, Error, JobChecker, requested_job_layout
from .modules import NamedComponent
from .registers import DATA_BITS, RegisterMap
from .result_sender import ResultSender

__all__ = ["Accelerator", "AcceleratorCore", "AcceleratorParameters"]

COUNTERS = ("cycles", "beats", *(f"stall_{reason}" for reason in STALLS))
COMMANDS = ("start_load", "start_product", "load_weights", "clear_counters")


@dataclass(frozen=True, kw_only=True)
class AcceleratorParameters:
    """Everything that shapes an accelerator.

    Parameters
    ----------
    engine : EngineParameters
        With a power of two of rows, and buffers of at most 2^24 words.
    activations_bits, weights_bits, results_bits : int
        TDATA of the streams: powers of two from 64 to 1024, those of activations and results at most a group
        of FP16 values.

    Raises
    ------
    ValueError
        Two parts do not fit each other.
    """

    engine: EngineParameters
    activations_bits: int = 64
    weights_bits: int = 64
    results_bits: int = 64

    def __post_init__(self) -> None:
        rows, group = self.engine.array.rows, 16 * self.engine.array.pe.lanes
        if rows & (rows - 1):
            raise ValueError(
                f"the rows of an accelerator must be a power of two, which shapes are easily divided by, "
                f"not {rows}"
            )
        for name in ("activations_bits", "weights_bits", "results_bits"):
            require_beat(name, getattr(self, name))
            if name != "weights_bits" and getattr(self, name) > group:
                raise ValueError(f"{name} must be at most the {group} of a group, not {getattr(self, name)}")
        for name in ("plane_words", "plane_groups", "weight_words"):
            if getattr(self.engine, name) > 1 << ADDRESS_BITS:
                raise ValueError(f"{name} must be at most 2^{ADDRESS_BITS}, not {getattr(self.engine, name)}")

    @property
    def build(self) -> Build:
        """What software has to know."""
        array, engine = self.engine.array, self.engine
        return Build(
            rows=array.rows,
            columns=array.columns,
            lanes=array.pe.lanes,
            max_planes=array.pe.max_planes,
            columns_per_load=array.columns_per_load,
            weight_word_bits=engine.weights.word_bits,
            plane_words=engine.plane_words,
            plane_groups=engine.plane_groups,
            weight_words=engine.weight_words,
            activations_bytes=self.activations_bits // 8,
            weights_bytes=self.weights_bits // 8,
            results_bytes=self.results_bits // 8,
        )

    @property
    def registers(self) -> RegisterMap:
        """The register map of this build."""
        return accelerator_registers(self.build, f"accelerator_registers_{self.suffix}")

    @property
    def suffix(self) -> str:
        """The parameters in a word, as Verilog module names carry them."""
        beats = f"{self.activations_bits}_{self.weights_bits}_{self.results_bits}"
        return f"{self.engine.name.removeprefix('anda_engine_')}_b{beats}"


class AcceleratorCore(NamedComponent):
    """Everything but the registers: what a command resets.

    A job is checked, taken by all who have a share in it, and done when all have finished.

    Parameters
    ----------
    parameters : AcceleratorParameters

    Members
    -------
    s_axis_activations, s_axis_weights, m_axis_results
        Streams of the bus (`ActivationReceiver`, `WeightReceiver`, `ResultSender`).
    start_load, start_product, load_weights, clear_counters : In(1)
        Commands, each for one cycle.
    request : In(requested_job_layout())
        Stable while `checking`.
    weight_address : In
    checking, busy : Out(1)
    error, weight_next : Out
    cycles, beats, stall_* : Out(32)
    EVENT, EVENT_clear : Out(1), In(1)
        For each of `EVENTS`: whether it happened, and to forget it.
    """

    s_axis_activations: Any
    s_axis_weights: Any
    m_axis_results: Any
    start_load: Signal
    start_product: Signal
    load_weights: Signal
    clear_counters: Signal
    request: data.View[data.StructLayout]
    weight_address: Signal
    checking: Signal
    busy: Signal
    error: Signal
    weight_next: Signal

    def __init__(self, parameters: AcceleratorParameters):
        self.parameters = p = parameters
        members = {
            "s_axis_activations": In(axi_stream_signature(p.activations_bits)),
            "s_axis_weights": In(axi_stream_signature(p.weights_bits)),
            "m_axis_results": Out(axi_stream_signature(p.results_bits)),
            **{command: In(1) for command in COMMANDS},
            "request": In(requested_job_layout()),
            "weight_address": In(ADDRESS_BITS),
            "checking": Out(1),
            "busy": Out(1),
            "error": Out(max(Error).bit_length()),
            "weight_next": Out(range(p.engine.weight_words + 1)),
            **{counter: Out(DATA_BITS) for counter in COUNTERS},
        }
        for event in EVENTS:
            members |= {event: Out(1), f"{event}_clear": In(1)}
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
        m.submodules.weights = weights = WeightReceiver(
            p.weights_bits, p.engine.weights.word_bits, p.engine.weight_words, ADDRESS_BITS
        )
        connect(m, flipped(self.s_axis_activations), receiver.s_axis)
        connect(m, flipped(self.s_axis_weights), weights.s_axis)
        connect(m, flipped(self.m_axis_results), sender.m_axis)
        connect(m, engine.activations, receiver.groups)
        m.d.comb += [
            sender.parts.payload.values.eq(engine.results.payload.values),
            sender.parts.payload.blank.eq(engine.results.payload.blank),
            sender.parts.valid.eq(engine.results.valid),
            engine.results.ready.eq(sender.parts.ready),
            weights.start.eq(self.load_weights),
            weights.address.eq(self.weight_address),
            self.weight_next.eq(weights.next_address),
            engine.weights.valid.eq(weights.written),
            engine.weights.payload.address.eq(weights.write_address),
            engine.weights.payload.word.eq(weights.write_word),
        ]
        done, refused, product = self._sequence(m, engine, receiver, sender)
        self._events(
            m,
            engine,
            {
                "done": done,
                "refused": refused,
                "activations_last": receiver.wrong_last,
                "weights_last": weights.wrong_last,
                "weights_beyond": weights.beyond,
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

    def _sequence(
        self, m: Module, engine: Engine, receiver: ActivationReceiver, sender: ResultSender
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
            done.eq(running & engine.idle & receiver.job.ready & sender.job.ready),
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


class Accelerator(NamedComponent):
    """Chained products of matrices `[N, K] x [K, C]` for a bus (contract, sections 1 to 6).

    Registers choose the job, streams carry the data (docs/accelerator.md). Clock `clk` is ACLK of all
    interfaces; reset `rst` is synchronous and active high, the complement of ARESETN.

    Parameters
    ----------
    parameters : AcceleratorParameters

    Members
    -------
    s_axil : In(axi_lite_signature(...))
        The registers (`AcceleratorParameters.registers`).
    s_axis_activations : In(axi_stream_signature(activations_bits))
        Rows of FP16 (`ActivationReceiver`).
    s_axis_weights : In(axi_stream_signature(weights_bits))
        Words of the weight buffer (`WeightReceiver`).
    m_axis_results : Out(axi_stream_signature(results_bits))
        Rows of groups of FP16 (`ResultSender`).
    irq : Out(1)
        As long as an event is set that is enabled.
    """

    s_axil: Any
    s_axis_activations: Any
    s_axis_weights: Any
    m_axis_results: Any
    irq: Signal

    def __init__(self, parameters: AcceleratorParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "s_axil": In(axi_lite_signature(p.registers.address_bits)),
                "s_axis_activations": In(axi_stream_signature(p.activations_bits)),
                "s_axis_weights": In(axi_stream_signature(p.weights_bits)),
                "m_axis_results": Out(axi_stream_signature(p.results_bits)),
                "irq": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_accelerator_{self.parameters.suffix}"

    def build(self) -> Module:
        """Registers, and a core that they can reset."""
        m = Module()
        core = AcceleratorCore(self.parameters)
        registers: Any = AxiLiteRegisters(self.parameters.registers)
        m.submodules.registers = registers
        m.submodules.core = DomainRenamer("core")(core)
        m.domains.core = ClockDomain(local=True)
        connect(m, flipped(self.s_axil), registers.s_axil)
        for name in ("s_axis_activations", "s_axis_weights"):
            connect(m, flipped(getattr(self, name)), getattr(core, name))
        connect(m, flipped(self.m_axis_results), core.m_axis_results)
        m.d.comb += [
            ClockSignal("core").eq(ClockSignal()),
            ResetSignal("core").eq(ResetSignal() | registers.control_reset),
            registers.hold.eq(core.checking),
            registers.status_busy.eq(core.busy),
            registers.error.eq(core.error),
            registers.weight_next.eq(core.weight_next),
            core.weight_address.eq(registers.weight_address),
        ]
        for command in COMMANDS:
            m.d.comb += getattr(core, command).eq(getattr(registers, f"control_{command}"))
        for counter in COUNTERS:
            m.d.comb += getattr(registers, counter).eq(getattr(core, counter))
        for field, _ in core.request.shape():
            name = f"shape_{field}" if field in ("n", "k", "c") else field
            m.d.comb += core.request[field].eq(getattr(registers, name))
        wanted = []
        for event in EVENTS:
            happened = getattr(core, event)
            m.d.comb += [
                getattr(registers, f"status_{event}").eq(happened),
                getattr(core, f"{event}_clear").eq(getattr(registers, f"status_{event}_clear")),
            ]
            wanted.append(happened & getattr(registers, f"interrupt_enable_{event}"))
        m.d.comb += self.irq.eq(Cat(wanted).any())
        return m
