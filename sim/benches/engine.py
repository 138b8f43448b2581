"""Bench of the matrix engine: whole products, alone and chained on the chip, bit for bit (contract, 1 to 6).

Parameters: `rows`, `columns`, `columns_per_load`, `lanes`, `level_bits`, `weight_bits`, `format`,
`max_planes`, `encoding`, `rounding`, `plane_words`, `plane_groups`, `weight_words`, `elementwise_words`,
`silu`, and `chains`, how many random chains each stall pattern gets.
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
from golden.elementwise import ACTIVATIONS, Activation, elementwise
from golden.fp16 import sanitize
from golden.interval import Interval
from sim.bench import Bench, coverage, parameters
from sim.engine_jobs import LOAD_FIELDS, EngineShape, tiled
from sim.steps import Steps
from sim.stream import STALLS, Sink, Source
from sim.weight_codes import encode

P = parameters()
LANES, MOST = P["lanes"], P["max_planes"]
SHAPE = EngineShape(**{name: P[name] for name in EngineShape.__dataclass_fields__})
FORMAT = formats.get(P["format"]) if P["format"] else None
LEVELS = (FORMAT and FORMAT.level_range) or Interval.of_bits(P["level_bits"], signed=True)
ZERO_AT = LANES * (FORMAT.code_bits if FORMAT else 0)
WORDS = P["elementwise_words"]
CHOICES: tuple[Activation, ...] = ACTIVATIONS if P["silu"] else ("none", "relu")

Half = NDArray[np.float16]


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("engine: planes", range(2, MOST + 1))
    coverage.point("engine: products in a chain", [1, 2, 3])
    for axis in ("N", "K", "C"):
        coverage.point(f"engine: tail of {axis}", [False, True])
    coverage.point("engine: flag", ["none", "nonfinite", "overflow"])
    coverage.point("engine: stalls", STALLS)
    coverage.point("engine: reset", [True])
    if WORDS:
        for end in ("leaves", "stays"):
            coverage.point(f"engine: activation of what {end}", set(CHOICES))
            coverage.point(f"engine: what {end} is scaled", [False, True])
            coverage.point(f"engine: what {end} is gated", {False, P["silu"]})


def _needs(n: int, sizes: list[int], planes: list[int]) -> tuple[int, int, int]:
    """Plane words, exponent words and weight words of a chain."""
    pairs = list(pairwise(sizes))
    words = sum(SHAPE.plane_words(n, k, p) for (k, _), p in zip(pairs, planes, strict=True))
    groups = sum(SHAPE.group_words(n, k) for k, _ in pairs)
    return words, groups, sum(SHAPE.weight_words(k, c) for k, c in pairs)


class EngineBench(Bench):
    """The engine between its streams of jobs, activations, weights, scales, gates and results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.loads = Source(self, "loads", LOAD_FIELDS)
        self.products = Source(self, "products", SHAPE.product_fields)
        self.activations = Source(self, "activations")
        self.weights = Source(self, "weights", ("address", "word"))
        self.scales = Source(self, "scales", ("address", "word")) if WORDS else None
        self.gates = Source(self, "gates") if P["silu"] else None
        self.results = Sink(self, "results", ("values", "row", "first", "last", "blank"))
        dut.clear_nonfinite.value = 0
        dut.clear_overflow.value = 0
        self.flags = {"nonfinite": False, "overflow": False}
        self._next_scale = 0

    def stall(self, pattern: str) -> None:
        """Choose the pattern of the results, and others at random."""
        self.results.stall(pattern)
        for source in (self.loads, self.products, self.activations, self.gates):
            if source:
                source.stall(self.random.choice(STALLS))
        coverage.hit({"engine: stalls": pattern})

    def random_weights(self, c: int, groups: int) -> tuple[NDArray[Any], Half, list[int]]:
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

    def golden(self, x: Half, levels: NDArray[Any], scales: Half, planes: int) -> Half:
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

    def halves(self, *shape: int) -> Half:
        """Values around 1; rarely one that is not finite."""
        r = self.numpy
        values = (r.standard_normal(shape) * 2.0 ** r.integers(-3, 4)).astype(np.float16)
        if self.random.random() < 0.05:
            values.flat[r.integers(values.size)] = r.choice([np.inf, -np.inf, np.nan])
        return values

    def steps(self, y: Half, end: str, fixed: dict[str, Any]) -> tuple[Steps | None, Half]:
        """Draw, but for what is fixed, what the elementwise unit does, bring its operands, and what comes."""
        if not WORDS:
            return None, y
        r, c = self.random, y.shape[1]
        base, scale, bias = None, np.ones(c, np.float16), np.zeros(c, np.float16)
        tiles = tiled(c, P["columns"])[0]
        if self._next_scale + tiles <= WORDS and r.random() < 0.7:
            base, scale, bias = self._next_scale, self.halves(c), self.halves(c)
            self._next_scale += tiles
            if self.scales:
                self.scales.send(enumerate(SHAPE.scale_words(scale, bias), start=base))
        activation = fixed.get("activation", r.choice(CHOICES))
        gates = fixed.get("gates", self.halves(*y.shape) if r.random() < 0.5 else None)
        operands = [sanitize(scale), sanitize(bias)]
        if self.gates and gates is not None:
            self.gates.send((part,) for part in SHAPE.gate_parts(gates))
            operands.append(sanitize(gates))
        (scale, bias, *rest), odd = zip(*operands, strict=True)
        steps = Steps(base, activation, bool(rest))
        y, overflow = elementwise(y, scale, bias, activation=activation, gate=rest[0] if rest else None)
        self.flags["nonfinite"] |= any(odd)
        self.flags["overflow"] |= overflow
        coverage.hit({f"engine: activation of what {end}": activation})
        coverage.hit(
            {f"engine: what {end} is {name}": bool(steps.fields[name]) for name in ("scaled", "gated")}
        )
        return steps, y

    def load(self, n: int, k: int, planes: int, base: int, exponent_base: int) -> Half:
        """Queue activations, and what they are."""
        r = self.numpy
        x = (r.standard_normal((n, k)) * 2.0 ** r.integers(-4, 8)).astype(np.float16)
        if self.random.random() < 0.1:
            x[r.integers(n), r.integers(k)] = r.choice([np.inf, -np.inf, np.nan])
        clean, odd = sanitize(x)
        self.flags["nonfinite"] |= odd
        self.loads.send([SHAPE.load(n, k, planes, base, exponent_base)])
        self.activations.send((group,) for group in SHAPE.activation_groups(x))
        self._next_scale = self.random.randint(0, WORDS // 2)
        return clean

    def product(
        self,
        x: Half,
        c: int,
        planes: int,
        bases: tuple[int, int, int],
        keep: tuple[int, int, int] | None,
        **fixed: Any,
    ) -> Half:
        """Queue one product with its weights; what comes of it."""
        n, k = x.shape
        groups = tiled(k, LANES)[0]
        levels, scales, stored = self.random_weights(c, groups)
        self.weights.send(enumerate(stored, start=bases[2]))
        padded = np.zeros((n, groups * LANES), dtype=np.float16)
        padded[:, :k] = x
        y = self.golden(padded, levels, scales, planes)
        steps, y = self.steps(y, "stays" if keep else "leaves", fixed)
        self.products.send([SHAPE.product(n, k, c, planes, bases, keep, steps)])
        self._cover(n, k, c, planes)
        return y

    def chain(self, n: int, sizes: list[int], planes: list[int], note: str) -> None:
        """Queue a load and the products after it: `sizes` are K of the first one, then its C, and so on."""
        # Tensors one after the other from a random place on; each product reads the last one.
        words, groups, _ = _needs(n, sizes, planes)
        base = self.random.randint(0, P["plane_words"] - words)
        exponent_base = self.random.randint(0, P["plane_groups"] - groups)
        y = self.load(n, sizes[0], planes[0], base, exponent_base)
        address = 0
        for number, (k, c) in enumerate(pairwise(sizes)):
            keep = None
            bases = base, exponent_base, address
            if number < len(sizes) - 2:
                base += SHAPE.plane_words(n, k, planes[number])
                exponent_base += SHAPE.group_words(n, k)
                keep = base, exponent_base, planes[number + 1]
            y = self.product(y, c, planes[number], bases, keep)
            address += SHAPE.weight_words(k, c)
        self.results.expect(SHAPE.result_parts(y), note=f"{note} {n} rows, {sizes}, planes {planes}")
        coverage.hit({"engine: products in a chain": len(sizes) - 1})

    def gated_layers(self, n: int, k: int, hidden: int, c: int, planes: tuple[int, int]) -> None:
        """Queue up, gate and down of a feed-forward layer, all before the first of them begins.

        `up` leaves as FP16 and comes back as the gates of the second product, which has the same activations
        and stays; `down` multiplies what it left.
        """
        first, second = planes
        kept = SHAPE.plane_words(n, k, first), SHAPE.group_words(n, k)
        x = self.load(n, k, first, 0, 0)
        note = f"{n} rows, {k} to {hidden} to {c}, planes {planes}"
        up = self.product(x, hidden, first, (0, 0, 0), None, activation="none", gates=None)
        self.results.expect(SHAPE.result_parts(up), note=f"up of {note}")
        address = SHAPE.weight_words(k, hidden)
        fixed = {"activation": CHOICES[-1], "gates": up}
        y = self.product(x, hidden, first, (0, 0, address), (*kept, second), **fixed)
        down = self.product(y, c, second, (*kept, 2 * address), None, activation="none", gates=None)
        self.results.expect(SHAPE.result_parts(down), note=f"down of {note}")

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
        while not (self.weights.done and (self.scales is None or self.scales.done)):
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
async def gated_layers_and_stalls(dut: Any) -> None:
    """A product that leaves and one that stays behind it, gated by its results, under every stall pattern."""
    bench = EngineBench(dut)
    await bench.reset()
    for pattern in STALLS:
        bench.stall(pattern)
        for n in (1, P["rows"] + 1):
            planes = bench.random.randint(2, MOST), bench.random.randint(2, MOST)
            bench.gated_layers(n, LANES + 1, LANES + 3, P["columns"] + 1, planes)
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
