"""Small Liberty files and designs, and a simulator of mapped netlists to check them with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anda.flow.library import Library
from anda.flow.logic import truth_table
from anda.flow.yosys import Netlist

#: The adder modules as the generator prints them.
ADDERS = """
module anda_full_adder(a, b, c, sum, carry); input a, b, c; output sum, carry;
  assign sum = a ^ b ^ c; assign carry = (a & b) | (c & (a ^ b));
endmodule
module anda_half_adder(a, b, sum, carry); input a, b; output sum, carry;
  assign sum = a ^ b; assign carry = a & b;
endmodule
module anda_full_adder_inv(a, b, c, sum_n, carry_n); input a, b, c; output sum_n, carry_n;
  assign sum_n = ~(a ^ b ^ c); assign carry_n = ~((a & b) | (c & (a ^ b)));
endmodule
module anda_half_adder_inv(a, b, sum_n, carry_n); input a, b; output sum_n, carry_n;
  assign sum_n = ~(a ^ b); assign carry_n = ~(a & b);
endmodule
"""

#: Adds two 3-bit numbers with a half and two full adders, and registers the sum.
RIPPLE = (
    ADDERS
    + """
module ripple(clk, en, x, y, z);
  input clk, en; input [2:0] x, y; output reg [3:0] z; wire [2:0] s, c;
  anda_half_adder u0(.a(x[0]), .b(y[0]), .sum(s[0]), .carry(c[0]));
  anda_full_adder u1(.a(x[1]), .b(y[1]), .c(c[0]), .sum(s[1]), .carry(c[1]));
  anda_full_adder u2(.a(x[2]), .b(y[2]), .c(c[1]), .sum(s[2]), .carry(c[2]));
  always @(posedge clk) if (en) z <= {c[2], s};
endmodule
"""
)

#: The same, from the modules with inverted outputs: complemented carries in, complemented inputs in turn.
RIPPLE_INVERTED = (
    ADDERS
    + """
module ripple(clk, en, x, y, z);
  input clk, en; input [2:0] x, y; output reg [3:0] z; wire [2:0] s, c;
  anda_half_adder_inv u0(.a(x[0]), .b(y[0]), .sum_n(s[0]), .carry_n(c[0]));
  anda_full_adder_inv u1(.a(~x[1]), .b(~y[1]), .c(c[0]), .sum_n(s[1]), .carry_n(c[1]));
  anda_full_adder_inv u2(.a(x[2]), .b(y[2]), .c(c[1]), .sum_n(s[2]), .carry_n(c[2]));
  always @(posedge clk) if (en) z <= {~c[2], ~s[2], s[1], ~s[0]};
endmodule
"""
)

FLOP = """
  cell (flop) { area : 5; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
"""


def gate(name: str, area: float, inputs: str, extra: str = "", **outputs: str) -> str:
    """One Liberty cell without delays."""
    pins = [f"pin ({pin}) {{ direction : input; }}" for pin in inputs]
    pins += [f'pin ({pin}) {{ direction : output; function : "{f}"; }}' for pin, f in outputs.items()]
    return f"  cell ({name}) {{ area : {area}; {extra}\n    " + "\n    ".join(pins) + "\n  }\n"


#: Enough to map anything without latches.
BASIC = (
    gate("inv", 0.5, "A", Y="!A")
    + gate("buf", 1, "A", Y="A")
    + gate("nand2", 1, "AB", Y="!(A B)")
    + gate("nor2", 1, "AB", Y="(A + B)'")
    + gate("xor2", 2.5, "AB", Y="A ^ B")
    + FLOP
)
INVERTING = gate("fa_n", 4, "ABC", SN="!(A ^ B ^ C)", CN="(!A !B) + (!B !C) + (!A !C)") + gate(
    "ha_n", 2, "AB", SN="(A B) + (!A !B)", CN="!A + !B"
)
PLAIN = gate("fa", 4, "ABC", S="A ^ B ^ C", K="A B + B C + A C") + gate("ha", 2, "AB", S="A ^ B", K="A & B")


def library(folder: Path, *cells: str, name: str = "sample") -> Library:
    """Write the cells to one Liberty file and read it."""
    path = folder / f"{name}.lib"
    path.write_text(f"library ({name}) {{\n{''.join(cells)}}}\n", encoding="utf-8")
    return Library.from_files([path])


class Circuit:
    """A flat, mapped netlist, run cycle by cycle on the library's own functions."""

    def __init__(self, netlist: Netlist, top: str, cells: Library) -> None:
        self.ports = netlist["modules"][top]["ports"]
        self.library = cells
        self.cells = [
            cell for cell in netlist["modules"][top]["cells"].values() if not cell["type"].startswith("$")
        ]
        self.state = [0] * len(self.cells)

    def outputs(self, **inputs: int) -> dict[str, int]:
        """Output ports for the given input ports, in the present state."""
        wires = self._settle(inputs)
        return {
            name: sum(wires[bit] << i for i, bit in enumerate(port["bits"]))
            for name, port in self.ports.items()
            if port["direction"] == "output"
        }

    def clock(self, **inputs: int) -> None:
        """One rising edge of every clock."""
        wires = self._settle(inputs)
        for n, cell in enumerate(self.cells):
            known = self.library.cells[cell["type"]]
            if known.sequential:
                values = {
                    pin: wires[bits[0]] for pin, bits in cell["connections"].items() if bits[0] in wires
                }
                values |= {known.state[0]: self.state[n], known.state[1]: 1 - self.state[n]}
                self.state[n] = _value(known.next_state, values)

    def _settle(self, inputs: Mapping[str, int]) -> dict[int | str, int]:
        wires: dict[int | str, int] = {"0": 0, "1": 1, "x": 0}
        for name, value in inputs.items():
            wires |= {bit: value >> i & 1 for i, bit in enumerate(self.ports[name]["bits"])}
        waiting = list(enumerate(self.cells))
        while waiting:
            blocked = [(n, cell) for n, cell in waiting if not self._drive(n, cell, wires)]
            assert len(blocked) < len(waiting), f"undriven: {blocked}"
            waiting = blocked
        return wires

    def _drive(self, n: int, cell: Netlist, wires: dict[int | str, int]) -> bool:
        known = self.library.cells[cell["type"]]
        bits = {pin: found[0] for pin, found in cell["connections"].items()}
        if known.sequential:
            values = {known.state[0]: self.state[n], known.state[1]: 1 - self.state[n]}
        elif all(bits[pin] in wires for pin in known.inputs):
            values = {pin: wires[bits[pin]] for pin in known.inputs}
        else:
            return False
        for pin in known.outputs:
            if pin.name in bits:
                wires[bits[pin.name]] = _value(pin.function, values)
        return True


def _value(function: str, values: Mapping[str, int]) -> int:
    names = list(values)
    return truth_table(function, names) >> sum(values[name] << i for i, name in enumerate(names)) & 1
