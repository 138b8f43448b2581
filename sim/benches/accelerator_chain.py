"""A chain of products of given data through the bus of an accelerator: every bit, and every cycle.

Parameters: `build`, the sizes of the build; `data`, an .npz file with the bytes of `activations` and of
`weights_0` and so on as the streams bring them, and the results of each product, `results_0` and so on,
float16 [N, C]; `products`, for each its `shape` [N, K, C], `planes`, places, what to `keep`, and the `cycles`
that the counter should show when nothing outside has a say, or None.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.bench import coverage, parameters
from sim.benches.accelerator_projection import COUNTERS, DRIVER, Host
from sim.driver import Kept
from sim.stream import STALLS

P = parameters()
PRODUCTS = P["products"]
#: After so many milliseconds, each 100,000 cycles, a design is taken to hang.
LIMIT = 20


class ChainHost(Host):
    """A program that brings all operands in and multiplies them."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        coverage.point("chain: stalls", STALLS)
        with np.load(P["data"]) as data:
            self.data = dict(data)

    async def bring(self) -> None:
        """Weights of every product, and the activations of the first one."""
        await self.bench.reset()
        await self.write([DRIVER.write("interrupt_enable", done=1, refused=1)])
        await self.write(DRIVER.place_weights(0))
        for number in range(len(PRODUCTS)):
            await self.bus.weights.send(self.data[f"weights_{number}"].tobytes())
        await self.bus.weights.wait()
        n, k, _ = PRODUCTS[0]["shape"]
        await self.bus.activations.send(self.data["activations"].tobytes())
        await self.run(DRIVER.load(n, k, planes=PRODUCTS[0]["planes"]))

    async def multiply(self, number: int, *, keep: bool) -> dict[str, int]:
        """One product; what the counters say of it."""
        product = PRODUCTS[number]
        n, k, c = product["shape"]
        kept = Kept(**product["keep"]) if keep else None
        places = {name: product[name] for name in ("base", "exponent_base", "weight_base")}
        await self.write([DRIVER.write("control", clear_counters=1)])
        await self.run(DRIVER.product(n, k, c, planes=product["planes"], keep=kept, **places))
        counts = {name: await self.read(name) for name in COUNTERS}
        check = DRIVER.check_cycles(n, k, c, product["planes"], kept)
        assert counts["cycles"] == sum(counts.values()) - counts["cycles"] + check, (number, counts, check)
        assert counts["beats"] == DRIVER.beats(n, k, c, product["planes"]), (number, counts)
        return counts

    async def finish(self) -> None:
        """See that nothing more comes."""
        await self.bench.run()
        assert self.bus.results.empty(), "results came that nobody asked for"

    def compare(self, number: int) -> None:
        """The one packet that came is what the golden model has."""
        wanted: NDArray[np.float16] = self.data[f"results_{number}"]
        assert self.bus.results.count() == 1, f"{self.bus.results.count()} packets came instead of one"
        got = DRIVER.results(bytes(self.bus.results.recv_nowait().tdata), *wanted.shape)
        wrong = np.argwhere(got.view(np.uint16) != wanted.view(np.uint16))
        assert not len(wrong), (
            f"product {number}: {len(wrong)} of {wanted.size} results are wrong, the first at {wrong[0]}: "
            f"{got[tuple(wrong[0])]} instead of {wanted[tuple(wrong[0])]}"
        )


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def the_model_counts_every_cycle(dut: Any) -> None:
    """Nothing waits outside: each product takes the cycles that the model says, and the results are right."""
    host = ChainHost(dut)
    await host.bring()
    for number, product in enumerate(PRODUCTS):
        counts = await host.multiply(number, keep="keep" in product)
        assert product["cycles"] in (None, counts["cycles"]), (number, product["cycles"], counts)
    host.compare(len(PRODUCTS) - 1)
    coverage.hit({"chain: stalls": "never"})
    await host.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def results_of_the_first_product(dut: Any) -> None:
    """They leave instead of staying: a whole product of its own."""
    host = ChainHost(dut)
    await host.bring()
    await host.multiply(0, keep=False)
    host.compare(0)
    await host.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def the_chain_under_back_pressure(dut: Any) -> None:
    """Every channel of the bus stalls at random."""
    host = ChainHost(dut)
    for pattern in STALLS[1:]:
        host.bus.stall(pattern)
        await host.bring()
        for number, product in enumerate(PRODUCTS):
            await host.multiply(number, keep="keep" in product)
        host.compare(len(PRODUCTS) - 1)
        coverage.hit({"chain: stalls": pattern})
    await host.finish()
