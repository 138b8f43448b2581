"""A design between shift registers, so that any number of ports fits the pins of a device.

An element of 64 lanes has more ports than a package has pins, and place and route measures no path that ends
at an unconstrained pin. So every input comes from a shift register and every output goes into one: four
pins do, and every path of the design runs from a register to a register.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Harness", "on_pins"]


@dataclass(frozen=True)
class Harness:
    """A design with the registers around it.

    Attributes
    ----------
    name
        Module of the whole.
    verilog
        Its text, the design included.
    flops
        Registers that the harness adds: one a bit of every port, and one for the reset.
    luts
        Look-up tables that it adds: the choice between taking and shifting of every output bit.
    """

    name: str
    verilog: str
    flops: int
    luts: int


def on_pins(verilog: str, sidecar: dict[str, Any]) -> Harness:
    """Put a module between shift registers.

    Parameters
    ----------
    verilog
        Text of the module and of everything below it.
    sidecar
        What its JSON sidecar says: ``top``, ``clock``, ``reset``, and its ``ports``.

    Raises
    ------
    ValueError
        When the module has no clock, no input or no output.
    """
    top = sidecar["top"]
    given = [port for port in sidecar["ports"] if port["direction"] == "input"]
    taken = [port for port in sidecar["ports"] if port["direction"] == "output"]
    if not sidecar["clock"] or not given or not taken:
        raise ValueError(f"{top} was expected to have a clock, inputs and outputs to be placed")
    inputs, outputs = (sum(port["width"] for port in side) for side in (given, taken))
    connections = [".clk(clk)", *([".rst(reset)"] if sidecar["reset"] else [])]
    connections += _slices(given, "inputs") + _slices(taken, "results")
    name = f"{top}_on_pins"
    text = f"""
module {name}(input clk, input rst, input take, input shift_in, output shift_out);
  reg reset;
  reg [{inputs - 1}:0] inputs;
  reg [{outputs - 1}:0] outputs;
  wire [{outputs - 1}:0] results;
  assign shift_out = outputs[{outputs - 1}];
  always @(posedge clk) begin
    reset <= rst;
    inputs <= {{inputs, shift_in}};
    outputs <= take ? results : {{outputs, 1'b0}};
  end
  {top} design({", ".join(connections)});
endmodule
"""
    return Harness(name, verilog + text, flops=inputs + outputs + 1, luts=outputs)


def _slices(ports: Sequence[dict[str, Any]], word: str) -> list[str]:
    """Every port on its own bits of a word."""
    found, offset = [], 0
    for port in ports:
        found.append(f".{port['name']}({word}[{offset} +: {port['width']}])")
        offset += port["width"]
    return found
