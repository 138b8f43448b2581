"""The longest path of a mapped netlist: static timing with an ideal clock and no wires.

Yosys' ABC knows delays only between the cells it mapped itself, and adder cells and flip-flops are not
among them, so the path is searched here: arrival times are propagated from clock edges and input
ports through every delay arc, worst edge and worst slope first, to the data pins of flip-flops (plus
their setup time) and to output ports. Where a library has no delays, each cell counts one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from anda.flow.delays import Arc, CellDelays, Edge, Table, read_delays
from anda.flow.library import Cell, Library
from anda.flow.report import LongestPath
from anda.flow.yosys import Netlist, YosysError

__all__ = ["longest_path", "slopes"]

_UNIT = Table((0.0,), (0.0,), ((1.0,),))
_NONE = Table((0.0,), (0.0,), ((0.0,),))

#: A wire is a number, a constant is a string.
Wire = int | str
#: One transition of one wire.
Event = tuple[Wire, Edge]


@dataclass(frozen=True)
class _Arrival:
    time: float
    slope: float
    #: Where it came from, and the type of the cell in between; None at a start.
    previous: Event | None
    cell: str
    start: str


def longest_path(netlist: Netlist, top: str, library: Library) -> LongestPath | None:
    """The slowest path of a flat, mapped module; None when nothing is connected to anything.

    Raises
    ------
    YosysError
        When the cells form a loop without a flip-flop.
    """
    analysis = _Analysis.of(netlist, top, library)
    if not analysis.ends:
        return None
    (time, event, end) = max(analysis.ends, key=lambda item: item[0])
    start, cells = _trace(analysis.arrivals, event)
    unit = library.time_unit if analysis.has_delays else "cells"
    scale = 1e-3 if unit == "ns" else 1.0
    return LongestPath(delay=time * scale, unit=unit, start=start, end=end, cells=cells)


def slopes(netlist: Netlist, top: str, library: Library) -> dict[Wire, float]:
    """How long a change of each wire takes, in ps: the mean of the slowest rise and the slowest fall.

    Input ports change at once. Wires that nothing drives are left out.

    Raises
    ------
    YosysError
        When the cells form a loop without a flip-flop.
    """
    analysis = _Analysis.of(netlist, top, library)
    found: dict[Wire, list[float]] = defaultdict(list)
    for (wire, _), arrival in analysis.arrivals.items():
        found[wire].append(arrival.slope)
    return {wire: sum(both) / len(both) for wire, both in found.items()}


@dataclass(frozen=True)
class _Analysis:
    """Arrival of every event of a netlist, and the times at which paths end."""

    arrivals: dict[Event, _Arrival]
    ends: list[tuple[float, Event, str]]
    has_delays: bool

    @classmethod
    def of(cls, netlist: Netlist, top: str, library: Library) -> _Analysis:
        module = netlist["modules"][top]
        instances = {name: cell for name, cell in module["cells"].items() if cell["type"] in library.cells}
        types = {cell["type"] for cell in instances.values()}
        delays = read_delays(library.files, types)
        has_delays = any(cell.arcs or cell.clocked for cell in delays.values())
        if not has_delays:
            delays = {name: _one_each(library.cells[name]) for name in types}
        return cls(*_propagate(module, instances, delays, _names(module)), has_delays)


def _one_each(cell: Cell) -> CellDelays:
    """Delays that count cells: one for every gate, none for a flip-flop."""
    outputs = [pin.name for pin in cell.outputs]
    edges: tuple[Edge, Edge] = ("rise", "fall")
    through = [
        Arc(source, edge, target, edge, _NONE if cell.sequential else _UNIT, None)
        for source in cell.inputs
        for target in outputs
        for edge in edges
    ]
    if not cell.sequential:
        return CellDelays({}, frozenset(outputs), tuple(through), (), ())
    clock = [arc for arc in through if arc.source in cell.clocked_on]
    data = [
        Arc(pin, edge, pin, edge, _NONE, None)
        for pin in cell.inputs
        if pin not in cell.clocked_on
        for edge in edges
    ]
    return CellDelays({}, frozenset(outputs), (), tuple(clock), tuple(data))


def _names(module: Netlist) -> dict[Wire, str]:
    """A name for every wire that has one from the source, ports first, then the shortest."""
    found: dict[Wire, str] = {}
    nets = [(name not in module["ports"], len(name), name) for name in module["netnames"]]
    for _, _, name in sorted(nets):
        net = module["netnames"][name]
        if net["hide_name"]:
            continue
        for i, wire in enumerate(net["bits"]):
            found.setdefault(wire, f"{name}[{i + net.get('offset', 0)}]" if len(net["bits"]) > 1 else name)
    return found


def _propagate(
    module: Netlist, instances: Netlist, delays: dict[str, CellDelays], names: dict[Wire, str]
) -> tuple[dict[Event, _Arrival], list[tuple[float, Event, str]]]:
    """Latest arrival of every event, and of every event at an end: time with setup, event, name."""
    loads = _loads(instances, delays)
    arrivals: dict[Event, _Arrival] = {}
    for port in module["ports"].values():
        if port["direction"] == "input":
            for wire in port["bits"]:
                for edge in ("rise", "fall"):
                    arrivals[wire, edge] = _Arrival(0.0, 0.0, None, "", names[wire])
    for name, cell in instances.items():
        for arc in delays[cell["type"]].clocked:
            for wire in cell["connections"].get(arc.target, []):
                load = loads[wire]
                slope = arc.slope(0.0, load) if arc.slope else 0.0
                _latest(
                    arrivals,
                    (wire, arc.target_edge),
                    _Arrival(arc.delay(0.0, load), slope, None, cell["type"], names.get(wire, name)),
                )
    incoming = _incoming(instances, delays)
    for wire in _order(incoming):
        for source, arc, instance in incoming.get(wire, ()):
            before = arrivals.get((source, arc.source_edge))
            if before is None:
                continue
            after = _Arrival(
                before.time + arc.delay(before.slope, loads[wire]),
                arc.slope(before.slope, loads[wire]) if arc.slope else 0.0,
                (source, arc.source_edge),
                instances[instance]["type"],
                before.start,
            )
            _latest(arrivals, (wire, arc.target_edge), after)
    return arrivals, list(_ends(module, instances, delays, arrivals, names))


def _latest(arrivals: dict[Event, _Arrival], event: Event, arrival: _Arrival) -> None:
    """Keep the later time and, apart from it, the slower slope."""
    known = arrivals.get(event)
    if known is None:
        arrivals[event] = arrival
        return
    late = arrival if arrival.time > known.time else known
    slope = max(known.slope, arrival.slope)
    arrivals[event] = _Arrival(late.time, slope, late.previous, late.cell, late.start)


def _ends(
    module: Netlist,
    instances: Netlist,
    delays: dict[str, CellDelays],
    arrivals: dict[Event, _Arrival],
    names: dict[Wire, str],
) -> Iterator[tuple[float, Event, str]]:
    edges: tuple[Edge, Edge] = ("rise", "fall")
    for port in module["ports"].values():
        if port["direction"] == "output":
            for event in ((wire, edge) for wire in port["bits"] for edge in edges):
                if event in arrivals:
                    yield arrivals[event].time, event, names.get(event[0], "")
    for name, cell in instances.items():
        known = delays[cell["type"]]
        outputs = (wire for pin in known.outputs for wire in cell["connections"].get(pin, []))
        register = min((names[wire] for wire in outputs if wire in names), default=name)
        for arc in known.setups:
            for wire in cell["connections"].get(arc.source, []):
                event = wire, arc.source_edge
                if event in arrivals:
                    time = arrivals[event].time + arc.delay(arrivals[event].slope, 0.0)
                    yield time, event, register


def _loads(instances: Netlist, delays: dict[str, CellDelays]) -> dict[Wire, float]:
    """Capacitance of all input pins on each wire."""
    loads: dict[Wire, float] = defaultdict(float)
    for cell in instances.values():
        known = delays[cell["type"]]
        for pin, wires in cell["connections"].items():
            if pin not in known.outputs:
                for wire in wires:
                    loads[wire] += known.capacitance.get(pin, 0.0)
    return loads


def _incoming(instances: Netlist, delays: dict[str, CellDelays]) -> dict[Wire, list[tuple[Wire, Arc, str]]]:
    """For each wire the arcs that drive it: source wire, arc, instance.

    Wires and not cells are the nodes of the graph, because a source may be another output of the same
    cell (the sum of ASAP7's half adder depends on its carry).
    """
    incoming: dict[Wire, list[tuple[Wire, Arc, str]]] = defaultdict(list)
    for name, cell in instances.items():
        for arc in delays[cell["type"]].arcs:
            for wire in cell["connections"].get(arc.target, []):
                for source in cell["connections"].get(arc.source, []):
                    incoming[wire].append((source, arc, name))
    return incoming


def _order(incoming: dict[Wire, list[tuple[Wire, Arc, str]]]) -> list[Wire]:
    """Wires, each after those it depends on."""
    graph = {wire: {source for source, _, _ in arcs} for wire, arcs in incoming.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        loop = " -> ".join(sorted({incoming[wire][0][2] for wire in error.args[1]}))
        raise YosysError(f"Expected no loop of gates without a flip-flop, got one through {loop}.") from error


def _trace(arrivals: dict[Event, _Arrival], event: Event) -> tuple[str, list[str]]:
    """Start of the path that ends at `event`, and its cell types in order."""
    cells = []
    arrival = arrivals[event]
    start = arrival.start
    while True:
        if arrival.cell:
            cells.append(arrival.cell)
        if arrival.previous is None:
            return start, cells[::-1]
        arrival = arrivals[arrival.previous]
