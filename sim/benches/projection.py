"""One real product on the matrix engine, every result compared, every cycle accounted for.

Parameters: `data`, an .npz file with the `words` of the weights, the `groups` of activations and the `values`
of results as rows of bytes, and the `marks` of the results; `load` and `product`, the jobs, with the `fields`
of the product.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from sim.bench import Bench, parameters
from sim.engine_jobs import LOAD_FIELDS
from sim.stream import Sink, Source

P = parameters()
STALL_REASONS = ("planes", "weights", "sums", "results")


class Counters:
    """The array's own account of its cycles while a product runs."""

    def __init__(self, bench: Bench):
        dut = bench.dut
        self._signals = {name: getattr(dut, f"stalls_{name}") for name in STALL_REASONS} | {"beat": dut.beat}
        self.counts: dict[str, int] | None = None
        self.transfers = 0
        bench.agents.append(self)

    def reset(self) -> None:
        """Count nothing until told to."""
        self.counts = None

    def step(self) -> None:
        """One cycle."""
        if self.counts is not None:
            self.counts["cycles"] += 1
            for name, signal in self._signals.items():
                self.counts[name] += int(signal.value)

    @property
    def done(self) -> bool:
        """There is nothing to wait for."""
        return True

    def describe(self) -> str:
        """The counts."""
        return f"counters {self.counts}"


def _integers(strings: Any) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in strings]


@cocotb.test()
async def a_product(dut: Any) -> None:
    """Weights, then activations, then the product."""
    bench = Bench(dut)
    loads, products = Source(bench, "loads", LOAD_FIELDS), Source(bench, "products", P["fields"])
    activations, weights = Source(bench, "activations"), Source(bench, "weights", ("address", "word"))
    results = Sink(bench, "results", ("values", "row", "first", "last", "blank"))
    # An elementwise unit passes results as they are.
    if "scaled" in P["fields"]:
        Source(bench, "scales", ("address", "word"))
    if "gated" in P["fields"]:
        Source(bench, "gates")
    counters = Counters(bench)
    dut.clear_nonfinite.value = 0
    dut.clear_overflow.value = 0
    await bench.reset()
    with np.load(P["data"]) as data:
        weights.send(enumerate(_integers(data["words"])))
        activations.send((group,) for group in _integers(data["groups"]))
        marks = data["marks"].tolist()
        results.expect((value, *mark) for value, mark in zip(_integers(data["values"]), marks, strict=True))
    loads.send([P["load"]])
    await bench.until(lambda: weights.done and activations.done, patience=1_000_000)
    await bench.until(lambda: bool(int(dut.idle.value)), patience=1000)
    products.send([P["product"]])
    await bench.transfer(products)
    counters.counts = dict.fromkeys(("cycles", *STALL_REASONS, "beat"), 0)
    await bench.step()
    await bench.until(lambda: bool(int(dut.idle.value)), patience=10_000_000)
    Path(P["data"]).with_suffix(".json").write_text(json.dumps(counters.counts))
    counters.counts = None
    await bench.run()
    # Results that stay take the place of the activations, and later rows are made of anything.
    for flag in ("nonfinite", "overflow") if marks else ():
        assert not int(getattr(dut, flag).value), f"{flag} should be clear after real data"
