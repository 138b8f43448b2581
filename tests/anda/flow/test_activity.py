"""Gate-level simulation: right values, exact counts of toggles, and nothing wrong passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.flow.activity import Activity, ReplayError, simulate
from anda.flow.library import Library
from anda.flow.netlist import GateNetlist, read_netlist
from anda.flow.recipe import map_to_library
from anda.flow.yosys import Netlist, YosysError
from sim.replay_data import Expected, Replay, integers_to_bits
from tests.anda.flow.samples import BASIC, FLOP, PLAIN, gate, library


def _netlist(
    cells: dict[str, tuple[str, dict[str, int | str]]],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int | str]],
) -> Netlist:
    """A netlist as Yosys would print it."""
    ports = {name: {"direction": "input", "bits": bits} for name, bits in inputs.items()}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    found = {
        name: {"type": kind, "connections": {pin: [bit] for pin, bit in pins.items()}}
        for name, (kind, pins) in cells.items()
    }
    return {"modules": {"top": {"ports": ports, "cells": found, "netnames": {}}}}


#: Two ways from `a` to an AND, one of them by an inverter: a pulse when `a` rises, none when it falls.
PULSE = _netlist(
    {
        "i": ("inv", {"A": 3, "Y": 4}),
        "n": ("and2", {"A": 3, "B": 4, "Y": 5}),
        "f": ("flop", {"CK": 2, "D": 3, "Q": 6}),
    },
    {"clk": [2], "a": [3]},
    {"y": [5], "q": [6], "valid": ["1"]},
)


def _pulse(tmp_path: Path) -> GateNetlist:
    cells = library(tmp_path, gate("inv", 1, "A", Y="!A"), gate("and2", 1, "AB", Y="A B"), FLOP)
    return read_netlist(PULSE, "top", cells)


def _replay(values: list[list[int]], expected: list[list[int]], port: str = "q") -> Replay:
    bits = np.array(values, dtype=np.bool_)[:, :, None]
    return Replay({"a": bits}, (Expected("valid", port, np.array(expected)),), 1)


def test_functional_toggles_and_glitches_by_hand(tmp_path: Path) -> None:
    netlist = _pulse(tmp_path)
    values = [[0, 1, 1, 0, 1], [1, 1, 0, 0, 0]]
    delayed = [[0, *row[:-1]] for row in values]
    found = simulate(netlist, _replay(values, delayed), glitches=True)
    assert found.glitches is not None
    a, clk = netlist.inputs["a"][0], netlist.inputs["clk"][0]
    y, q = netlist.outputs["y"][0], netlist.outputs["q"][0]
    inverted = netlist.logic[[group.cell.name for group in netlist.logic].index("inv")].nets["Y"][0]
    # Run 0: a rises, falls, rises; run 1: rises (from the low of reset), falls.
    assert found.toggles[[a, inverted, y, clk]].tolist() == [5, 5, 0, 20]
    assert found.toggles[q] == 2 + 2
    # Every rise of a lets the AND see both inputs high for one unit of time: up and down again.
    assert found.glitches[[a, inverted, y, q]].tolist() == [5, 5, 2 * 3, 4]
    assert found.ones[[a, q, y, clk]].tolist() == [5 / 10, 4 / 10, 0, 0.5]
    assert (found.runs, found.cycles, found.results) == (2, 5, 10)


@pytest.mark.parametrize("runs", [1, 63, 64, 65, 200])
def test_every_run_counts_once(tmp_path: Path, runs: int) -> None:
    netlist = _pulse(tmp_path)
    values = [[0, 1, 0, 1]] * runs
    found = simulate(netlist, _replay(values, [[0, 0, 1, 0]] * runs))
    assert found.toggles[netlist.inputs["a"][0]] == 3 * runs
    assert found.toggles[netlist.outputs["q"][0]] == 2 * runs
    assert found.glitches is None


def test_a_wrong_result_is_named(tmp_path: Path) -> None:
    netlist = _pulse(tmp_path)
    with pytest.raises(ReplayError, match="expected 0x0 as result 2 of run 1 at q of top, got 0x1"):
        simulate(netlist, _replay([[0, 0, 0], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]]))
    with pytest.raises(ReplayError, match="expected 2 results at q of top in every run, got 3 in run 0"):
        simulate(netlist, _replay([[0, 0, 0]], [[0, 0]]))


def test_ports_must_fit(tmp_path: Path) -> None:
    netlist = _pulse(tmp_path)
    wide = Replay({"a": np.zeros((1, 2, 2), np.bool_)}, (Expected("valid", "q", np.zeros((1, 2), int)),), 1)
    with pytest.raises(ReplayError, match=r"the input ports a \(1\) of top, got a \(2\)"):
        simulate(netlist, wide)
    bits = np.zeros((1, 2, 1), np.bool_)
    with pytest.raises(ReplayError, match="not at nothing"):
        simulate(netlist, Replay({"a": bits}, (Expected("valid", "nothing", np.zeros((1, 2), int)),), 1))
    with pytest.raises(ReplayError, match="from bit 0 on of q, which has 1"):
        simulate(netlist, Replay({"a": bits}, (Expected("valid", "q", np.zeros((1, 2), int), 0, 2),), 1))


COUNTER = """
module counter(clk, rst, step, value, odd);
  input clk, rst; input [3:0] step; output reg [7:0] value; output odd;
  assign odd = value[0];
  always @(posedge clk) if (rst) value <= 0; else value <= value + step;
endmodule
"""


def test_a_mapped_counter_counts_in_every_run(tmp_path: Path) -> None:
    cells = library(tmp_path, BASIC, PLAIN)
    mapped = map_to_library(COUNTER, "counter", cells, flatten=True)
    netlist = read_netlist(mapped.flat, "counter", cells)
    steps = np.random.default_rng(1).integers(0, 16, (70, 20))
    values = np.cumsum(steps, axis=1) % 256
    before = np.concatenate([np.zeros((70, 1), int), values[:, :-1]], axis=1)
    results = [row[row % 2 == 1] for row in before]
    least = min(map(len, results))
    keep = [k for k, row in enumerate(results) if len(row) == least]
    replay = Replay(
        {"step": integers_to_bits(steps[keep], 4)},
        (Expected("odd", "value", np.stack([results[k] for k in keep])),),
        1,
    )
    found: Activity = simulate(netlist, replay, glitches=True)
    bits = integers_to_bits(before[keep], 8)
    toggles = np.count_nonzero(bits[:, 1:] != bits[:, :-1], axis=(0, 1))
    assert found.toggles[netlist.outputs["value"]].tolist() == toggles.tolist()
    assert found.glitches is not None
    assert (found.glitches >= found.toggles).all()
    assert found.glitches.sum() > found.toggles.sum()


@pytest.mark.parametrize(
    ("cell", "pins", "complaint"),
    [
        ("latch", {"CK": 2, "D": 3, "Q": 4}, "got u, a latch"),
        ("falling", {"CK": 2, "D": 3, "Q": 4}, "clocked by the rising edge of clk"),
        ("flop", {"CK": 3, "D": 2, "Q": 4}, "clocked by the rising edge of clk"),
        ("reset", {"CK": 2, "D": 3, "R": 3, "Q": 4}, "without asynchronous set and clear, u has !R"),
        ("inv", {"A": 4, "Y": 4}, "no loop of gates"),
        ("inv", {"A": 9, "Y": 4}, "Expected every wire to be driven, 9 at u is not"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    tmp_path: Path, cell: str, pins: dict[str, int | str], complaint: str
) -> None:
    with pytest.raises(YosysError, match=complaint):
        read_netlist(_single(cell, pins), "top", _cells(tmp_path))


def test_a_clear_that_never_happens_is_taken(tmp_path: Path) -> None:
    netlist = read_netlist(_single("reset", {"CK": 2, "D": 3, "R": "1", "Q": 4}), "top", _cells(tmp_path))
    assert netlist.cells == 1


def _single(cell: str, pins: dict[str, int | str]) -> Netlist:
    return _netlist({"u": (cell, pins)}, {"clk": [2], "a": [3]}, {"q": [4]})


def _cells(folder: Path) -> Library:
    return library(
        folder,
        gate("inv", 1, "A", Y="!A"),
        FLOP,
        FLOP.replace("(flop)", "(falling)").replace('clocked_on : "CK"', 'clocked_on : "!CK"'),
        FLOP.replace("(flop)", "(latch)").replace("ff (", "latch ("),
        FLOP.replace("(flop)", "(reset)")
        .replace('next_state : "D";', 'next_state : "D"; clear : "!R";')
        .replace("pin (CK)", "pin (R) { direction : input; } pin (CK)"),
    )
