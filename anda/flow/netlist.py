"""A mapped netlist as arrays: what drives what, cell type by cell type, in the order of evaluation.

Nets are numbered so that the outputs of one cell type are neighbours, those of cells far from the
flip-flops last. A simulator can then compute all cells of one type and level with a few operations on
whole arrays (`anda.flow.activity`), and a power sum can look up tables for all of them at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.library import Cell, Library
from anda.flow.logic import truth_table
from anda.flow.yosys import Netlist, YosysError

__all__ = ["CLOCK", "RESET", "CellGroup", "GateNetlist", "Indices", "read_netlist"]

Indices = NDArray[np.intp]

#: Names of the ports that the project's components have for clock and reset.
CLOCK, RESET = "clk", "rst"

_NOTHING = "$scopeinfo"


@dataclass(frozen=True, eq=False)
class CellGroup:
    """All instances of one cell type.

    Attributes
    ----------
    cell : Cell
    names : tuple of str
        Of the instances.
    nets : dict of str to int array [instances]
        By pin: which net it is on. An output that nobody reads has a net of its own.
    levels : int array [instances]
        Logic: the most cells on a path that ends with this one, not decreasing. Flip-flops: 0.
    """

    cell: Cell
    names: tuple[str, ...]
    nets: dict[str, Indices]
    levels: Indices


@dataclass(frozen=True, eq=False)
class GateNetlist:
    """A flat netlist of logic and rising-edge flip-flops on one clock.

    Attributes
    ----------
    top : str
        Name of the module.
    nets : int
        How many there are. Net 0 is constant 0 and net 1 constant 1.
    wires : dict of int to int
        Net of a wire of the Yosys netlist.
    inputs, outputs : dict of str to int array [width]
        Nets of the ports.
    logic : tuple of CellGroup
        Output pins own neighbouring nets each, in the order of the groups, pins and instances.
    flops : tuple of CellGroup
    first_logic_net : int
        Nets from here on are driven by logic.
    """

    top: str
    nets: int
    wires: dict[int, int]
    inputs: dict[str, Indices]
    outputs: dict[str, Indices]
    logic: tuple[CellGroup, ...]
    flops: tuple[CellGroup, ...]
    first_logic_net: int

    @property
    def depth(self) -> int:
        """Cells on the path of most cells."""
        return max((int(group.levels[-1]) for group in self.logic), default=0)

    @property
    def cells(self) -> int:
        """Number of instances."""
        return sum(len(group.names) for group in (*self.logic, *self.flops))


def read_netlist(netlist: Netlist, top: str, library: Library) -> GateNetlist:
    """Read a flat, mapped netlist as Yosys prints it.

    Parameters
    ----------
    netlist
        `Mapped.flat` of `anda.flow.recipe`.
    top
        Its top module.
    library
        What it was mapped to.

    Raises
    ------
    YosysError
        When a cell is neither logic nor a plain rising-edge flip-flop on the clock port, or logic forms a
        loop.
    """
    module = netlist["modules"][top]
    instances = {
        name: _Instance(name, library.cells[cell["type"]], cell["connections"])
        for name, cell in module["cells"].items()
        if cell["type"] != _NOTHING
    }
    clock = module["ports"].get(CLOCK, {"bits": [None]})["bits"][0]
    for instance in instances.values():
        instance.check(clock)
    levels = _levels({name: i for name, i in instances.items() if not i.cell.sequential})
    # What is open or undefined reads as 0.
    numbers: dict[Any, int] = {"0": 0, "1": 1, "x": 0, "z": 0}
    entering = [p["bits"] for p in module["ports"].values() if p["direction"] == "input"]
    for count, wire in enumerate((wire for bits in entering for wire in bits), start=2):
        numbers[wire] = count
    count = 2 + sum(map(len, entering))
    count, flops = _groups([i for i in instances.values() if i.cell.sequential], levels, numbers, count)
    first = count
    count, logic = _groups([i for i in instances.values() if not i.cell.sequential], levels, numbers, count)
    ports: dict[str, dict[str, Indices]] = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        ports[port["direction"]][name] = _numbered(port["bits"], numbers, f"port {name}")
    return GateNetlist(
        top=top,
        nets=count,
        wires={wire: net for wire, net in numbers.items() if isinstance(wire, int)},
        inputs=ports["input"],
        outputs=ports["output"],
        logic=tuple(_connected(made, numbers) for made in logic),
        flops=tuple(_connected(made, numbers) for made in flops),
        first_logic_net=first,
    )


@dataclass(frozen=True)
class _Instance:
    name: str
    cell: Cell
    connections: Mapping[str, list[Any]]

    def check(self, clock: Any) -> None:
        """Raise unless it can be simulated."""
        cell = self.cell
        if not cell.sequential:
            if missing := {pin.name for pin in cell.outputs} - cell.tables().keys():
                raise YosysError(
                    f"Expected every output of {cell.name} to be a function of its inputs, "
                    f"{', '.join(sorted(missing))} is none."
                )
            return
        if cell.sequential != "ff":
            raise YosysError(f"Expected logic and flip-flops, got {self.name}, a {cell.sequential}.")
        pin = cell.clocked_on.strip("() ")
        if self.connections.get(pin) != [clock]:
            raise YosysError(
                f"Expected every flip-flop to be clocked by the rising edge of {CLOCK}, {self.name} is "
                f"clocked on {cell.clocked_on} of {cell.name}."
            )
        for expression in (cell.clear, cell.preset):
            if expression and self._may_happen(expression):
                raise YosysError(
                    f"Expected flip-flops without asynchronous set and clear, {self.name} has {expression}."
                )

    def _may_happen(self, expression: str) -> bool:
        """Whether an asynchronous condition is anything but constantly false."""
        pins = self.cell.inputs
        constants = [self.connections.get(pin, ["x"])[0] for pin in pins]
        table = truth_table(expression, pins)
        rows = range(1 << len(pins))
        return any(
            table >> row & 1
            and all(c not in ("0", "1") or int(c) == row >> k & 1 for k, c in enumerate(constants))
            for row in rows
        )


def _levels(instances: Mapping[str, _Instance]) -> dict[str, int]:
    """For each instance of logic the most cells on a path that ends with it."""
    driver: dict[Any, str] = {}
    for name, instance in instances.items():
        for pin in instance.cell.outputs:
            for wire in instance.connections.get(pin.name, []):
                driver[wire] = name
    graph = {
        name: {
            driver[wire]
            for pin in instance.cell.inputs
            for wire in instance.connections.get(pin, [])
            if wire in driver
        }
        for name, instance in instances.items()
    }
    levels: dict[str, int] = {}
    try:
        for name in TopologicalSorter(graph).static_order():
            levels[name] = 1 + max((levels[before] for before in graph[name]), default=0)
    except CycleError as error:
        raise YosysError(
            f"Expected no loop of gates without a flip-flop, got one through {' -> '.join(error.args[1])}."
        ) from error
    return levels


def _groups(
    instances: Iterable[_Instance], levels: Mapping[str, int], numbers: dict[Any, int], count: int
) -> tuple[int, list[tuple[list[_Instance], Indices, dict[str, Indices]]]]:
    """Instances by type and level, with the nets of their outputs numbered from `count` on."""
    by_type: dict[str, list[_Instance]] = defaultdict(list)
    for instance in instances:
        by_type[instance.cell.name].append(instance)
    made = []
    for name in sorted(by_type):
        group = sorted(by_type[name], key=lambda instance: levels.get(instance.name, 0))
        outputs: dict[str, Indices] = {}
        for pin in group[0].cell.outputs:
            outputs[pin.name] = np.arange(count, count + len(group))
            for instance in group:
                for wire in instance.connections.get(pin.name, []):
                    numbers[wire] = count
                count += 1
        order = np.array([levels.get(instance.name, 0) for instance in group], dtype=np.intp)
        made.append((group, order, outputs))
    return count, made


def _connected(
    made: tuple[list[_Instance], Indices, dict[str, Indices]], numbers: Mapping[Any, int]
) -> CellGroup:
    """The group with the nets of its inputs; an input that is left open reads 0."""
    group, order, outputs = made
    cell = group[0].cell
    inputs = {
        pin: np.concatenate(
            [_numbered(instance.connections.get(pin) or ["x"], numbers, instance.name) for instance in group]
        )
        for pin in cell.inputs
    }
    return CellGroup(cell, tuple(instance.name for instance in group), inputs | outputs, order)


def _numbered(wires: Iterable[Any], numbers: Mapping[Any, int], where: str) -> Indices:
    try:
        return np.array([numbers[wire] for wire in wires], dtype=np.intp)
    except KeyError as error:
        raise YosysError(f"Expected every wire to be driven, {error.args[0]} at {where} is not.") from error
