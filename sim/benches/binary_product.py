"""One real product on the binary engine, every result compared, every cycle counted.

Parameters: those of `sim.benches.binary_agents`, and `data`, an .npz file with the codes, zero points and
formats of both sides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_order import steps
from sim.benches.binary_agents import SHAPE, EngineBench, P
from sim.binary_jobs import program


def _format(fields: list[int]) -> BinaryFormat:
    bits, signed, balanced = fields
    return BinaryFormat(bits, bool(signed), bool(balanced))


@cocotb.test()
async def a_product(dut: Any) -> None:
    """One product, every result compared, every cycle counted."""
    bench = EngineBench(dut)
    await bench.reset()
    with np.load(P["data"]) as data:
        x, w = (
            BinaryOperand(data[f"{side}_codes"], _format(data[f"{side}_format"].tolist()), zeros)
            for side, zeros in (("x", data["x_zeros"]), ("w", data["w_zeros"]))
        )
    made = program(SHAPE, x, w)
    await bench.load(made)
    bench.start(made, "the product")
    await bench.transfer(bench.jobs)
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.results.done, patience=10 * made.beats + 10_000)
    counts = {
        "cycles": bench.cycle - begin,
        "beats": made.beats,
        "steps": len(steps(x.format, w.format, SHAPE.rate)),
        "results": bench.results.transfers * SHAPE.columns,
    }
    await bench.finish()
    Path(P["data"]).with_suffix(".json").write_text(json.dumps(counts))
