from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anda.flow.library import Library
from anda.flow.report import LongestPath
from anda.flow.timing import longest_path
from anda.flow.yosys import YosysError

from .samples import BASIC, library


def module(
    ports: dict[str, tuple[str, list[int]]], cells: dict[str, tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    return {
        "modules": {
            "m": {
                "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
                "cells": {
                    name: {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}
                    for name, (kind, pins) in cells.items()
                },
                "netnames": {name: {"hide_name": 0, "bits": bits} for name, (_, bits) in ports.items()},
            }
        }
    }


def path(netlist: dict[str, Any], cells: Library | None = None) -> LongestPath:
    found = longest_path(netlist, "m", cells or Library.generic())
    assert found is not None
    return found


def test_delay_of_an_inverter_chain_is_parasitic_plus_load():
    found = path(
        module(
            {"a": ("input", [2]), "y": ("output", [5])},
            {
                "u1": ("ge_inv", {"A": 2, "Y": 3}),
                "u2": ("ge_inv", {"A": 3, "Y": 4}),
                "u3": ("ge_inv", {"A": 4, "Y": 5}),
            },
        )
    )
    assert (found.start, found.end, found.unit) == ("a", "y", "tau")
    assert found.cells == ["ge_inv"] * 3
    assert found.delay == pytest.approx(2 + 2 + 1)


def test_fanout_counts_and_the_slowest_input_wins():
    found = path(
        module(
            {"a": ("input", [2]), "b": ("input", [3]), "y": ("output", [6]), "z": ("output", [7])},
            {
                "u1": ("ge_inv", {"A": 2, "Y": 4}),
                "u2": ("ge_nand2", {"A": 4, "B": 3, "Y": 6}),
                "u3": ("ge_nand2", {"A": 4, "B": 3, "Y": 7}),
            },
        )
    )
    assert found.start == "a"
    # An inverter with two NAND inputs of 4/3 each, then a NAND that drives nothing.
    assert found.delay == pytest.approx(1 + 8 / 3 + 2, abs=1e-3)


def test_registers_start_and_end_paths():
    found = path(
        module(
            {"clk": ("input", [2]), "q": ("output", [3])},
            {
                "f": ("ge_dff", {"CK": 2, "D": 4, "Q": 3}),
                "u": ("ge_inv", {"A": 3, "Y": 4}),
            },
        )
    )
    assert (found.start, found.end) == ("q", "q")
    assert found.cells == ["ge_dff", "ge_inv"]
    # Clock to output into one inverter, the inverter into the flop's data pin, setup.
    assert found.delay == pytest.approx(10 + 1 + 1 + 1 + 5)


def test_without_delays_every_gate_counts_one(tmp_path: Path):
    found = path(
        module(
            {"clk": ("input", [2]), "q": ("output", [3])},
            {
                "f": ("flop", {"CK": 2, "D": 5, "Q": 3}),
                "u": ("inv", {"A": 3, "Y": 4}),
                "v": ("nand2", {"A": 3, "B": 4, "Y": 5}),
            },
        ),
        library(tmp_path, BASIC),
    )
    assert (found.delay, found.unit) == (2, "cells")
    assert found.cells == ["flop", "inv", "nand2"]


def test_paths_from_output_to_output_of_one_cell(tmp_path: Path):
    # The sum waits for the carry of the same cell, as in ASAP7's half adder.
    text = """library (l) { time_unit : "1ps"; capacitive_load_unit (1, ff); cell (ha) { area : 1;
      pin (A) { direction : input; } pin (B) { direction : input; }
      pin (C) { direction : output; function : "A B"; timing () { related_pin : "A B";
        cell_rise (scalar) { values ("3"); } cell_fall (scalar) { values ("3"); } } }
      pin (S) { direction : output; function : "A ^ B"; timing () { related_pin : "C";
        cell_rise (scalar) { values ("4"); } cell_fall (scalar) { values ("4"); } } } } }"""
    (tmp_path / "l.lib").write_text(text)
    cells = Library.from_files([tmp_path / "l.lib"])
    ports = {"a": ("input", [2]), "b": ("input", [3]), "s": ("output", [4]), "c": ("output", [5])}
    found = path(module(ports, {"u": ("ha", {"A": 2, "B": 3, "S": 4, "C": 5})}), cells)
    assert (found.end, found.unit) == ("s", "ns")
    assert found.delay == pytest.approx(0.007)


def test_no_path_and_loops():
    assert longest_path(module({"a": ("input", [2])}, {}), "m", Library.generic()) is None
    loop = module({}, {"u": ("ge_inv", {"A": 2, "Y": 3}), "v": ("ge_inv", {"A": 3, "Y": 2})})
    with pytest.raises(YosysError, match="no loop of gates without a flip-flop, got one through u -> v"):
        longest_path(loop, "m", Library.generic())
