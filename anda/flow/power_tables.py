"""Energies of Liberty cells: leakage, and what a change at each pin costs inside the cell.

Energies are in femtojoules, times in picoseconds, capacitances in femtofarads and leakage in watts,
whatever the file uses; a Liberty file's unit of internal energy is its unit of capacitance times the
square of its unit of voltage. Where a cell has tables for each supply pin, those of the power pins count
and those of the ground pins, which tell the same current from the other side, do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.liberty import (
    FEMTOFARADS,
    PICOSECONDS,
    TABLE_GROUPS,
    Group,
    LibertyError,
    numbers,
    parse_liberty,
    unit_size,
)

__all__ = ["CellPower", "EnergyTable", "PinEnergy", "read_power"]

Floats = NDArray[np.float64]

_VOLTS = {"mv": 1e-3, "v": 1.0}
_WATTS = {"fw": 1e-15, "pw": 1e-12, "nw": 1e-9, "uw": 1e-6, "mw": 1e-3, "w": 1.0}
_WANTED = TABLE_GROUPS - {"internal_power", "leakage_power", "power_lut_template"}
_LOAD = "total_output_net_capacitance"


@dataclass(frozen=True, eq=False)
class EnergyTable:
    """Energy of one change over the slope of the input and the load of the output, in fJ.

    Parameters
    ----------
    slopes, loads : float array
        In ps and fF, rising; a single entry where the energy does not depend on it.
    values : float array [slopes, loads]
    """

    slopes: Floats
    loads: Floats
    values: Floats

    def __call__(self, slope: Floats, load: Floats) -> Floats:
        """The energy at many points: interpolated linearly, extended linearly beyond the ends of the loads.

        Slopes beyond the ends count as the ends: a net without buffers may be slower than any table reaches.
        """
        i, u = _segment(self.slopes, np.clip(slope, self.slopes[0], self.slopes[-1]))
        j, v = _segment(self.loads, load)
        up, right = min(1, len(self.slopes) - 1), min(1, len(self.loads) - 1)
        low = self.values[i, j] + u * (self.values[i + up, j] - self.values[i, j])
        high = self.values[i, j + right] + u * (self.values[i + up, j + right] - self.values[i, j + right])
        found: Floats = low + v * (high - low)
        return found


@dataclass(frozen=True, eq=False)
class PinEnergy:
    """What a change at a pin costs inside the cell.

    Attributes
    ----------
    pin : str
    related : str
        For an output: the input that caused the change. Empty for an input.
    when : str
        Condition on the pins; empty: always.
    rise, fall : EnergyTable
    """

    pin: str
    related: str
    when: str
    rise: EnergyTable
    fall: EnergyTable


@dataclass(frozen=True, eq=False)
class CellPower:
    """Everything that a power sum needs to know about one cell.

    Attributes
    ----------
    voltage : float
        Of its library, in V.
    leakage : float
        In W: `cell_leakage_power`, else the unconditional `leakage_power`, else the mean over all conditions.
    capacitance : dict of str to float
        Of the input pins, in fF.
    energies : tuple of PinEnergy
    """

    voltage: float
    leakage: float
    capacitance: dict[str, float]
    energies: tuple[PinEnergy, ...]


def read_power(files: Iterable[Path], cells: Iterable[str]) -> dict[str, CellPower]:
    """Energies of the named cells, from the first file that has each.

    Raises
    ------
    LibertyError
        When the library has no energies, as one for areas alone, or its units are unknown.
    """
    wanted = frozenset(cells)
    found: dict[str, CellPower] = {}
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        library = parse_liberty(text, leave_out=_WANTED, cells=wanted - found.keys(), source=str(path))
        groups = list(library.children("cell"))
        if not groups:
            continue
        reader = _Reader(library, str(path))
        for group in groups:
            found.setdefault(group.name, reader.cell(group))
    if not any(cell.energies for cell in found.values()):
        raise LibertyError(
            "Expected a library with tables of internal power, this one has none: power needs a Liberty file "
            "of a real process (--liberty), the areas of the others say nothing about energy."
        )
    return found


class _Reader:
    """Reads the cells of one library in its own units and with its own table templates."""

    def __init__(self, library: Group, source: str) -> None:
        self.time = unit_size(library.attributes.get("time_unit", "1ns"), PICOSECONDS)
        amount, unit = library.lists.get("capacitive_load_unit", ("1", "pf"))[:2]
        self.load = unit_size(f"{amount}{unit}", FEMTOFARADS)
        volt = unit_size(library.attributes.get("voltage_unit", "1V"), _VOLTS)
        self.voltage = library.number("nom_voltage") * volt
        self.energy = self.load * volt * volt
        self.watt = unit_size(library.attributes.get("leakage_power_unit", "1nW"), _WATTS)
        self.templates = {group.name: group for group in library.children("power_lut_template")}
        if self.voltage <= 0:
            raise LibertyError(f"{source}: expected a positive nom_voltage, got {self.voltage:g} V.")

    def cell(self, group: Group) -> CellPower:
        ground = {
            pin.name for pin in group.children("pg_pin") if "ground" in pin.attributes.get("pg_type", "")
        }
        energies = [
            energy
            for pin in group.children("pin")
            for power in pin.children("internal_power")
            if power.attributes.get("related_pg_pin") not in ground
            for name in pin.args
            for energy in self._energies(name, power)
        ]
        capacitance = {
            name: pin.number("capacitance") * self.load
            for pin in group.children("pin")
            if pin.attributes.get("direction") == "input"
            for name in pin.args
        }
        return CellPower(self.voltage, self._leakage(group, ground), capacitance, tuple(energies))

    def _leakage(self, group: Group, ground: set[str]) -> float:
        if "cell_leakage_power" in group.attributes:
            return group.number("cell_leakage_power") * self.watt
        stated = [
            (bool(state.attributes.get("when")), state.number("value"))
            for state in group.children("leakage_power")
            if state.attributes.get("related_pg_pin") not in ground
        ]
        always = [value for conditional, value in stated if not conditional]
        if always:
            return sum(always) * self.watt
        return float(np.mean([value for _, value in stated])) * self.watt if stated else 0.0

    def _energies(self, pin: str, power: Group) -> Iterator[PinEnergy]:
        tables = {group.kind: self._table(group) for group in power.groups if group.lists.get("values")}
        rise, fall = (tables.get(name, tables.get("power")) for name in ("rise_power", "fall_power"))
        nothing = EnergyTable(np.zeros(1), np.zeros(1), np.zeros((1, 1)))
        when = power.attributes.get("when", "")
        for related in power.attributes.get("related_pin", "").split() or [""]:
            yield PinEnergy(pin, related, when, rise or nothing, fall or nothing)

    def _table(self, group: Group) -> EnergyTable:
        template = self.templates.get(group.name, Group("power_lut_template", ()))
        rows = [numbers([row]) for row in group.lists["values"]]
        axes: dict[bool, Floats] = {True: np.zeros(1), False: np.zeros(1)}
        order = []
        for n in (1, 2):
            words = group.lists.get(f"index_{n}") or template.lists.get(f"index_{n}")
            if words:
                is_load = template.attributes.get(f"variable_{n}", "") == _LOAD
                axes[is_load] = np.array(numbers(words)) * (self.load if is_load else self.time)
                order.append(is_load)
        values = np.array([value for row in rows for value in row])
        slopes, loads = axes[False], axes[True]
        if len(values) != len(slopes) * len(loads):
            raise LibertyError(
                f"Expected a table of {len(slopes)} by {len(loads)} values in {group.kind} ({group.name}), "
                f"got {len(values)}."
            )
        by_load = bool(order) and order[0]
        shaped = values.reshape(len(loads), len(slopes)).T if by_load else values.reshape(len(slopes), -1)
        return EnergyTable(slopes, loads, shaped * self.energy)


def _segment(axis: Floats, at: Floats) -> tuple[NDArray[Any], Floats]:
    """Index of the segment of `axis` that holds or is nearest to each point, and how far along it that is."""
    if len(axis) == 1:
        return np.zeros(at.shape, dtype=np.intp), np.zeros(at.shape)
    i = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 2)
    return i, (at - axis[i]) / (axis[i + 1] - axis[i])
