"""Where the numbers of `data/generic.lib` come from; prints the file.

Nothing here is measured on a process. Area is the number of transistors of the usual static CMOS
circuit divided by four, so a two-input NAND is 1. Delay is the method of logical effort (Sutherland,
Sproull and Harris, "Logical Effort", 1999): every gate drives like a unit inverter, so an output costs
its parasitic delay plus the capacitance it drives, both in units of tau, the delay of an ideal inverter
driving its own copy. A fanout-of-four inverter (FO4) takes 5 tau.

An input's capacitance is its logical effort with PMOS twice as wide as NMOS: (sum of the widths of the
transistors it drives) / 3. Inner stages add up: a stage that drives an inner capacitance ``c`` adds
``p + c``. In the adders the inner stages are half size, as in real cells: half the input capacitance,
``p + 2c``. Setup plus clock-to-output of a static flip-flop are set to three FO4, a usual budget.

To print the file: ``python -m anda.flow.generic > anda/flow/data/generic.lib``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["GATES", "Gate", "liberty_text"]

_SETUP, _CLOCK_TO_OUTPUT = 5.0, 10.0


@dataclass(frozen=True)
class Gate:
    """One cell: transistors, capacitance of each input, function and delay of each output."""

    name: str
    transistors: int
    inputs: dict[str, float]
    outputs: dict[str, str]
    #: Parasitic delay: one number, or one per (input, output) where they differ.
    delay: float | dict[tuple[str, str], float] = 0.0
    next_state: str = ""
    note: str = ""
    clock: str = field(default="", kw_only=True)

    def parasitic(self, pin: str, output: str) -> float:
        """Delay from an input to an output that drives nothing, in tau."""
        return self.delay if isinstance(self.delay, float) else self.delay[pin, output]


def _equal(pins: str, capacitance: float) -> dict[str, float]:
    return dict.fromkeys(pins, capacitance)


GATES = (
    Gate("ge_inv", 2, _equal("A", 1), {"Y": "!A"}, 1.0),
    Gate("ge_buf", 4, _equal("A", 1), {"Y": "A"}, 1 + 1 + 1.0, note="two inverters"),
    Gate("ge_nand2", 4, _equal("AB", 4 / 3), {"Y": "!(A * B)"}, 2.0),
    Gate("ge_nand3", 6, _equal("ABC", 5 / 3), {"Y": "!(A * B * C)"}, 3.0),
    Gate("ge_nand4", 8, _equal("ABCD", 2), {"Y": "!(A * B * C * D)"}, 4.0),
    Gate("ge_nor2", 4, _equal("AB", 5 / 3), {"Y": "!(A + B)"}, 2.0),
    Gate("ge_nor3", 6, _equal("ABC", 7 / 3), {"Y": "!(A + B + C)"}, 3.0),
    Gate("ge_and2", 6, _equal("AB", 4 / 3), {"Y": "A * B"}, 2 + 1 + 1.0, note="nand2, inverter"),
    Gate("ge_or2", 6, _equal("AB", 5 / 3), {"Y": "A + B"}, 2 + 1 + 1.0, note="nor2, inverter"),
    Gate("ge_aoi21", 6, {"A": 2, "B": 2, "C": 5 / 3}, {"Y": "!((A * B) + C)"}, 7 / 3),
    Gate("ge_oai21", 6, {"A": 2, "B": 2, "C": 4 / 3}, {"Y": "!((A + B) * C)"}, 8 / 3),
    Gate("ge_aoi22", 8, _equal("ABCD", 2), {"Y": "!((A * B) + (C * D))"}, 4.0),
    Gate(
        "ge_xor2",
        10,
        _equal("AB", 5 / 3 + 2),
        {"Y": "A ^ B"},
        2 + 5 / 3 + 7 / 3,
        note="nor2 into aoi21",
    ),
    Gate(
        "ge_xnor2",
        10,
        _equal("AB", 4 / 3 + 2),
        {"Y": "!(A ^ B)"},
        2 + 4 / 3 + 8 / 3,
        note="nand2 into oai21",
    ),
    Gate(
        "ge_mux2",
        12,
        {"A": 2, "B": 2, "S": 2 + 1},
        {"Y": "(A * !S) + (B * S)"},
        {("A", "Y"): 4 + 1 + 1.0, ("B", "Y"): 4 + 1 + 1.0, ("S", "Y"): 1 + 2 + 4 + 1 + 1.0},
        note="select inverter, aoi22, inverter",
    ),
    Gate(
        "ge_ha",
        14,
        _equal("AB", 2 / 3 + 1),
        {"S": "A ^ B", "CO": "A * B"},
        {
            # The NAND drives the carry's inverter and half an oai21, whose output is inverted again.
            **dict.fromkeys((("A", "S"), ("B", "S")), 2 + 2 * (1 + 2 / 3) + 8 / 3 + 2 + 1),
            **dict.fromkeys((("A", "CO"), ("B", "CO")), 2 + 2 * (1 + 2 / 3) + 1),
        },
        note="nand2, oai21, two inverters",
    ),
    Gate(
        "ge_fa",
        28,
        {"A": 2 + 2.5, "B": 2 + 2.5, "CI": 1 + 2.5},
        {"S": "A ^ B ^ CI", "CO": "(A * B) + (B * CI) + (A * CI)"},
        {
            # The carry stage drives the carry's inverter and the sum stage.
            **{(pin, "CO"): 4 + 2 * (1 + 1) + 1.0 for pin in ("A", "B", "CI")},
            **{(pin, "S"): 4 + 2 * (1 + 1) + 5 + 2 * 1 + 1.0 for pin in ("A", "B", "CI")},
        },
        note="mirror adder with output inverters",
    ),
    Gate(
        "ge_dff",
        24,
        {"D": 1, "CK": 1},
        {"Q": "IQ"},
        _CLOCK_TO_OUTPUT,
        "D",
        "two transmission-gate latches, two clock inverters, input and output inverters",
        clock="CK",
    ),
    Gate(
        "ge_dffe",
        34,
        {"D": 2, "E": 2 + 1, "CK": 1},
        {"Q": "IQ"},
        _CLOCK_TO_OUTPUT,
        "(D * E) + (IQ * !E)",
        "as ge_dff, with an aoi22 and an inverter of the enable in front",
        clock="CK",
    ),
)

_HEADER = """\
/* A technology-free library: areas in NAND2 equivalents, delays in tau.
   Origin of every number: anda/flow/generic.py, which prints this file. One "ps" here is one tau,
   one "ff" is the input capacitance of a unit inverter; delays do not depend on slopes. */
library (generic) {
  delay_model : table_lookup;
  time_unit : "1ps";
  capacitive_load_unit (1, ff);
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  nom_process : 1;
  nom_voltage : 1;
  nom_temperature : 25;
  input_threshold_pct_rise : 50;
  input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20;
  slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80;
  slew_upper_threshold_pct_fall : 80;
  default_max_transition : 1000;
  lu_table_template (linear) {
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("0, 1000");
    index_2 ("0, 100");
  }
  lu_table_template (constraint) {
    variable_1 : related_pin_transition;
    variable_2 : constrained_pin_transition;
    index_1 ("0, 1000");
    index_2 ("0, 1000");
  }
"""


def liberty_text() -> str:
    """The whole Liberty file."""
    return _HEADER + "".join(map(_cell, GATES)) + "}\n"


def _cell(gate: Gate) -> str:
    lines = [f"cell ({gate.name}) {{", f"  area : {gate.transistors / 4:g};"]
    if gate.note:
        lines.insert(1, f"  /* {gate.transistors} transistors: {gate.note} */")
    if gate.clock:
        lines += [
            "  ff (IQ, IQN) {",
            f'    clocked_on : "{gate.clock}";',
            f'    next_state : "{gate.next_state}";',
            "  }",
        ]
    for pin, capacitance in gate.inputs.items():
        lines += [f"  pin ({pin}) {{", "    direction : input;", f"    capacitance : {capacitance:.4f};"]
        if pin == gate.clock:
            lines.append("    clock : true;")
        elif gate.clock:
            lines += _tables(gate.clock, "setup_rising", "constraint", "constraint", _SETUP, _SETUP)
        lines.append("  }")
    for pin, function in gate.outputs.items():
        lines += [f"  pin ({pin}) {{", "    direction : output;", f'    function : "{function}";']
        lines.append("    max_capacitance : 100;")
        for source in [gate.clock] if gate.clock else gate.inputs:
            kind = "rising_edge" if gate.clock else "combinational"
            delay = gate.parasitic(source, pin)
            lines += _tables(source, kind, "delay", "linear", delay, delay + 100)
        lines.append("  }")
    return "".join(f"  {line}\n" for line in [*lines, "}"])


def _tables(pin: str, kind: str, what: str, template: str, low: float, high: float) -> list[str]:
    """One timing group with the same table for both edges; slopes follow the load alone."""
    lines = ["    timing () {", f'      related_pin : "{pin}";', f"      timing_type : {kind};"]
    tables = {f"{edge}_constraint": (low, high) for edge in ("rise", "fall")}
    if what == "delay":
        tables = {f"cell_{edge}": (low, high) for edge in ("rise", "fall")}
        tables |= {f"{edge}_transition": (1.0, 101.0) for edge in ("rise", "fall")}
    for name, (first, last) in tables.items():
        row = f'"{first:.4f}, {last:.4f}"'
        lines += [f"      {name} ({template}) {{", f"        values ({row}, {row});", "      }"]
    return [*lines, "    }"]


if __name__ == "__main__":
    print(liberty_text(), end="")
