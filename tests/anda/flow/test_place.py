import re

import pytest

from anda.config import load
from anda.flow.devices import DEVICES
from anda.flow.on_pins import on_pins
from anda.flow.place import PlaceError, place
from anda.flow.yosys import run_yosys
from anda.placement import place_design

COUNTER = """
module counter(input clk, input rst, input enable, input [2:0] step, output reg [7:0] value);
  always @(posedge clk) if (rst) value <= 0; else if (enable) value <= value + step;
endmodule
"""
SIDECAR = {
    "top": "counter",
    "clock": "clk",
    "reset": "rst, synchronous, active high",
    "ports": [
        {"name": "enable", "direction": "input", "width": 1},
        {"name": "step", "direction": "input", "width": 3},
        {"name": "value", "direction": "output", "width": 8},
    ],
}


def test_harness_gives_every_port_its_own_bits() -> None:
    harness = on_pins(COUNTER, SIDECAR)
    assert (harness.name, harness.flops, harness.luts) == ("counter_on_pins", 13, 8)
    for connection in (".enable(inputs[0 +: 1])", ".step(inputs[1 +: 3])", ".value(results[0 +: 8])"):
        assert connection in harness.verilog
    passes = ["read_verilog -sv design.v", f"hierarchy -check -top {harness.name}", "proc", "flatten"]
    netlist = run_yosys([*passes, "write_json out.json"], inputs={"design.v": harness.verilog}).netlists[
        "out"
    ]
    cells = netlist["modules"][harness.name]["cells"].values()
    flops = sum(len(cell["connections"]["Q"]) for cell in cells if "dff" in cell["type"])
    assert flops == harness.flops + 8, "of the harness, and eight of the counter"


@pytest.mark.parametrize("missing", ["clock", "input", "output"])
def test_harness_needs_what_it_connects(missing: str) -> None:
    ports = [port for port in SIDECAR["ports"] if port["direction"] != missing]
    sidecar = SIDECAR | {"ports": ports} | ({"clock": None} if missing == "clock" else {})
    with pytest.raises(ValueError, match="clock, inputs and outputs"):
        on_pins(COUNTER, sidecar)


@pytest.mark.parametrize("device", [name for name in DEVICES if name.startswith("ecp5")][:1])
def test_small_design_is_placed_with_its_bitstream(device: str) -> None:
    stages: list[str] = []
    placed = place(on_pins(COUNTER, SIDECAR), device, bitstream=True, progress=stages.append)
    report = placed.report
    assert report.uses["flops"].used == report.harness_flops + 8
    assert report.harness_luts <= report.uses["luts"].used < report.harness_luts + 40
    assert 0 < report.uses["luts"].share < 0.01
    assert 50e6 < report.clock_hz < 1e9
    # An ECP5 bitstream holds the preamble that the configuration logic looks for.
    assert placed.bitstream is not None
    assert b"\xff\xff\xbd\xb3" in placed.bitstream
    assert stages[0] == "synthesizing"
    assert stages[-1] == "packing the bitstream"
    assert {"placing", "routing"} <= set(stages)


def test_rate_is_clock_times_products_a_cycle() -> None:
    compact = load("compact")
    small = compact.model_copy(update={"format": compact.format.model_copy(update={"group": 8})})
    [found] = place_design(small, "ecp5-25k", roles=["pe"])
    report = found.report
    # 8 lanes a cycle, over the cycles of a group: its planes.
    assert found.gmacs == pytest.approx({p: 8 * report.clock_hz / p / 1e9 for p in range(2, 11)})
    assert found.as_dict()["evidence"] == "placed"
    assert re.fullmatch("[0-9a-f]{64}", report.verilog_sha256)


def test_design_that_does_not_fit_is_one_sentence() -> None:
    verilog = """
module large(input clk, input write, input [17:0] address, input [15:0] given, output reg [15:0] taken);
  reg [15:0] words [0:262143];
  always @(posedge clk) begin
    if (write) words[address] <= given;
    taken <= words[address];
  end
endmodule
"""
    widths = {
        "write": ("input", 1),
        "address": ("input", 18),
        "given": ("input", 16),
        "taken": ("output", 16),
    }
    ports = [{"name": name, "direction": way, "width": width} for name, (way, width) in widths.items()]
    harness = on_pins(verilog, {"top": "large", "clock": "clk", "reset": None, "ports": ports})
    # 4 Mbit, where the device has 56 blocks of 18 kbit.
    with pytest.raises(
        PlaceError, match=r"does not fit Lattice ECP5 LFE5U-25F.* of which there are 56$"
    ) as error:
        place(harness, "ecp5-25k")
    assert "\n" not in str(error.value)


def test_unknown_device_is_refused() -> None:
    with pytest.raises(PlaceError, match=r"expected a device .* not 'xc7a35t'"):
        place(on_pins(COUNTER, SIDECAR), "xc7a35t")
