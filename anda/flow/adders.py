"""The adder modules of generated Verilog, put onto the library's adder cells.

The generator instantiates `anda_full_adder`, `anda_half_adder` and their twins with inverted outputs
(`..._inv`). Logic optimisation does not find full adders by itself, so these modules are kept whole
through it and then replaced by the library's cell, with inverters where the cell's outputs have the
other polarity. Where the library has no such cell, or where an instance does not need a whole adder
(a constant input, an output that goes nowhere), the gates inside are left to the optimiser.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf

from anda.flow.library import AdderCell, Library
from anda.flow.yosys import Netlist

__all__ = ["ADDERS", "AdderModule", "kept_adders", "technology_map", "wasteful_adders"]


@dataclass(frozen=True)
class AdderModule:
    """One of the module names that the generator and the flow agree on."""

    name: str
    inputs: tuple[str, ...]
    inverted: bool

    @property
    def outputs(self) -> tuple[str, str]:
        """Ports of the sum and of the carry."""
        return ("sum_n", "carry_n") if self.inverted else ("sum", "carry")

    def cell(self, library: Library) -> AdderCell | None:
        """The library's cell for this module."""
        return library.full_adder if len(self.inputs) == 3 else library.half_adder


ADDERS = (
    AdderModule("anda_full_adder", ("a", "b", "c"), False),
    AdderModule("anda_half_adder", ("a", "b"), False),
    AdderModule("anda_full_adder_inv", ("a", "b", "c"), True),
    AdderModule("anda_half_adder_inv", ("a", "b"), True),
)


def kept_adders(library: Library) -> list[AdderModule]:
    """The adder modules for which the library has a cell."""
    return [adder for adder in ADDERS if adder.cell(library)]


def technology_map(library: Library) -> str:
    """Verilog for Yosys' `techmap`: every kept adder module as its cell."""
    modules = []
    for adder in kept_adders(library):
        cell = adder.cell(library)
        assert cell is not None
        pins = [f".{pin}({port})" for pin, port in zip(cell.inputs, adder.inputs, strict=True)]
        inverters = []
        for port, pin, inverted in zip(
            adder.outputs,
            (cell.sum, cell.carry),
            (cell.sum_inverted, cell.carry_inverted),
            strict=True,
        ):
            if inverted == adder.inverted:
                pins.append(f".{pin}({port})")
            else:
                pins.append(f".{pin}({port}_cell)")
                inverters.append(
                    f"  wire {port}_cell;\n  \\$_NOT_ {port}_not (.A({port}_cell), .Y({port}));\n"
                )
        ports = ", ".join(
            [f"input {port}" for port in adder.inputs] + [f"output {port}" for port in adder.outputs]
        )
        modules.append(
            f"module {adder.name} ({ports});\n{''.join(inverters)}"
            f"  \\{cell.name} _TECHMAP_REPLACE_ ({', '.join(pins)});\nendmodule\n"
        )
    return "\n".join(modules)


def wasteful_adders(netlist: Netlist, library: Library) -> dict[str, list[str]]:
    """Instances for which a whole adder cell would be a waste.

    An instance is better left to the optimiser when an input is constant, or when one output goes
    nowhere and the other one is cheaper from gates (the last column of a sum modulo a power of two).

    Parameters
    ----------
    netlist
        The design as `write_json` prints it.
    library
        Decides what a lone sum or carry costs outside an adder cell.

    Returns
    -------
    dict
        Name of the adder module to the instances to dissolve, as ``module/instance``.
    """
    found: dict[str, list[str]] = {}
    kept = {adder.name: adder for adder in kept_adders(library)}
    for name, module in netlist["modules"].items():
        readers = _readers(module)
        for instance, cell in module["cells"].items():
            adder = kept.get(cell["type"])
            if adder and _is_wasteful(adder, cell["connections"], readers, library):
                found.setdefault(adder.name, []).append(f"{name}/{instance}")
    return found


def _is_wasteful(
    adder: AdderModule, connections: dict[str, list[int | str]], readers: Counter[int | str], library: Library
) -> bool:
    # In the JSON of Yosys a wire is a number and a constant is a string.
    if any(isinstance(bit, str) for port in adder.inputs for bit in connections[port]):
        return True
    used = [any(readers[bit] for bit in connections.get(port, [])) for port in adder.outputs]
    if all(used):
        return False
    cell = adder.cell(library)
    assert cell is not None
    lone = (
        _lone_sum(library) * (len(adder.inputs) - 1) if used[0] else _lone_carry(library, len(adder.inputs))
    )
    return lone < cell.area


def _readers(module: Netlist) -> Counter[int | str]:
    """How many cell inputs and output ports read each wire of a module."""
    readers: Counter[int | str] = Counter()
    for port in module["ports"].values():
        if port["direction"] != "input":
            readers.update(port["bits"])
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"].get(pin) != "output":
                readers.update(bits)
    return readers


def _lone_sum(library: Library) -> float:
    """Area of a two-input parity, of either polarity."""
    return _smallest(library, "a ^ b", "!(a ^ b)", pins="ab")


def _lone_carry(library: Library, inputs: int) -> float:
    """Area of a carry alone: one cell, or the usual three gates for a majority."""
    if inputs == 2:
        return _smallest(library, "a b", "!(a b)", pins="ab")
    nand = _smallest(library, "!(a b)", pins="ab")
    gates = 2 * nand + _smallest(library, "!((a + b) c)", pins="abc")
    return min(gates, _smallest(library, "a b + b c + a c", "!(a b + b c + a c)", pins="abc"))


def _smallest(library: Library, *functions: str, pins: str) -> float:
    cells = [library.gate(function, pins) for function in functions]
    return min((cell.area for cell in cells if cell), default=inf)
