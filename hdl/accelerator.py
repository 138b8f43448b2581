"""The accelerator: a matrix engine behind AXI4-Stream and AXI4-Lite."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib.wiring import In, Out, connect, flipped

from .accelerator_core import COMMANDS, COUNTERS, AcceleratorCore
from .accelerator_parameters import AcceleratorParameters
from .accelerator_registers import EVENTS
from .axi_lite import AxiLiteRegisters, axi_lite_signature
from .axi_stream import axi_stream_signature
from .engine_parameters import STEPS
from .modules import NamedComponent

__all__ = ["Accelerator", "AcceleratorCore", "AcceleratorParameters"]


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
        Words of the weight buffer, or of scales and biases (`WeightReceiver`).
    s_axis_gates : In(axi_stream_signature(results_bits))
        With SiLU only: rows of groups of FP16 (`GateReceiver`).
    m_axis_results : Out(axi_stream_signature(results_bits))
        Rows of groups of FP16 (`ResultSender`).
    irq : Out(1)
        As long as an event is set that is enabled.
    """

    s_axil: Any
    s_axis_activations: Any
    s_axis_weights: Any
    s_axis_gates: Any
    m_axis_results: Any
    irq: Signal

    def __init__(self, parameters: AcceleratorParameters):
        self.parameters = p = parameters
        gates = {"s_axis_gates": In(axi_stream_signature(p.results_bits))} if p.engine.silu else {}
        super().__init__(
            {
                "s_axil": In(axi_lite_signature(p.registers.address_bits)),
                "s_axis_activations": In(axi_stream_signature(p.activations_bits)),
                "s_axis_weights": In(axi_stream_signature(p.weights_bits)),
                **gates,
                "m_axis_results": Out(axi_stream_signature(p.results_bits)),
                "irq": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.module_name

    def build(self) -> Module:
        """Registers, and a core that they can reset."""
        m = Module()
        core = AcceleratorCore(self.parameters)
        registers: Any = AxiLiteRegisters(self.parameters.registers)
        m.submodules.registers = registers
        m.submodules.core = DomainRenamer("core")(core)
        m.domains.core = ClockDomain(local=True)
        connect(m, flipped(self.s_axil), registers.s_axil)
        optional = ("s_axis_gates",) if self.parameters.engine.silu else ()
        for name in ("s_axis_activations", "s_axis_weights", *optional):
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
            register = "shape_" if field in ("n", "k", "c") else "elementwise_" if field in STEPS else ""
            m.d.comb += core.request[field].eq(getattr(registers, f"{register}{field}"))
        if self.parameters.engine.elementwise:
            m.d.comb += [
                core.load_scales.eq(registers.control_load_scales),
                core.scale_address.eq(registers.scale_address),
                registers.scale_next.eq(core.scale_next),
            ]
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
