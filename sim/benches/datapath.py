"""Bench of a row of the datapath: FP16 activations in, FP32 or FP16 results out, bit for bit (contract, 1
to 6).

Parameters: `group`, `max_planes`, `encoding`, `rounding`, `level_bits`, `columns`, `column_bits`, `output`,
and `rows`, how many random rows each pair of stall patterns gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32
from golden.anda import AndaCodec
from golden.dot import group_dot
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import coverage, pack_lanes, parameters
from sim.benches.flagged_rows import FlaggedBench
from sim.stream import STALLS, Sink, Source

P = parameters()
GROUP, COLUMNS, MOST = P["group"], P["columns"], P["max_planes"]
LEVELS = Interval.of_bits(P["level_bits"], signed=True)
HALF = P["output"] == "fp16"
CONFIGURATION = f"{P['encoding']}, {P['rounding']}, {COLUMNS} columns, {P['output']}"


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("datapath: planes", range(2, MOST + 1))
    coverage.point("datapath: groups in a row", [1, 2, Interval(3, 8)])
    coverage.point("datapath: nonfinite", ["none", "activation", "scale"])
    coverage.point("datapath: source stalls", STALLS)
    coverage.point("datapath: sink stalls", STALLS)
    coverage.cross("datapath: source & sink stalls", ("datapath: source stalls", "datapath: sink stalls"))
    coverage.point("datapath: configuration", [CONFIGURATION])


class DatapathBench(FlaggedBench):
    """The row between its streams of activations, levels and scales, and its results."""

    kind, work = "datapath", "row"

    def __init__(self, dut: Any):
        super().__init__(dut, half=HALF)
        declare_coverage()
        self.sources = {
            "activations": Source(self, "activations", ("values", "last"), beside=("group_planes",)),
            "levels": Source(self, "levels"),
            "scales": Source(self, "scales"),
        }
        self.results = Sink(self, "results", ("value", *(("column",) if P["column_bits"] else ())))
        coverage.hit({"datapath: configuration": CONFIGURATION})

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns: that of the activations, and others at random for the weights."""
        self.sources["activations"].stall(source)
        for name in ("levels", "scales"):
            self.sources[name].stall(self.random.choice(STALLS))
        self.results.stall(sink)
        coverage.hit({"datapath: source stalls": source, "datapath: sink stalls": sink})

    def send(
        self,
        x: NDArray[np.float16],
        levels: NDArray[Any],
        scales: NDArray[np.float16],
        planes: int,
        note: str,
    ) -> None:
        """Queue one row: activations [groups * group], levels [groups, columns, group], scales [groups,
        columns]."""
        codec = AndaCodec(planes=planes, encoding=P["encoding"], rounding=P["rounding"], group=GROUP)
        clean, odd_x = sanitize(x)
        clean_scales, odd_scales = sanitize(scales)
        q, exponents = codec.quantize(clean)
        totals = group_dot(q[:, None, :], levels)
        sums = fused_accumulate_fp32(totals.T, clean_scales.T, codec.ulp_exponents(exponents)[None])
        self.flags["nonfinite"] |= odd_x or odd_scales
        values = self.words(sums)
        last = len(levels) - 1
        for i, value in enumerate(pack_lanes(x.view(np.uint16).reshape(-1, GROUP), 16)):
            self.sources["activations"].send([(value, i == last, planes)])
        for group in levels:
            self.sources["levels"].send((value,) for value in pack_lanes(group, P["level_bits"]))
        self.sources["scales"].send((int(scale),) for scale in scales.view(np.uint16).reshape(-1))
        columns = range(COLUMNS) if P["column_bits"] else [None]
        self.results.expect(
            [(int(v), *(() if c is None else (c,))) for v, c in zip(values, columns, strict=True)], note=note
        )
        kind = "activation" if odd_x else "scale" if odd_scales else "none"
        coverage.hit(
            {"datapath: planes": planes, "datapath: nonfinite": kind, "datapath: groups in a row": last + 1}
        )

    def random_row(self, planes: int, note: str = "") -> None:
        """Queue a random row."""
        groups = self.random.choice((1, 2, 3, 5))
        x, levels, scales = self.random_operands((groups * GROUP,), (groups, COLUMNS), GROUP, LEVELS)
        if self.random.random() < 0.1:
            x[self.random.randrange(len(x))] = self.numpy.choice([np.inf, -np.inf, np.nan])
        self.send(x, levels, scales, planes, note)


@cocotb.test()
async def rows_of_every_plane_count(dut: Any) -> None:
    """Rows back to back; the number of planes changes when nothing is on its way."""
    bench = DatapathBench(dut)
    await bench.reset()
    for planes in range(2, MOST + 1):
        for row in range(2):
            bench.random_row(planes, f"{planes} planes, row {row}")
        await bench.finish()


@cocotb.test()
async def random_rows_and_stalls(dut: Any) -> None:
    """Random rows under every pair of stall patterns."""
    bench = DatapathBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            planes = bench.random.randint(2, MOST)
            for _ in range(P["rows"]):
                bench.random_row(planes, f"stalls {source}/{sink}")
            await bench.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset anywhere in a row leaves nothing behind."""
    bench = DatapathBench(dut)
    await bench.reset()
    length = MOST + COLUMNS + 8
    await bench.through_resets(
        length, lambda: bench.random_row(MOST), lambda note: bench.random_row(MOST, note)
    )
