"""Bench of the matrix engine: whole products, alone and chained on the chip, bit for bit (contract, 1 to 6).

Parameters: `rows`, `columns`, `columns_per_load`, `lanes`, `level_bits`, `weight_bits`, `format`,
`max_planes`, `encoding`, `rounding`, `plane_words`, `plane_groups`, `weight_words`, and `chains`, how many
random chains each stall pattern gets.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden import formats
from golden.accumulate import fused_accumulate_fp32, round_fp16
from golden.anda import AndaCodec
from golden.dot import group_dot
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.engine_jobs import LOAD_FIELDS, PRODUCT_FIELDS, EngineShape, tiled
from sim.stream import STALLS, Sink, Source
from sim.weight_codes import encode

P = parameters()
LANES, MOST = P["lanes"], P["max_planes"]
SHAPE = EngineShape(**{name: P[name] for name in EngineShape.__dataclass_fields__})
FORMAT = formats.get(P["format"]) if P["format"] else None
LEVELS = (FORMAT and FORMAT.level_range) or Interval.of_bits(P["level_bits"], signed=True)
ZERO_AT = LANES * (FORMAT.code_bits if FORMAT else 0)


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("engine: planes", range(2, MOST + 1))
    coverage.point("engine: products in a chain", [1, 2, 3])
    for axis in ("N", "K", "C"):
        coverage.point(f"engine: tail of {axis}", [False, True])
    coverage.point("engine: flag", ["none", "nonfinite", "overflow"])
    coverage.point("engine: stalls", STALLS)
    coverage.point("engine: reset", [True])


def _needs(n: int, sizes: list[int], planes: list[int]) -> tuple[int, int, int]:
    """Plane words, exponent words and weight words of a chain."""
    pairs = list(pairwise(sizes))
    words = sum(SHAPE.plane_words(n, k, p) for (k, _), p in zip(pairs, planes, strict=True))
    groups = sum(SHAPE.group_words(n, k) for k, _ in pairs)
    return words, groups, sum(SHAPE.weight_words(k, c) for k, c in pairs)


class EngineBench(Bench):
    """The engine between its streams of jobs, activations, weights and results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.loads = Source(self, "loads", LOAD_FIELDS)
        self.products = Source(self, "products", PRODUCT_FIELDS)
        self.activations = Source(self, "activations")
        self.weights = Source(self, "weights", ("address", "word"))
        self.results = Sink(self, "results", ("values", "row", "first", "last", "blank"))
        dut.clear_nonfinite.value = 0
        dut.clear_overflow.value = 0
        self.flags = {"nonfinite": False, "overflow": False}

    def stall(self, pattern: str) -> None:
        """Choose the pattern of the results, and others at random."""
        self.results.stall(pattern)
        for source in (self.loads, self.products, self.activations):
            source.stall(self.random.choice(STALLS))
        coverage.hit({"engine: stalls": pattern})

    def random_weights(self, c: int, groups: int) -> tuple[NDArray[Any], NDArray[np.float16], list[int]]:
        """Levels [C, groups, lanes], scales [C, groups], and the words that hold them."""
        r = self.numpy
        wanted = r.integers(LEVELS.min, LEVELS.max, (c * groups, LANES), endpoint=True)
        levels, items = encode(wanted, FORMAT, P["level_bits"])
        scales = (r.standard_normal((c, groups)) * 2.0 ** r.integers(-6, 1)).astype(np.float16)
        if self.random.random() < 0.1:
            scales[r.integers(c), r.integers(groups)] = r.choice([np.inf, -np.inf, np.nan])
        sets = np.empty(c * groups, dtype=object)
        sets[:] = [item[0] | (item[1] << ZERO_AT if len(item) > 1 else 0) for item in items]
        words = SHAPE.weight_stream(sets.reshape(c, groups), scales)
        return levels.reshape(c, groups, LANES), scales, words

    def golden(
        self, x: NDArray[np.float16], levels: NDArray[Any], scales: NDArray[np.float16], planes: int
    ) -> NDArray[np.float16]:
        """The product as FP16, and what it does to the flags."""
        codec = AndaCodec(planes, P["encoding"], P["rounding"], LANES)
        clean, odd = sanitize(scales)
        q, exponents = codec.quantize(x)
        totals = group_dot(q[:, None], levels[None])
        sums = fused_accumulate_fp32(totals, clean[None], codec.ulp_exponents(exponents)[:, None])
        values, overflow = round_fp16(sums)
        self.flags["nonfinite"] |= odd
        self.flags["overflow"] |= overflow
        return values

    def chain(self, n: int, sizes: list[int], planes: list[int], note: str) -> None:
        """Queue a load and the products after it: `sizes` are K of the first one, then its C, and so on."""
        r = self.numpy
        x = (r.standard_normal((n, sizes[0])) * 2.0 ** r.integers(-4, 8)).astype(np.float16)
        if self.random.random() < 0.1:
            x[r.integers(n), r.integers(sizes[0])] = r.choice([np.inf, -np.inf, np.nan])
        clean, odd = sanitize(x)
        self.flags["nonfinite"] |= odd
        # Tensors one after the other from a random place on; each product reads the last one.
        words, groups, _ = _needs(n, sizes, planes)
        base = self.random.randint(0, P["plane_words"] - words)
        exponent_base = self.random.randint(0, P["plane_groups"] - groups)
        self.loads.send([SHAPE.load(n, sizes[0], planes[0], base, exponent_base)])
        self.activations.send((group,) for group in SHAPE.activation_groups(x))
        address = 0
        y = clean
        for number, (k, c) in enumerate(pairwise(sizes)):
            levels, scales, stored = self.random_weights(c, tiled(k, LANES)[0])
            self.weights.send(enumerate(stored, start=address))
            keep = None
            bases = base, exponent_base, address
            if number < len(sizes) - 2:
                base += SHAPE.plane_words(n, k, planes[number])
                exponent_base += SHAPE.group_words(n, k)
                keep = base, exponent_base, planes[number + 1]
            self.products.send([SHAPE.product(n, k, c, planes[number], bases, keep)])
            address += len(stored)
            padded = np.zeros((n, tiled(k, LANES)[0] * LANES), dtype=np.float16)
            padded[:, :k] = y
            y = self.golden(padded, levels, scales, planes[number])
            self._cover(n, k, c, planes[number])
        self.results.expect(SHAPE.result_parts(y), note=f"{note} {n} rows, {sizes}, planes {planes}")
        coverage.hit({"engine: products in a chain": len(sizes) - 1})

    def _cover(self, n: int, k: int, c: int, planes: int) -> None:
        coverage.hit({"engine: planes": planes})
        for axis, size, tile in (("N", n, P["rows"]), ("K", k, LANES), ("C", c, P["columns"])):
            coverage.hit({f"engine: tail of {axis}": size % tile > 0})

    def random_chain(self, note: str = "") -> None:
        """Queue a random chain that fits the buffers."""
        r = self.random
        while True:
            n = r.randint(1, 2 * P["rows"] + 1)
            sizes = [r.randint(1, 2 * LANES + 1) for _ in range(r.randint(2, 4))]
            planes = [r.randint(2, MOST) for _ in sizes[1:]]
            room = P["plane_words"], P["plane_groups"], P["weight_words"]
            if all(need <= most for need, most in zip(_needs(n, sizes, planes), room, strict=True)):
                return self.chain(n, sizes, planes, note)

    async def begin(self) -> None:
        """Weights first, as products do not wait for them; then the load, then the products."""
        self.loads.hold = self.products.hold = True
        while not self.weights.done:
            await self.step()
        self.loads.hold = False
        while not self.loads.done:
            await self.step()
        self.products.hold = False

    async def finish(self) -> None:
        """Run to the end; then the flags say what happened, until they are cleared."""
        await self.run(patience=3000)
        assert int(self.dut.idle.value), f"cycle {self.cycle}: the engine should be idle"
        seen = [name for name, wanted in self.flags.items() if wanted] or ["none"]
        for name in seen:
            coverage.hit({"engine: flag": name})
        for name, wanted in self.flags.items():
            got = bool(int(getattr(self.dut, name).value))
            assert got == wanted, f"cycle {self.cycle}: {name} should be {wanted} after these products"
            getattr(self.dut, f"clear_{name}").value = 1
            await self.step()
            getattr(self.dut, f"clear_{name}").value = 0
            await self.step(2)
            self.flags[name] = False


@cocotb.test()
async def chains_of_every_plane_count(dut: Any) -> None:
    """Products of every number of planes, alone and chained, with tails on every side."""
    bench = EngineBench(dut)
    await bench.reset()
    for planes in range(2, MOST + 1):
        for sizes in ([LANES, P["columns"]], [LANES + 1, LANES - 1, 2], [3, 2 * LANES, LANES]):
            bench.chain(P["rows"] + (planes % 2), sizes, [planes] * (len(sizes) - 1), "every plane count")
            await bench.begin()
            await bench.finish()


@cocotb.test()
async def random_chains_and_stalls(dut: Any) -> None:
    """Random chains under every stall pattern."""
    bench = EngineBench(dut)
    await bench.reset()
    for pattern in STALLS:
        bench.stall(pattern)
        for _ in range(P["chains"]):
            bench.random_chain(f"stalls {pattern}")
            await bench.begin()
            await bench.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset anywhere leaves nothing of a job behind."""
    bench = EngineBench(dut)
    await bench.reset()
    for cycles in range(2, 200, 17):
        bench.random_chain()
        await bench.begin()
        await bench.step(cycles)
        coverage.hit({"engine: reset": True})
        await bench.reset()
        bench.flags = {"nonfinite": False, "overflow": False}
        bench.random_chain(f"after a reset behind cycle {cycles}")
        await bench.begin()
        await bench.finish()
