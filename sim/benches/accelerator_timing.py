"""Not a test of anything: records the ports of an accelerator during one small load and one small product.

Parameters: `build`, the sizes of the build; `level_bits`. Writes `timing.json`, for each port its values
cycle by cycle and null for unknown ones, beside the results.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from hdl.accelerator_registers import Build
from sim.bench import Bench, parameters
from sim.benches.accelerator_agents import BusAgents
from sim.benches.recorder import Recorder
from sim.driver import Driver

PORTS = (
    "s_axil_awvalid",
    "s_axil_awready",
    "s_axil_wdata",
    "s_axil_bvalid",
    "s_axis_activations_tvalid",
    "s_axis_activations_tready",
    "s_axis_activations_tlast",
    "m_axis_results_tvalid",
    "m_axis_results_tready",
    "m_axis_results_tlast",
    "irq",
)


@cocotb.test()
async def a_load_and_a_product(dut: Any) -> None:
    """One row of one group, two planes; its product with one column."""
    p = parameters()
    build = Build(**p["build"])
    driver = Driver(build)
    bench = Bench(dut)
    recorder, bus = Recorder(bench, PORTS), BusAgents(bench)
    await bench.reset()
    cocotb.start_soon(bench.step(1 << 40))
    codes = np.ones((1, build.lanes), dtype=np.int64)
    scales = np.ones((1, 1), dtype=np.float16)
    x = np.ones((1, build.lanes), dtype=np.float16)
    await bus.weights.send(driver.weights(codes, scales, bits=p["level_bits"]))
    jobs = (driver.load(1, build.lanes, planes=2), driver.product(1, build.lanes, 1, planes=2))
    timing = []
    for number, job in enumerate(jobs):
        for address, word in (driver.write("interrupt_enable", done=1), *job[:-1]):
            await bus.write(address, word)
        await bus.write(*driver.write("status", done=1))
        if number == 0:
            await bus.activations.send(driver.activations(x))
        recorder.begin()
        await bus.write(*job[-1])
        while not int(dut.irq.value):
            await ClockCycles(dut.clk, 1)
        recorder.recording = False
        timing.append(recorder.values)
    (Path(str(cocotb.plusargs["bench"])) / "timing.json").write_text(json.dumps(timing))
