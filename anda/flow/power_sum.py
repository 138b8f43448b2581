"""The energy of a netlist: toggles of every net times what a toggle costs.

    switching   toggles * C V^2 / 2, with C the input pins of the readers and a wire load if one is stated
    internal    toggles of a pin * mean of its rise and fall energies (tables over slope and load)
    clock       both of these for the clock pins of all flip-flops, two changes a cycle
    leakage     of all cells, all the time

The internal energy of an output is the mean over its inputs, each weighted by how often it toggles and by
the probability that the output follows it; where an energy holds under a condition, by the probability of
that too. Probabilities are those of the measured pins, without correlation between inputs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.library import Cell
from anda.flow.logic import truth_table
from anda.flow.netlist import CLOCK, CellGroup, GateNetlist
from anda.flow.power_tables import CellPower, PinEnergy

__all__ = ["Energy", "Nets", "add_up", "net_loads"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Energy:
    """Where energy goes, in fJ over a whole simulation, and leakage in W.

    Attributes
    ----------
    switching : float
        Loads of nets that cells drive.
    inputs : float
        Loads of nets that input ports drive.
    logic, flops : float
        Inside logic, and inside flip-flops without their clock pins.
    clock_load, clock_pins : float
        Loads of the clock pins, and energy inside the flip-flops for every edge.
    leakage : float
    """

    switching: float
    inputs: float
    logic: float
    flops: float
    clock_load: float
    clock_pins: float
    leakage: float

    @property
    def clock(self) -> float:
        """What the clock costs, whatever the data."""
        return self.clock_load + self.clock_pins

    @property
    def dynamic(self) -> float:
        """Everything but leakage."""
        return self.switching + self.inputs + self.logic + self.flops + self.clock


@dataclass(frozen=True, eq=False)
class Nets:
    """What is known about every net, as arrays over the nets.

    Attributes
    ----------
    toggles : array
        Changes over the whole simulation.
    ones : float array
        Part of the time in which it is high.
    slopes : float array
        How long a change takes, in ps.
    loads : float array
        In fF.
    """

    toggles: NDArray[Any]
    ones: Floats
    slopes: Floats
    loads: Floats


def net_loads(netlist: GateNetlist, power: Mapping[str, CellPower], wire: float = 0.0) -> Floats:
    """Capacitance on every net, in fF: all input pins, and `wire` for each of them."""
    loads = np.zeros(netlist.nets)
    for group in (*netlist.logic, *netlist.flops):
        known = power[group.cell.name]
        for pin in group.cell.inputs:
            np.add.at(loads, group.nets[pin], known.capacitance.get(pin, 0.0) + wire)
    return loads


def add_up(netlist: GateNetlist, power: Mapping[str, CellPower], nets: Nets) -> Energy:
    """Energy of all cells and nets of a netlist."""
    voltage = max(cell.voltage for cell in power.values())
    switched = nets.toggles * nets.loads * (voltage * voltage / 2)
    clock = switched[netlist.inputs[CLOCK]].sum() if CLOCK in netlist.inputs else 0.0
    ports = np.concatenate([np.empty(0, dtype=np.intp), *netlist.inputs.values()])
    outside = switched[ports].sum()
    logic = sum(_internal(group, power[group.cell.name], nets)[0] for group in netlist.logic)
    flops = [_internal(group, power[group.cell.name], nets) for group in netlist.flops]
    leakage = sum(power[g.cell.name].leakage * len(g.names) for g in (*netlist.logic, *netlist.flops))
    return Energy(
        switching=float(switched.sum() - outside),
        inputs=float(outside - clock),
        logic=float(logic),
        flops=float(sum(data for data, _ in flops)),
        clock_load=float(clock),
        clock_pins=float(sum(edges for _, edges in flops)),
        leakage=float(leakage),
    )


def _internal(group: CellGroup, power: CellPower, nets: Nets) -> tuple[float, float]:
    """Energy inside all instances of a cell: of all pins but the clock, and of the clock pin."""
    by_pin: dict[str, dict[str, list[PinEnergy]]] = defaultdict(lambda: defaultdict(list))
    for energy in power.energies:
        if energy.pin in group.nets:
            by_pin[energy.pin][energy.related].append(energy)
    clock_pin = group.cell.clocked_on.strip("() ")
    data = clock = 0.0
    for pin, related in by_pin.items():
        toggles = nets.toggles[group.nets[pin]]
        per_toggle = _input(group, related[""], nets) if "" in related else _output(group, pin, related, nets)
        total = float((toggles * per_toggle).sum())
        if pin == clock_pin and group.cell.sequential:
            clock += total
        else:
            data += total
    return data, clock


def _input(group: CellGroup, energies: list[PinEnergy], nets: Nets) -> Floats:
    """Energy of a change at an input: what applies under each condition, times its probability."""
    net = group.nets[energies[0].pin]
    slope, load = nets.slopes[net], np.zeros(len(net))
    total = np.zeros(len(net))
    for energy in energies:
        total += _probability(group, energy.when, nets) * _mean(energy, slope, load)
    return total


def _output(group: CellGroup, pin: str, related: Mapping[str, list[PinEnergy]], nets: Nets) -> Floats:
    """Energy of a change at an output: the mean over the inputs that may have caused it."""
    load = nets.loads[group.nets[pin]]
    total, weights = np.zeros(len(load)), np.zeros(len(load))
    # Where no input toggles at all, any weights do; a grain of each also keeps the division sound.
    grain = 1e-9
    for source, energies in related.items():
        if source not in group.nets:
            continue
        cause = group.nets[source]
        given, shares = np.zeros(len(load)), np.zeros(len(load))
        for energy in energies:
            share = _probability(group, energy.when, nets, (pin, source)) + grain
            given += share * _mean(energy, nets.slopes[cause], load)
            shares += share
        weight = nets.toggles[cause] * _probability(group, "", nets, (pin, source)) + grain
        total += weight * given / shares
        weights += weight
    return total / np.maximum(weights, grain)


def _mean(energy: PinEnergy, slope: Floats, load: Floats) -> Floats:
    """Rises and falls take turns."""
    found: Floats = (energy.rise(slope, load) + energy.fall(slope, load)) / 2
    return found


def _probability(
    group: CellGroup, condition: str, nets: Nets, follows: tuple[str, str] | None = None
) -> Floats:
    """How probable a condition is, for each instance; with `follows`, and that an output follows an input."""
    count = len(group.names)
    free, table = _condition_table(group.cell, condition, follows)
    total = np.zeros(count)
    # What is stored is no pin; without knowing better it is high half of the time.
    high = [nets.ones[group.nets[pin]] if pin in group.nets else np.full(count, 0.5) for pin in free]
    for row in range(1 << len(free)):
        if table >> row & 1:
            factors = (p if row >> k & 1 else 1 - p for k, p in enumerate(high))
            total += np.prod(list(factors), axis=0)
    return total


def _condition_table(
    cell: Cell, condition: str, follows: tuple[str, str] | None
) -> tuple[tuple[str, ...], int]:
    """Truth table of a condition over pins that are free: outputs of logic follow from its inputs."""
    outputs = tuple(pin.name for pin in cell.outputs)
    if cell.sequential:
        free = tuple(dict.fromkeys((*cell.inputs, *outputs, *cell.state))) if condition else ()
        return free, truth_table(condition or "1", free)
    functions = cell.tables()
    if not condition and follows is None:
        return (), 1
    table = truth_table(condition or "1", (*cell.inputs, *outputs))
    rows = 0
    for row in range(1 << len(cell.inputs)):
        whole = row
        for k, name in enumerate(outputs, start=len(cell.inputs)):
            whole |= (functions[name] >> row & 1) << k
        rows |= (table >> whole & 1) << row
    if follows is not None:
        output, source = follows
        flipped = 1 << cell.inputs.index(source)
        for row in range(1 << len(cell.inputs)):
            if functions[output] >> row & 1 == functions[output] >> (row ^ flipped) & 1:
                rows &= ~(1 << row)
    return cell.inputs, rows
