"""Components that appear once in the Verilog, however often they occur.

Amaranth prints one module for every submodule. A `NamedComponent` is printed once under a name of its own and
instantiated wherever it occurs, so that an array of 256 equal elements is the text of one. In simulation and
proofs inside Python, where no emission is going on, it is an ordinary submodule.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, cast

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, ResetSignal, Signal, Value
from amaranth.hdl._ast import Operator, Slice
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

if TYPE_CHECKING:
    # Generic in its type stubs alone.
    _Component = wiring.Component[wiring.Signature]
else:
    _Component = wiring.Component

__all__ = ["EmissionPlatform", "NamedComponent", "Port", "flat_ports", "require_equal_ports"]


class Port:
    """One port of the Verilog: a whole signal of the interface or one field of a structured payload.

    Attributes
    ----------
    name : str
        As printed.
    value : Value
        The signal or the slice of a signal behind it.
    is_input : bool
    is_signed : bool
        How the bits are to be read.
    """

    def __init__(self, name: str, value: Value, *, is_input: bool, is_signed: bool):
        self.name = name
        self.value = value
        self.is_input = is_input
        self.is_signed = is_signed

    @property
    def width(self) -> int:
        """Width in bits."""
        return len(self.value)


def flat_ports(component: NamedComponent) -> list[Port]:
    """The ports of a component in order of declaration, payload structures split into their fields."""
    return list(_ports(component))


def _ports(component: NamedComponent) -> Iterator[Port]:
    members: Any = component.signature.flatten(component)
    for path, member, value in members:
        if isinstance(value, Const):
            # The `ready` of a stream whose consumer takes everything at once is no wire.
            continue
        name = "_".join(map(str, path))
        is_input = member.flow == In
        if isinstance(value, data.View) and isinstance(value.shape(), data.StructLayout):
            stem = name.removesuffix("_payload")
            for field, _ in value.shape():
                part: Any = value[field]
                bits = Value.cast(part)
                yield Port(f"{stem}_{field}", bits, is_input=is_input, is_signed=bits.shape().signed)
        else:
            bits = Value.cast(value)
            yield Port(name, bits, is_input=is_input, is_signed=bits.shape().signed)


class NamedComponent(_Component):
    """A component with a Verilog module of its own.

    Subclasses implement `build` in place of `elaborate`, and say their `module_name`: equal names must mean
    equal hardware.
    """

    #: Whether there is a register inside, so that the clock is a port.
    clocked: bool = True
    #: Whether there is a register inside that is reset, so that the reset is a port.
    resettable: bool = True

    @property
    @abstractmethod
    def module_name(self) -> str:
        """Name of the Verilog module; a function of the parameters alone."""

    @abstractmethod
    def build(self) -> Module:
        """The gates."""

    def elaborate(self, platform: object) -> Module | Instance:
        """The gates, or an instance of them while Verilog is printed."""
        if isinstance(platform, EmissionPlatform):
            return platform.define(self) if platform.defining is self else platform.instance(self)
        return self.build()


def require_equal_ports(known: NamedComponent, component: NamedComponent) -> None:
    """What can be seen from outside of two components of one name must be equal.

    Raises
    ------
    ValueError
        It is not.
    """
    if known is component:
        return
    if [(p.name, p.width) for p in flat_ports(known)] != [(p.name, p.width) for p in flat_ports(component)]:
        raise ValueError(f"two different components want to be the Verilog module `{component.module_name}`")


class EmissionPlatform:
    """Collects the modules that a design instantiates while it is elaborated for printing.

    Attributes
    ----------
    definitions : dict of NamedComponent
        By their names.
    instances : dict
        Names of the modules that the one being defined has instances of, in the order of the first ones.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, NamedComponent] = {}
        self.instances: dict[str, None] = {}
        self.defining: NamedComponent | None = None
        self.ports: list[tuple[Port, Signal]] = []

    def instance(self, component: NamedComponent) -> Instance:
        """An instance of `component`, whose definition is noted under its name."""
        name = component.module_name
        known = self.definitions.setdefault(name, component)
        self.instances[name] = None
        require_equal_ports(known, component)
        ports = flat_ports(component)
        connections: list[Any] = [("i" if p.is_input else "o", p.name, p.value) for p in ports]
        if component.clocked:
            connections.append(("i", "clk", ClockSignal()))
            if component.resettable:
                connections.append(("i", "rst", ResetSignal()))
        return Instance(name, *connections)

    def define(self, component: NamedComponent) -> Module:
        """The body of one module, with a signal of its own for every port noted in `ports`."""
        body = component.build()
        self.ports, self.instances = [], {}
        fields: dict[int, tuple[Signal, list[Signal]]] = {}
        for port in flat_ports(component):
            signal = port.value
            if not isinstance(signal, Signal):
                signal = Signal(port.width, name=port.name)
                if port.is_input:
                    whole = _whole(port.value)
                    fields.setdefault(id(whole), (whole, []))[1].append(signal)
                else:
                    body.d.comb += signal.eq(port.value)
            self.ports.append((port, signal))
        for whole, parts in fields.values():
            body.d.comb += whole.eq(Cat(*parts))
        return body


class _Reading(Protocol):
    """A value read as signed or unsigned: an operator on that value alone."""

    operands: tuple[Value]


def _whole(part: Value) -> Signal:
    """The signal that a field of a payload is a slice of."""
    while not isinstance(part, Signal):
        if isinstance(part, Slice):
            part = part.value
        elif isinstance(part, Operator):
            (part,) = cast("_Reading", part).operands
        else:
            raise TypeError(f"a port must be a signal or a field of one, not {part!r}")
    return part
