"""Cells made by hand, one of them at a time a netlist, whose power anybody can add up with a pencil.

Every table holds one number, so that neither slopes nor loads matter: a rise of an output costs 10 fJ and a
fall 4 fJ. A net that changes once a cycle rises in one cycle and falls in the next: 7 fJ a cycle. A clock
does both in every cycle: 14 fJ.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anda.flow.library import Library
from anda.flow.netlist import CLOCK, GateNetlist, read_netlist
from anda.flow.opensta import cross_check
from anda.flow.opensta_rules import ruled_power
from anda.flow.power_sum import Nets, add_up, net_loads
from anda.flow.power_tables import read_power

__all__ = ["CELLS", "CLOCK_HZ", "HandMade", "measure_cells"]

CLOCK_HZ = 100e6
"""So that a microwatt is 10 fJ a cycle."""

_HEAD = """library (by_hand) {
  delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA";
  leakage_power_unit : "1nW"; capacitive_load_unit (1, ff); pulling_resistance_unit : "1kohm";
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  nom_voltage : 1; nom_process : 1; nom_temperature : 25;
  voltage_map (VDD, 1); voltage_map (VSS, 0);
  operating_conditions (typical) { process : 1; temperature : 25; voltage : 1; }
  default_operating_conditions : typical;
  power_lut_template (flat) { variable_1 : input_transition_time; index_1 ("0, 1"); }
  lu_table_template (line) { variable_1 : input_net_transition; index_1 ("0, 1"); }
  cell (made) { area : 1;
"""
_SUPPLIES = """pg_pin (VDD) { pg_type : primary_power; voltage_name : VDD; }
pg_pin (VSS) { pg_type : primary_ground; voltage_name : VSS; }
"""
_FLOP = 'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }\n'


@dataclass(frozen=True)
class HandMade:
    """A cell, what it is connected to, and what its tables say.

    Attributes
    ----------
    about : str
    liberty : str
        Of the cell, its pins included.
    pins : dict of str to str
        Port of each pin; inputs are `clk`, `a`, `b` and `c`, the output is `y`.
    internal_fj : float
        A cycle, when every net changes once and the clock twice, added up by hand.
    leakage_nw : float
    changes : int
        Of the output in a cycle.
    """

    about: str
    liberty: str
    pins: dict[str, str]
    internal_fj: float
    leakage_nw: float = 3.0
    changes: int = 1


def _power(rise: float, fall: float, related: str = "", when: str = "", supply: str = "") -> str:
    words = {"related_pin": f'"{related}"', "when": f'"{when}"', "related_pg_pin": supply}
    given = (related, when, supply)
    said = "".join(f"{word} : {text}; " for (word, text), so in zip(words.items(), given, strict=True) if so)
    tables = (
        f'{edge}_power (flat) {{ values ("{v}, {v}"); }}' for edge, v in (("rise", rise), ("fall", fall))
    )
    return f"internal_power () {{ {said}{' '.join(tables)} }}\n"


def _timing(related: str, kind: str = "combinational") -> str:
    tables = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    values = " ".join(f'{name} (line) {{ values ("0.1, 0.1"); }}' for name in tables)
    said = f'related_pin : "{related}"; timing_type : {kind}; timing_sense : non_unate;'
    return f"timing () {{ {said} {values} }}\n"


def _input(name: str, power: str = "", clock: bool = False) -> str:
    kind = " clock : true;" if clock else ""
    return f"pin ({name}) {{ direction : input;{kind} capacitance : 1;\n{power}}}\n"


def _output(function: str, power: str, *arcs: str) -> str:
    return f'pin (Y) {{ direction : output; function : "{function}";\n{power}{"".join(arcs)}}}\n'


def _leaks(*states: tuple[str, int]) -> str:
    return "".join(f'leakage_power () {{ when : "{when}"; value : {nw}; }}\n' for when, nw in states)


_LEAKAGE = "cell_leakage_power : 3;\n"
_INVERTER = _input("A") + _output("!A", _power(10, 4, "A"), _timing("A"))
_ALL = "".join(_timing(pin) for pin in "ABC")

#: In the order of the table.
CELLS = (
    HandMade("inverter", _LEAKAGE + _INVERTER, {"A": "a", "Y": "y"}, 7),
    HandMade("inverter on the clock", _LEAKAGE + _INVERTER, {"A": CLOCK, "Y": "y"}, 14, changes=2),
    HandMade(
        "sum of a full adder",
        _LEAKAGE
        + "".join(map(_input, "ABC"))
        + _output("A ^ B ^ C", "".join(_power(10, 4, pin) for pin in "ABC"), _ALL),
        {"A": "a", "B": "b", "C": "c", "Y": "y"},
        7,
    ),
    HandMade(
        "exclusive or, tables for each value of the other input",
        _LEAKAGE
        + "".join(map(_input, "AB"))
        + _output(
            "A ^ B",
            "".join(_power(10, 4, *pair) for pair in (("A", "B"), ("A", "!B"), ("B", "A"), ("B", "!A"))),
            _timing("A"),
            _timing("B"),
        ),
        {"A": "a", "B": "b", "Y": "y"},
        7,
    ),
    HandMade(
        "flip-flop: 3 fJ and 1 fJ at the edges of the clock, 10 fJ and 4 fJ at its output",
        _LEAKAGE
        + _FLOP
        + _input("CK", _power(3, 1), clock=True)
        + _input("D")
        + _output("IQ", _power(10, 4, "CK"), _timing("CK", "rising_edge")),
        {"CK": CLOCK, "D": "a", "Y": "y"},
        2 * 2 + 7,
    ),
    HandMade(
        "inverter, tables for both supply pins, with conditions",
        _LEAKAGE
        + _SUPPLIES
        + _input("A")
        + _output(
            "!A",
            "".join(_power(10, 4, "A", when, "VDD") for when in ("A", "!A"))
            + "".join(_power(1, 2, "A", when, "VSS") for when in ("A", "!A")),
            _timing("A"),
        ),
        {"A": "a", "Y": "y"},
        7,
    ),
    HandMade(
        "inverter that leaks 1 nW at a low input and 2 nW at a high one",
        _leaks(("!A", 1), ("A", 2)) + _INVERTER,
        {"A": "a", "Y": "y"},
        7,
        leakage_nw=1.5,
    ),
    HandMade(
        "flip-flop that leaks 1 nW at a low output and 2 nW at a high one, for each value of its input",
        _leaks(("!D * !Y", 1), ("!D * Y", 2), ("D * !Y", 1), ("D * Y", 2))
        + _FLOP
        + _input("CK", clock=True)
        + _input("D")
        + _output("IQ", _power(10, 4, "CK"), _timing("CK", "rising_edge")),
        {"CK": CLOCK, "D": "a", "Y": "y"},
        7,
        leakage_nw=1.5,
    ),
)


def measure_cells() -> Iterator[dict[str, Any]]:
    """Each cell alone: what its tables say, the sum of this project, OpenSTA's, and that of OpenSTA's rules.

    Raises
    ------
    OpenStaError
        Without OpenSTA.
    """
    with tempfile.TemporaryDirectory(prefix="anda-") as folder:
        for number, cell in enumerate(CELLS):
            path = Path(folder) / f"{number}.lib"
            path.write_text(_HEAD + cell.liberty + "} }\n")
            yield _measure(cell, Library.from_files([path]))


def _measure(cell: HandMade, library: Library) -> dict[str, Any]:
    netlist = _netlist(cell, library)
    power = read_power(library.files, ["made"])
    toggles = np.ones(netlist.nets)
    toggles[:2] = 0
    toggles[netlist.inputs[CLOCK]] = 2
    toggles[netlist.outputs["y"]] = cell.changes
    slopes = np.zeros(netlist.nets)
    ours = add_up(
        netlist, power, Nets(toggles, np.full(netlist.nets, 0.5), slopes, net_loads(netlist, power))
    )
    theirs = cross_check(netlist, None, library, CLOCK_HZ).uniform
    ruled = ruled_power(netlist, power, library.files, slopes)
    return {
        "cell": cell.about,
        "tables": {"internal_fj": cell.internal_fj, "leakage_nw": cell.leakage_nw},
        "anda": {
            "internal_fj": ours.logic + ours.flops + ours.clock_pins,
            "leakage_nw": ours.leakage * 1e9,
        },
        "opensta": {
            "internal_fj": theirs.internal_w / CLOCK_HZ * 1e15,
            "leakage_nw": theirs.leakage_w * 1e9,
        },
        "rules": {"internal_fj": ruled.internal * cell.changes},
    }


def _netlist(cell: HandMade, library: Library) -> GateNetlist:
    bits = {name: [wire] for wire, name in enumerate((CLOCK, "a", "b", "c", "y"), start=2)}
    ports = {name: {"direction": "output" if name == "y" else "input", "bits": bits[name]} for name in bits}
    made = {"type": "made", "connections": {pin: bits[port] for pin, port in cell.pins.items()}}
    module = {"ports": ports, "cells": {"only": made}, "netnames": {}}
    return read_netlist({"modules": {"top": module}}, "top", library)
