"""Combinational hardware on many inputs at once.

Yosys turns a component into simple gates; here every wire is one Python integer that holds its value for all
inputs, one bit for each, so that a gate is one operation. A hundred thousand inputs take a second, where an
event-driven simulator takes an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.yosys import run_yosys
from hdl.emit import emit_rtlil
from hdl.modules import NamedComponent

Integers = NDArray[np.int64]

_GATES: dict[str, Callable[[int, dict[str, int]], int]] = {
    "$_BUF_": lambda ones, p: p["A"],
    "$_NOT_": lambda ones, p: p["A"] ^ ones,
    "$_AND_": lambda ones, p: p["A"] & p["B"],
    "$_NAND_": lambda ones, p: (p["A"] & p["B"]) ^ ones,
    "$_OR_": lambda ones, p: p["A"] | p["B"],
    "$_NOR_": lambda ones, p: (p["A"] | p["B"]) ^ ones,
    "$_XOR_": lambda ones, p: p["A"] ^ p["B"],
    "$_XNOR_": lambda ones, p: p["A"] ^ p["B"] ^ ones,
    "$_ANDNOT_": lambda ones, p: p["A"] & (p["B"] ^ ones),
    "$_ORNOT_": lambda ones, p: p["A"] | (p["B"] ^ ones),
    "$_MUX_": lambda ones, p: p["A"] ^ ((p["A"] ^ p["B"]) & p["S"]),
}


class Gates:
    """The gates of a component without registers.

    Parameters
    ----------
    component : NamedComponent
    """

    def __init__(self, component: NamedComponent):
        top = component.module_name
        passes = [
            "read_rtlil design.il",
            f"hierarchy -top {top}",
            "proc",
            "flatten",
            "opt",
            "techmap",
            "simplemap",
            "opt",
            "write_json gates.json",
        ]
        run = run_yosys(passes, inputs={"design.il": emit_rtlil(component)})
        module = run.netlists["gates"]["modules"][top]
        self._ports = {name: port for name, port in module["ports"].items() if port["bits"]}
        cells = [cell for cell in module["cells"].values() if cell["type"] != "$scopeinfo"]
        self._cells = list(_ordered(cells))

    def __call__(self, **inputs: Integers) -> dict[str, Integers]:
        """The outputs, read as unsigned, for arrays of input values of one length."""
        count = len(next(iter(inputs.values())))
        ones = (1 << count) - 1
        wires: dict[Any, int] = {"0": 0, "1": ones, "x": 0}
        wanted = {name for name, port in self._ports.items() if port["direction"] == "input"}
        assert wanted == set(inputs) | ({"clk", "rst"} & wanted), f"inputs are {sorted(wanted)}"
        for name, values in inputs.items():
            for i, bit in enumerate(self._ports[name]["bits"]):
                wires[bit] = int.from_bytes(
                    np.packbits(values >> i & 1, bitorder="little").tobytes(), "little"
                )
        for cell in self._cells:
            pins = cell["connections"]
            values = {pin: wires[bits[0]] for pin, bits in pins.items() if pin != "Y"}
            wires[pins["Y"][0]] = _GATES[cell["type"]](ones, values)
        outputs = (name for name, port in self._ports.items() if port["direction"] == "output")
        return {name: self._read(name, wires, count) for name in outputs}

    def width(self, port: str) -> int:
        """Bits of a port."""
        return len(self._ports[port]["bits"])

    def _read(self, name: str, wires: dict[Any, int], count: int) -> Integers:
        total = np.zeros(count, dtype=np.int64)
        for i, bit in enumerate(self._ports[name]["bits"]):
            packed = np.frombuffer(wires[bit].to_bytes(-(-count // 8), "little"), dtype=np.uint8)
            total |= np.unpackbits(packed, bitorder="little")[:count].astype(np.int64) << i
        return total


def _ordered(cells: list[Any]) -> Iterator[Any]:
    """Cells behind those that drive them."""
    drivers = {cell["connections"]["Y"][0]: i for i, cell in enumerate(cells)}
    graph = {
        i: [drivers[b[0]] for pin, b in cell["connections"].items() if pin != "Y" and b[0] in drivers]
        for i, cell in enumerate(cells)
    }
    return (cells[i] for i in TopologicalSorter(graph).static_order())
