"""Bench of a bit heap (`sim.units.HeapUnit`): the sum modulo `2**width`, every cycle.

Parameters: `width`, `terms` as [bits, signed, shift, subtract], `constant`, `latency`, and `cycles`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb

from golden.interval import Interval
from sim.bench import Bench, coverage, parameters

P = parameters()
TERMS = [(Interval.of_bits(bits, signed), shift, subtract) for bits, signed, shift, subtract in P["terms"]]


@cocotb.test()
async def sums_are_exact(dut: Any) -> None:
    """All lowest, all highest and random values in every cycle, results after the latency."""
    coverage.point("heap: values", ["all lowest", "all highest", "random"])
    coverage.point("heap: sum", ["zero", "all ones", "between"])
    bench = Bench(dut)
    ports = [getattr(dut, f"term_{i}") for i in range(len(TERMS))]
    expected: deque[int] = deque()
    for cycle in range(P["cycles"]):
        style = "all lowest" if cycle % 8 == 1 else "all highest" if cycle % 8 == 2 else "random"
        total = P["constant"]
        for port, (interval, shift, subtract) in zip(ports, TERMS, strict=True):
            drawn = bench.random.randint(interval.min, interval.max)
            value = {"all lowest": interval.min, "all highest": interval.max}.get(style, drawn)
            port.value = value & ((1 << len(port)) - 1)
            total += -(value << shift) if subtract else value << shift
        total %= 1 << P["width"]
        kind = "zero" if total == 0 else "all ones" if total + 1 == 1 << P["width"] else "between"
        coverage.hit({"heap: values": style, "heap: sum": kind})
        expected.append(total)
        await bench.step()
        if len(expected) > P["latency"]:
            wanted = expected.popleft()
            got = int(dut.sum.value)
            assert got == wanted, f"cycle {cycle}: the sum should be {wanted} but is {got}"
    await bench.run(patience=20)
