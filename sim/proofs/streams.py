"""The rules of streams as properties (`amaranth.lib.stream`), for whatever comes in and whoever stalls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, ResetSignal, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, connect, flipped

from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.column import PeColumn
from hdl.compressor import Compressor, CompressorParameters
from hdl.modules import NamedComponent
from hdl.pe import PeParameters

from .theorem import Theorem

__all__ = ["Impatient", "StreamContract", "assert_stable", "stream_theorems"]


def _stable(m: Module, name: str, interface: stream.Interface, reset: Value) -> Value:
    """Whether an item that was not taken in the last cycle is still there; a reset in between ends all
    duties."""
    payload = Value.cast(interface.payload).as_unsigned()
    waited = Signal(name=f"{name}_waited")
    before = Signal(len(payload), name=f"{name}_before", reset_less=True)
    m.d.sync += [waited.eq(interface.valid & ~interface.ready & ~reset), before.eq(payload)]
    return ~waited | (interface.valid & (payload == before))


def assert_stable(m: Module, name: str, interface: stream.Interface, reset: Value, *, given: bool) -> None:
    """State the second rule of streams for one of them.

    Parameters
    ----------
    m : Module
    name : str
    interface : stream.Interface
    reset : Value
        The reset of the domain.
    given : bool
        The stream comes from outside: the rule is assumed instead of asserted.
    """
    holds = _stable(m, name, interface, reset)
    m.d.comb += Assume(holds, f"{name} stays") if given else Assert(holds, f"{name} stays until it is taken")


def _streams(component: NamedComponent) -> dict[str, tuple[stream.Interface, bool]]:
    """Every stream of a component by name, and whether it comes in."""
    found = {}
    for name, member in component.signature.members.items():
        if member.is_signature and isinstance(member.signature, stream.Signature):
            found[name] = (getattr(component, name), member.flow == In)
    return found


class Impatient(NamedComponent):
    """A twin with a fault: whatever the component gives out, it takes for taken."""

    def __init__(self, component: NamedComponent):
        self.component = component
        super().__init__(component.signature)

    @property
    def module_name(self) -> str:
        """That of the component, and what is wrong with it."""
        return f"{self.component.module_name}_impatient"

    def build(self) -> Module:
        """The component, connected, and no stall told to it."""
        m = Module()
        m.submodules.component = self.component
        connect(m, flipped(self), self.component)
        for interface, given in _streams(self.component).values():
            if not given:
                m.d.comb += interface.ready.eq(1)
        return m


class StreamContract(Elaboratable):
    """A component between its streams: if the incoming ones keep the rules, so do the outgoing ones.

    Parameters
    ----------
    component : NamedComponent
    """

    def __init__(self, component: NamedComponent):
        self.component = component

    def streams(self) -> dict[str, tuple[stream.Interface, bool]]:
        """Every stream of the component by name, and whether it comes in."""
        return _streams(self.component)

    def ports(self) -> list[Value]:
        """All inputs and outputs."""
        flat = self.component.signature.flatten(self.component)
        return [Value.cast(value) for _, _, value in flat]

    def elaborate(self, platform: object) -> Module:
        """The component and the properties of its streams."""
        m = Module()
        m.submodules.component = self.component
        reset = Signal()
        m.d.comb += reset.eq(ResetSignal())
        for name, (interface, given) in self.streams().items():
            assert_stable(m, name, interface, reset, given=given)
            if not given:
                waits = Signal(name=f"{name}_waits")
                m.d.comb += waits.eq(interface.valid & ~interface.ready)
                m.d.comb += Cover(waits, f"{name} waits")
        return m


def _stream(name: str, make: Callable[[], NamedComponent], depth: int, reach: int) -> list[Theorem]:
    """What a component gives out stays until it is taken; and its twin."""

    def design(impatient: bool = False) -> tuple[Elaboratable, list[Value]]:
        component = make()
        contract = StreamContract(Impatient(component) if impatient else component)
        return contract, contract.ports()

    statement = "What is given out stays, unchanged, until it is taken, whatever comes in and whoever stalls."
    theorem = Theorem(f"stream {name}", statement, design, depth, reach=reach)
    refuted = "What takes no notice of stalls does not keep what it gives out."
    return [theorem, theorem.twin("impatient", refuted, partial(design, True))]


def stream_theorems() -> list[Theorem]:
    """The outgoing streams of small components of every kind that has one (the element has a proof of its
    own)."""
    row = PeParameters(lanes=8, level_bits=1, max_planes=2)
    one = AccumulatorParameters(sum_bits=6, max_planes=3)
    several = AccumulatorParameters(sum_bits=6, max_planes=3, slots=2, output="fp16")
    compressor = CompressorParameters(group=8, max_planes=4)
    pipelined = CompressorParameters(group=8, max_planes=4, pipelined=True)
    return [
        *_stream("column", lambda: PeColumn(row, rows=2), 2, 8),
        *_stream("compressor", lambda: Compressor(compressor), 2, 6),
        *_stream("compressor pipelined", lambda: Compressor(pipelined), 2, 8),
        *_stream("accumulator", lambda: Accumulator(one), 5, 8),
        *_stream("accumulator slots", lambda: Accumulator(several), 5, 8),
    ]
