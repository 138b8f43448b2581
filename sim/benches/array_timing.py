"""Not a test of anything: records the ports of an array from its first weights to the last results.

Parameters: `tiles`, `groups` and `planes` of each; `loads`, transfers of weights for a group. Writes
`timing.json`, for each port its values cycle by cycle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb

from sim.bench import Bench, parameters
from sim.benches.recorder import Recorder
from sim.stream import Source

PORTS = (
    "weights_valid",
    "weights_ready",
    "planes_valid",
    "planes_ready",
    "planes_first",
    "planes_last",
    "planes_tile_last",
    "stalls_weights",
    "beat",
    "promised",
    "results_valid",
    "results_slot",
)
#: Cycles behind the last beat that show its results.
BEHIND = 12


@cocotb.test()
async def tiles_back_to_back(dut: Any) -> None:
    """Everything is there from the beginning, and room for every result."""
    p = parameters()
    bench = Bench(dut)
    fields = ("words", "exponents", "first", "last", "tile_last")
    planes = Source(bench, "planes", fields, beside=("group_planes",))
    weights = Source(bench, "weights")
    recorder = Recorder(bench, PORTS)
    for name in ("clear_nonfinite", "clear_overflow"):
        getattr(dut, name).value = 0
    dut.room.value = 1
    await bench.reset()
    for _ in range(p["tiles"]):
        for group in range(p["groups"]):
            weights.send([(0,)] * p["loads"])
            for plane in range(p["planes"]):
                last = plane == p["planes"] - 1
                planes.send([(0, 0, plane == 0, last, group == p["groups"] - 1, p["planes"])])
    recorder.begin()
    await bench.until(lambda: planes.done, patience=1000)
    await bench.step(BEHIND)
    (Path(str(cocotb.plusargs["bench"])) / "timing.json").write_text(json.dumps([recorder.values]))
