"""Power with one change a cycle on every net by the rules of OpenSTA 2.0.17, from the same Liberty tables.

Where OpenSTA reports another internal power than `anda.flow.power_sum`, the reason is one of its rules, or an
error on one of the sides. These are its rules, found with cells made by hand (`anda.power_cells`) and in
its public source. What they make of the same tables is what OpenSTA reports:

- every change costs the energies of a rise and of a fall together;
- every input that may have caused a change of an output adds its own, times the probability of its condition
  (`when`), else of the other operand where the function is a simple one of the input and something else,
  else times a half, and without any factor for a clock;
- tables of ground pins count where they have a condition, unless those of an input cover every case;
- tables are extended linearly beyond their last slope;
- a net's load is the larger of its readers' capacitances for a rise and for a fall.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anda.flow.liberty import FEMTOFARADS, TABLE_GROUPS, parse_liberty, unit_size
from anda.flow.library import Cell
from anda.flow.logic import truth_table
from anda.flow.netlist import CellGroup, GateNetlist
from anda.flow.power_tables import CellPower, EnergyTable, PinEnergy, read_power

__all__ = ["RuledPower", "ruled_power"]

Floats = NDArray[np.float64]

_NAME = re.compile(r"[A-Za-z_][\w\[\]]*")
#: Operators of functions from the loosest to the tightest, and whether the other operand must be high.
_OPERATORS = (("+|", False), ("*&", True), ("^", False))


class RuledPower(NamedTuple):
    """Energies of one cycle, in fJ."""

    internal: float
    switching: float


def ruled_power(
    netlist: GateNetlist, power: Mapping[str, CellPower], files: Iterable[Path], slopes: Floats
) -> RuledPower:
    """What OpenSTA 2.0.17 would report for one change a cycle on every net, two on the clock.

    Parameters
    ----------
    netlist
    power
        Of its cells.
    files
        The library's, once more: for the tables of ground pins and the capacitances of each edge.
    slopes
        Of every net, in ps.
    """
    groups = (*netlist.flops, *netlist.logic)
    files = tuple(files)
    with_ground = _with_ground(files, power)
    loads = _edge_loads(netlist, files)
    internal = 0.0
    for group in groups:
        for energy in _counted(power[group.cell.name], with_ground[group.cell.name]):
            internal += _energy(group, energy, slopes, loads)
    voltage = max(cell.voltage for cell in power.values())
    # Neither constants nor what ports drive.
    loads[:2] = 0
    loads[np.concatenate(list(netlist.inputs.values()))] = 0
    driven = float(loads.sum())
    return RuledPower(internal, driven * voltage * voltage / 2)


def _with_ground(files: Iterable[Path], power: Mapping[str, CellPower]) -> dict[str, CellPower]:
    """The same cells, their ground pins taken for power pins."""
    with tempfile.TemporaryDirectory(prefix="anda-") as folder:
        copies = []
        for path in files:
            copies.append(Path(folder) / path.name)
            copies[-1].write_text(path.read_text(errors="replace").replace("primary_ground", "primary_power"))
        return read_power(copies, power)


def _counted(power: CellPower, with_ground: CellPower) -> Iterator[PinEnergy]:
    """The energies that count: those of ground pins only under some conditions."""
    grounded = 2 if len(with_ground.energies) > len(power.energies) else 1
    for pin in dict.fromkeys(energy.pin for energy in power.energies):
        of_pin = [energy for energy in power.energies if energy.pin == pin]
        yield from (energy for energy in of_pin if not energy.when)
        conditional = [energy for energy in with_ground.energies if energy.pin == pin and energy.when]
        own = [energy for energy in conditional if not energy.related]
        names = len(set(_NAME.findall(own[-1].when))) if own else 0
        complete = len(own) // grounded == 1 << names
        yield from (energy for energy in (of_pin if complete else conditional) if energy.when)


def _energy(group: CellGroup, energy: PinEnergy, slopes: Floats, loads: Floats) -> float:
    """What one table adds for all instances of a cell in one cycle."""
    cell, source = group.cell, energy.related or energy.pin
    if energy.pin not in group.nets or source not in group.nets:
        return 0.0
    slope = slopes[group.nets[source]]
    load = loads[group.nets[energy.pin]] if energy.related else np.zeros(len(slope))
    both = _extended(energy.rise, slope, load) + _extended(energy.fall, slope, load)
    changes = 2 if _is_clock(cell, energy.pin) else 1
    return float(both.sum()) * _share(cell, energy) * changes


def _extended(table: EnergyTable, slope: Floats, load: Floats) -> Floats:
    """The table, going on with its last step beyond its last slope."""
    found = table(slope, load)
    if len(table.slopes) > 1:
        before, last = table.slopes[-2:]
        step = table(np.full_like(slope, last), load) - table(np.full_like(slope, before), load)
        found = found + np.maximum(slope - last, 0) / (last - before) * step
    return found


def _is_clock(cell: Cell, pin: str) -> bool:
    return bool(cell.sequential) and pin == cell.clocked_on.strip("() ")


def _share(cell: Cell, energy: PinEnergy) -> float:
    """The factor of one table, every pin high half of the time whatever the others are."""
    if energy.when:
        return _probability(energy.when)
    if energy.related:
        function = next(pin.function for pin in cell.outputs if pin.name == energy.pin)
        inferred = _inferred(function, energy.related)
        if inferred is not None:
            return inferred
    return 1.0 if _is_clock(cell, energy.related or energy.pin) else 0.5


def _probability(expression: str) -> float:
    pins = tuple(dict.fromkeys(_NAME.findall(expression)))
    return truth_table(expression, pins).bit_count() / (1 << len(pins))


def _inferred(function: str, source: str) -> float | None:
    """How probable it is that an output follows an input; None where the function is no simple one of it."""
    bare = _bare(re.sub(r"\s*([*&|+^()!])\s*", r"\1", function.strip()).replace(" ", "*"))
    if bare == source:
        return 1.0
    for operators, high in _OPERATORS:
        at = _last_outside(bare, operators)
        if at is None:
            continue
        left, right = bare[:at], bare[at + 1 :]
        for operand, other in ((left, right), (right, left)):
            if operand.replace("(", "").replace(")", "") in (source, f"!{source}"):
                return _probability(other) if high else 1 - _probability(other)
        return None
    return None


def _bare(function: str) -> str:
    """Without the parentheses and inversions around the whole."""
    while True:
        if function.startswith("!") and _whole(function[1:]):
            function = function[1:]
        elif function.startswith("(") and _whole(function):
            function = function[1:-1]
        else:
            return function


def _whole(function: str) -> bool:
    """Whether this is one name or one pair of parentheses."""
    function = function.lstrip("!")
    if not function.startswith("("):
        return bool(_NAME.fullmatch(function))
    depth = 0
    for i, letter in enumerate(function):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return i == len(function) - 1
    return False


def _last_outside(function: str, operators: str) -> int | None:
    """Where the last of these operators is that no parentheses hold."""
    depth, found = 0, None
    for i, letter in enumerate(function):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and letter in operators:
            found = i
    return found


def _edge_loads(netlist: GateNetlist, files: Iterable[Path]) -> Floats:
    """For each net the larger of the readers' capacitances for a rise and for a fall, in fF."""
    groups = (*netlist.flops, *netlist.logic)
    wanted = {group.cell.name for group in groups}
    known: dict[tuple[str, str], tuple[float, float]] = {}
    for path in files:
        library = parse_liberty(
            path.read_text(errors="replace"),
            leave_out=TABLE_GROUPS,
            cells=frozenset(wanted),
            source=path.name,
        )
        amount, unit = library.lists.get("capacitive_load_unit", ("1", "pf"))[:2]
        scale = unit_size(f"{amount}{unit}", FEMTOFARADS)
        for cell in library.children("cell"):
            for pin in cell.children("pin"):
                plain = pin.number("capacitance")
                rise, fall = (pin.number(f"{edge}_capacitance", plain) * scale for edge in ("rise", "fall"))
                for name in pin.args:
                    known.setdefault((cell.name, name), (rise, fall))
    loads = np.zeros((2, netlist.nets))
    for group in groups:
        for name in group.cell.inputs:
            for edge in (0, 1):
                np.add.at(loads[edge], group.nets[name], known[group.cell.name, name][edge])
    found: Floats = loads.max(axis=0)
    return found
