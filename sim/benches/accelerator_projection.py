"""One real product through the bus of an accelerator: every result compared, the counters read.

Parameters: `build`, the sizes of the build; `shape` [N, K, C] and `planes` of the product; `data`, an .npz
file with the bytes of `activations` and `weights` as the streams bring them, and the `results`, float16
[N, C]. Writes what the counters say beside the data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hdl.accelerator_registers import EVENTS, Build
from hdl.axi_lite import OKAY
from sim.bench import Bench, parameters
from sim.benches.accelerator_agents import BusAgents
from sim.driver import Driver, Write

P = parameters()
DRIVER = Driver(Build(**P["build"]))
COUNTERS = ("cycles", "beats", "stall_planes", "stall_weights", "stall_sums", "stall_results")


class Host:
    """A program on the other side of the bus, which nothing keeps waiting."""

    def __init__(self, dut: Any):
        self.bench = Bench(dut)
        self.bus = BusAgents(self.bench)
        self._irq = dut.irq

    async def read(self, name: str) -> int:
        """A register."""
        word, answer = await self.bus.read(DRIVER.registers[name].offset)
        assert answer == OKAY, f"reading {name} was answered with {answer}"
        return word

    async def write(self, writes: list[Write]) -> None:
        """Registers."""
        for address, word in writes:
            answer = await self.bus.write(address, word)
            assert answer == OKAY, f"writing {word:#x} to {address:#x} was answered with {answer}"

    async def run(self, job: list[Write]) -> None:
        """Begin a job, wait for its interrupt, and see that it is done and nothing else happened."""
        await self.write(job)
        if not int(self._irq.value):
            await RisingEdge(self._irq)
        status = DRIVER.registers.decode("status", await self.read("status"))
        assert status == {"busy": 0, **dict.fromkeys(EVENTS, 0), "done": 1}, status
        await self.write([DRIVER.write("status", done=1)])


@cocotb.test()
async def a_product(dut: Any) -> None:
    """Weights, then activations, then the product."""
    host, (n, k, c), planes = Host(dut), P["shape"], P["planes"]
    await host.bench.reset()
    with np.load(P["data"]) as data:
        activations, weights, wanted = (data[name] for name in ("activations", "weights", "results"))
    await host.write([DRIVER.write("interrupt_enable", done=1, refused=1)])
    await host.write(DRIVER.place_weights(0))
    await host.bus.weights.send(weights.tobytes())
    await host.bus.weights.wait()
    assert await host.read("weight_next") == DRIVER.weight_words(k, c)
    await host.bus.activations.send(activations.tobytes())
    await host.run(DRIVER.load(n, k, planes=planes))
    await host.write([DRIVER.write("control", clear_counters=1)])
    await host.run(DRIVER.product(n, k, c, planes=planes))
    counts = {name: await host.read(name) for name in COUNTERS}
    Path(P["data"]).with_suffix(".json").write_text(json.dumps(counts))
    assert host.bus.results.count() == 1, f"{host.bus.results.count()} packets came instead of one"
    got = DRIVER.results(bytes(host.bus.results.recv_nowait().tdata), n, c)
    wrong = np.argwhere(got.view(np.uint16) != wanted.view(np.uint16))
    assert not len(wrong), (
        f"{len(wrong)} of {wanted.size} results are wrong, the first one at {wrong[0]}: "
        f"{got[tuple(wrong[0])]} instead of {wanted[tuple(wrong[0])]}"
    )
