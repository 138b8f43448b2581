"""Bench that replays given items and compares with given results: witnesses of proofs and certificates.

Parameters: `source` (`name`, `fields`, `beside`, `items`) and `sink` (`name`, `fields`, `signed`, `items`),
as `sim.stream` takes them.
"""

from __future__ import annotations

from typing import Any

import cocotb

from sim.bench import Bench, parameters
from sim.stream import Sink, Source

P = parameters()


@cocotb.test()
async def replay(dut: Any) -> None:
    """Every item goes in without a pause, and every result is the one given."""
    bench = Bench(dut)
    given, wanted = P["source"], P["sink"]
    source = Source(bench, given["name"], given["fields"], beside=given["beside"])
    sink = Sink(bench, wanted["name"], wanted["fields"], signed=wanted["signed"])
    await bench.reset()
    source.send(given["items"])
    sink.expect(wanted["items"])
    await bench.run()
