"""A small design and its bench, to test the machinery of `sim` with: a register that adds one on a stream."""

from __future__ import annotations

import cocotb

from sim.bench import Bench, coverage, parameters
from sim.stream import STALLS, Sink, Source

#: What can be wrong with it: the next state of `full` and `value`.
BUGS = ("none", "drops", "repeats", "unstable", "waits", "wrong", "impatient")


def verilog(bug: str = "none") -> str:
    """One register; `bug` is one of `BUGS`."""
    taken = "full & result_ready"
    ready = {"drops": "1'b1"}.get(bug, f"!full | ({taken})")
    valid = {"waits": "full & seen", "impatient": "full & lfsr[0]"}.get(bug, "full")
    value = {"unstable": "value + {7'd0, full & lfsr[0]}", "wrong": "value ^ {7'd0, &value}"}.get(
        bug, "value"
    )
    leave = {"repeats": "full & result_ready & !again"}.get(bug, taken)
    return f"""
module standin(input clk, input rst,
  input items_valid, output items_ready, input [7:0] items_word, input items_last,
  output result_valid, input result_ready, output [7:0] result_payload);
  reg full, seen, again;
  reg [7:0] value;
  reg [4:0] lfsr;
  assign items_ready = {ready};
  assign result_valid = {valid};
  assign result_payload = {value};
  always @(posedge clk) begin
    lfsr <= {{lfsr[3:0], lfsr[4] ^ lfsr[2]}};
    if (full & result_ready) seen <= 1;
    if (full & result_ready) again <= !again & (value[1:0] == 2'd1);
    if (items_valid & items_ready) begin
      full <= 1; seen <= 0; value <= items_word + {{7'd0, items_last}};
    end else if ({leave}) full <= 0;
    if (rst) begin full <= 0; seen <= 0; again <= 0; lfsr <= 1; end
  end
endmodule
"""


@cocotb.test()
async def items_come_out(dut: object) -> None:
    """Every item comes out once, in order, one larger if it was the last, under every pair of patterns."""
    coverage.point("source", STALLS)
    coverage.point("sink", [*STALLS, "asleep"])
    coverage.cross("source & sink", ("source", "sink"))
    count = parameters()["items"]
    bench = Bench(dut)
    source = Source(bench, "items", ("word", "last"))
    sink = Sink(bench, "result")
    await bench.reset()
    for source_pattern in STALLS:
        for sink_pattern in STALLS:
            source.stall(source_pattern)
            sink.stall(sink_pattern)
            items = [(bench.random.getrandbits(8), bench.random.getrandbits(1)) for _ in range(count)]
            source.send(items)
            sink.expect([((word + last) % 256,) for word, last in items], note=source_pattern)
            coverage.hit({"source": source_pattern, "sink": sink_pattern})
            await bench.run()


@cocotb.test()
async def reset_forgets(dut: object) -> None:
    """What was inside before a reset never comes out after it."""
    bench = Bench(dut)
    source = Source(bench, "items", ("word", "last"))
    sink = Sink(bench, "result", pattern="often")
    await bench.reset()
    for _ in range(10):
        words = [bench.random.getrandbits(8) for _ in range(8)]
        source.send([(word, 0) for word in words])
        sink.expect([(word,) for word in words])
        await bench.step(9)
        await bench.reset()
        source.send([(7, 1)])
        sink.expect([(8,)])
        await bench.run()
