"""Files for OpenSTA, and its second opinion where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from anda.flow.activity import Activity, simulate
from anda.flow.library import Library
from anda.flow.netlist import GateNetlist, read_netlist
from anda.flow.opensta import (
    OpenStaError,
    OpenStaPower,
    cross_check,
    export,
    opensta_version,
    run_opensta,
    structural_verilog,
)
from sim.replay_data import Expected, Replay

LIBERTY = """
library (tiny) {
  delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA";
  leakage_power_unit : "1nW"; capacitive_load_unit (1, pf); pulling_resistance_unit : "1kohm";
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  nom_voltage : 2; nom_process : 1; nom_temperature : 25;
  operating_conditions (typ) { process : 1; temperature : 25; voltage : 2; }
  default_operating_conditions : typ;
  power_lut_template (flat) { variable_1 : input_transition_time; index_1 ("0, 1"); }
  lu_table_template (line) { variable_1 : input_net_transition; index_1 ("0, 1"); }
  lu_table_template (setup) { variable_1 : constrained_pin_transition; index_1 ("0, 1"); }
  cell (inv) { area : 1; cell_leakage_power : 3;
    pin (A) { direction : input; capacitance : 0.002; }
    pin (Y) { direction : output; function : "!A";
      timing () { related_pin : "A"; timing_sense : negative_unate;
        cell_rise (line) { values ("0.2, 0.2"); } rise_transition (line) { values ("0.1, 0.1"); }
        cell_fall (line) { values ("0.2, 0.2"); } fall_transition (line) { values ("0.1, 0.1"); } } } }
  cell (flop) { area : 5; cell_leakage_power : 2;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; capacitance : 0.001; }
    pin (D) { direction : input; capacitance : 0.004;
      timing () { related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (setup) { values ("0.5, 0.5"); } fall_constraint (setup) { values ("0.5, 0.5"); } } }
    pin (Q) { direction : output; function : "IQ";
      timing () { related_pin : "CK"; timing_type : rising_edge; timing_sense : non_unate;
        cell_rise (line) { values ("0.3, 0.3"); } rise_transition (line) { values ("0.1, 0.1"); }
        cell_fall (line) { values ("0.3, 0.3"); } fall_transition (line) { values ("0.1, 0.1"); } } } }
}
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path = tmp_path / "tiny.lib"
    path.write_text(LIBERTY, encoding="utf-8")
    return Library.from_files([path])


@pytest.fixture
def netlist(library: Library) -> GateNetlist:
    """Two bits, each inverted in front of its flip-flop: `q <= ~d`."""
    cells = {}
    for k in range(2):
        cells[f"i{k}"] = {"type": "inv", "connections": {"A": [3 + k], "Y": [5 + k]}}
        cells[f"f{k}"] = {"type": "flop", "connections": {"CK": [2], "D": [5 + k], "Q": [7 + k]}}
    ports = {
        "clk": {"direction": "input", "bits": [2]},
        "d": {"direction": "input", "bits": [3, 4]},
        "q": {"direction": "output", "bits": [7, 8]},
        "valid": {"direction": "output", "bits": ["1"]},
    }
    return read_netlist(
        {"modules": {"top": {"ports": ports, "cells": cells, "netnames": {}}}}, "top", library
    )


@pytest.fixture
def activity(netlist: GateNetlist) -> Activity:
    d = np.array([[[0, 0], [1, 0], [0, 0], [1, 1]]], dtype=np.bool_)
    return simulate(netlist, Replay({"d": d}, (Expected("valid", "q", np.array([[3, 3, 2, 3]])),), 1))


def test_netlist_as_text(netlist: GateNetlist) -> None:
    assert structural_verilog(netlist).splitlines() == [
        "module top (clk, d, q, valid);",
        "  input clk;",
        "  input [1:0] d;",
        "  output [1:0] q;",
        "  output valid;",
        *(f"  wire n{net};" for net in (5, 6, 7, 8)),
        "  flop u0 (.CK(clk), .D(n7), .Q(n5));",
        "  flop u1 (.CK(clk), .D(n8), .Q(n6));",
        "  inv u2 (.A(d[0]), .Y(n7));",
        "  inv u3 (.A(d[1]), .Y(n8));",
        "  assign q[0] = n5;",
        "  assign q[1] = n6;",
        "  assign valid = 1'b1;",
        "endmodule",
    ]


def test_activities_in_both_languages(
    tmp_path: Path, netlist: GateNetlist, activity: Activity, library: Library
) -> None:
    files = export(tmp_path / "out", netlist, activity, library, 100e6)
    assert {file.name for file in files} == {
        "netlist.v", "design.sdc", "activity.tcl", "activity.saif", "power.tcl"
    }  # fmt: skip
    # d[0] changes three times in four cycles and is high in two of them, and so does its inverse.
    assert "port_activity {d[0]} 0.75 0.5\n" in files[2].read_text()
    assert "pin_activity u2/Y 0.75 0.5\n" in files[2].read_text()
    saif = files[3].read_text()
    assert saif.count("(") == saif.count(")")
    assert r"(d\[0\] (T0 5000000000) (T1 5000000000) (TX 0) (TC 750000))" in saif
    assert re.search(r"\(DURATION 10000000000\)", saif)
    with pytest.raises(ValueError, match="did not count glitches"):
        export(tmp_path, netlist, activity, library, 100e6, glitches=True)


def test_without_opensta_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert opensta_version() is None
    with pytest.raises(OpenStaError, match="Expected OpenSTA's program sta on the path"):
        run_opensta(tmp_path, 1e8)


def test_what_opensta_prints_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in, so that the test runs where OpenSTA is not installed."""
    program = tmp_path / "sta"
    head = '#!/bin/sh\nif [ "$1" = -version ]; then echo 9.9.9; exit; fi\n'
    program.write_text(
        f"{head}echo ANDA worst slack 7.5\n"
        "for kind in uniform simulated; do\n"
        '  echo "ANDA power $kind"; echo "Sequential 1 2 3 6 50.0%"\n'
        '  echo "Total  1e-3  2e-4  3e-9  1.2e-3 100.0%"\n'
        "done\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = run_opensta(tmp_path, 100e6)
    assert (found.version, found.longest_path_ns, found.fmax_hz) == ("9.9.9", 2.5, 400e6)
    assert found.uniform == OpenStaPower(internal_w=1e-3, switching_w=2e-4, leakage_w=3e-9)
    assert found.simulated == found.uniform
    program.write_text(f"{head}echo Error: no such thing\n")
    with pytest.raises(OpenStaError, match=r"OpenSTA 9\.9\.9, it ended with: Error: no such thing"):
        run_opensta(tmp_path, 100e6)


def test_opensta_agrees(netlist: GateNetlist, activity: Activity, library: Library) -> None:
    """Nothing to compare where OpenSTA is not installed: then the version is None, and that is all."""
    if opensta_version() is None:
        return
    found = cross_check(netlist, activity, library, 100e6)
    # Two nets of 4 fF change once a cycle at 2 V; flip-flops and inverters leak. Setup and one inverter.
    assert found.uniform.switching_w == pytest.approx(2 * 4e-15 / 2 * 4 * 100e6)
    assert found.uniform.leakage_w == pytest.approx(2 * 5e-9)
    assert found.longest_path_ns == pytest.approx(0.7, rel=1e-4)
