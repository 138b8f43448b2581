"""The power sum, against a circuit that is added up by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.flow.activity import simulate
from anda.flow.liberty import LibertyError
from anda.flow.library import Library
from anda.flow.netlist import GateNetlist, read_netlist
from anda.flow.power_sum import Energy, Nets, add_up, net_loads
from anda.flow.power_tables import CellPower, EnergyTable, read_power
from sim.replay_data import Expected, Replay

#: Loads in pF, energies in pF (10 mV)^2 = 1e-4 pJ, so that every unit has to be converted.
LIBERTY = """
library (tiny) {
  time_unit : "1ns"; voltage_unit : "10mV"; leakage_power_unit : "1nW"; capacitive_load_unit (1, pf);
  nom_voltage : 200;
  power_lut_template (by_both) { variable_1 : input_transition_time;
    variable_2 : total_output_net_capacitance;
    index_1 ("0, 1"); index_2 ("0, 0.01"); }
  power_lut_template (by_slope) { variable_1 : input_transition_time; index_1 ("0, 1"); }
  cell (and2) { area : 2; cell_leakage_power : 3;
    pg_pin (VDD) { pg_type : primary_power; } pg_pin (VSS) { pg_type : primary_ground; }
    pin (A) { direction : input; capacitance : 0.002;
      internal_power () { when : "!B";
        rise_power (by_slope) { values ("4, 8"); }
        fall_power (by_slope) { values ("0, 0"); } } }
    pin (B) { direction : input; capacitance : 0.003; }
    pin (Y) { direction : output; function : "A B";
      internal_power () { related_pin : "A"; related_pg_pin : VDD;
        rise_power (by_both) { values ("10, 20", "10, 20"); }
        fall_power (by_both) { values ("30, 40", "30, 40"); } }
      internal_power () { related_pin : "A"; related_pg_pin : VSS;
        rise_power (by_both) { values ("99, 99", "99, 99"); }
        fall_power (by_both) { values ("99, 99", "99, 99"); } }
      internal_power () { related_pin : "B"; related_pg_pin : VDD;
        rise_power (by_both) { values ("50, 50", "50, 50"); }
        fall_power (by_both) { values ("70, 70", "70, 70"); } } } }
  cell (flop) { area : 5; leakage_power () { when : "D"; value : 1; }
    leakage_power () { when : "!D"; value : 2; }
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; capacitance : 0.001;
      internal_power () { rise_power (by_slope) { values ("6, 6"); }
        fall_power (by_slope) { values ("2, 2"); } } }
    pin (D) { direction : input; capacitance : 0.004; }
    pin (Q) { direction : output; function : "IQ";
      internal_power () { related_pin : "CK";
        rise_power (by_slope) { values ("12, 12"); }
        fall_power (by_slope) { values ("8, 8"); } } } }
}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Library:
    path = tmp_path / "tiny.lib"
    path.write_text(LIBERTY, encoding="utf-8")
    return Library.from_files([path])


def _netlist(library: Library) -> GateNetlist:
    """`q <= a & b` and its inputs as ports."""
    cells = {"u": ("and2", {"A": 3, "B": 4, "Y": 5}), "f": ("flop", {"CK": 2, "D": 5, "Q": 6})}
    inputs = {"clk": [2], "a": [3], "b": [4]}
    ports = {name: {"direction": "input", "bits": bits} for name, bits in inputs.items()}
    ports |= {"q": {"direction": "output", "bits": [6]}, "valid": {"direction": "output", "bits": ["1"]}}
    found = {
        name: {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}
        for name, (kind, pins) in cells.items()
    }
    return read_netlist(
        {"modules": {"top": {"ports": ports, "cells": found, "netnames": {}}}}, "top", library
    )


def _energy(library: Library, slope: float = 0.0, wire: float = 0.0) -> Energy:
    netlist = _netlist(library)
    a = np.array([[1, 1, 0, 0, 1, 1, 1, 1]], dtype=np.bool_)[:, :, None]
    b = np.array([[1, 0, 1, 0, 1, 1, 1, 1]], dtype=np.bool_)[:, :, None]
    both = (a & b)[:, :, 0]
    expected = np.concatenate([np.zeros((1, 1), int), both[:, :-1]], axis=1)
    found = simulate(netlist, Replay({"a": a, "b": b}, (Expected("valid", "q", expected),), 1))
    power = read_power(library.files, ["and2", "flop"])
    loads = net_loads(netlist, power, wire)
    nets = Nets(found.toggles, found.ones, np.full(netlist.nets, slope), loads)
    return add_up(netlist, power, nets)


def test_sum_by_hand(tiny: Library) -> None:
    # V = 2 V, so a toggle of 1 fF costs 2 fJ; an energy of 1 in the file is 0.1 fJ.
    # a: up, down, up: 3 toggles on 2 fF. b: up, down, up, down, up: 5 on 3 fF. y: up, down, up: 3 on 4 fF.
    # q follows y one cycle later: 3, with no load. clk: 16 on 1 fF.
    energy = _energy(tiny)
    assert energy.inputs == pytest.approx(3 * 2 * 2 + 5 * 3 * 2)
    assert energy.switching == pytest.approx(3 * 4 * 2)
    assert energy.clock_load == pytest.approx(16 * 1 * 2)
    assert energy.clock_pins == pytest.approx(16 * 0.1 * (6 + 2) / 2)
    assert energy.flops == pytest.approx(3 * 0.1 * (12 + 8) / 2)
    # y after A at 4 of 10 fF: (14 + 34) / 2 = 24; after B: 60. A toggles 3 times and y follows it while b
    # is high, 6 of 8 cycles; B 5 times while a is high, 6 of 8. Only the power pin's tables count.
    output = 3 * 0.1 * (3 * 0.75 * 24 + 5 * 0.75 * 60) / (8 * 0.75)
    # A alone costs (4 + 0) / 2 while b is low, 2 of 8 cycles.
    assert energy.logic == pytest.approx(output + 3 * 0.1 * 2 * 0.25, rel=1e-6)
    assert energy.leakage == pytest.approx((3 + 1.5) * 1e-9)
    assert energy.dynamic == pytest.approx(
        energy.inputs + energy.switching + energy.logic + energy.flops + energy.clock
    )


def test_slopes_and_wires_count(tiny: Library) -> None:
    plain = _energy(tiny)
    # At a slope of 0.5 ns the input pin costs (6 + 0) / 2; what is slower than the table counts as its end.
    assert _energy(tiny, slope=500).logic - plain.logic == pytest.approx(3 * 0.1 * 1 * 0.25)
    assert _energy(tiny, slope=9000).logic - plain.logic == pytest.approx(3 * 0.1 * 2 * 0.25)
    wired = _energy(tiny, wire=1.0)
    assert wired.inputs - plain.inputs == pytest.approx((3 + 5) * 2)
    assert wired.switching - plain.switching == pytest.approx(3 * 2)
    assert wired.clock_load - plain.clock_load == pytest.approx(16 * 2)
    assert wired.logic > plain.logic


def test_tables_interpolate_and_extend() -> None:
    table = EnergyTable(np.array([1.0, 3.0]), np.array([0.0, 10.0]), np.array([[0.0, 10.0], [4.0, 24.0]]))
    at = table(np.array([1.0, 2.0, 3.0, 9.0, 0.0]), np.array([5.0, 5.0, 20.0, 10.0, -10.0]))
    assert at == pytest.approx([5.0, 9.5, 44.0, 24.0, -10.0])


def test_every_stated_leakage_is_understood(tmp_path: Path, tiny: Library) -> None:
    assert read_power(tiny.files, ["flop"])["flop"].leakage == pytest.approx(1.5e-9)
    path = tmp_path / "default.lib"
    path.write_text(LIBERTY.replace('when : "D"; value : 1;', "value : 7;"), encoding="utf-8")
    found: CellPower = read_power([path], ["flop"])["flop"]
    assert found.leakage == pytest.approx(7e-9)


def test_a_table_of_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.lib"
    path.write_text(LIBERTY.replace('values ("4, 8")', 'values ("4, 8, 9")'), encoding="utf-8")
    with pytest.raises(LibertyError, match="a table of 2 by 1 values in rise_power"):
        read_power([path], ["and2"])
