# amaranth: UnusedElaboratable=no
"""The row end to end: FP16 activations and integer weights in, the golden GeMM's bits out."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.weights import IntegerWeights
from hdl.accumulator import AccumulatorParameters
from hdl.compressor import CompressorParameters
from hdl.datapath import Datapath, DatapathParameters
from hdl.pe import PeParameters

GROUP = 8


def parameters(
    *, columns: int = 3, shared: bool = True, published: bool = False, output: str = "fp32"
) -> DatapathParameters:
    planes = 6
    encoding = "sign-magnitude" if published else "twos-complement"
    pe = PeParameters(
        lanes=GROUP,
        max_planes=planes,
        encoding=encoding,
        weights="inside" if published else "outside",
        reduction="tree" if published else "heap",
    )
    return DatapathParameters(
        compressor=CompressorParameters(
            group=GROUP,
            max_planes=planes,
            encoding=encoding,
            rounding="truncate" if published else "nearest",
        ),
        pe=pe,
        accumulator=AccumulatorParameters(
            sum_bits=pe.sum_bits, max_planes=planes, slots=columns if shared else 1, output=output
        ),
        columns=columns,
    )


def codec(p: DatapathParameters, planes: int) -> AndaCodec:
    return AndaCodec(planes, p.compressor.encoding, p.compressor.rounding, p.compressor.group)


def random_case(rng: np.random.Generator, columns: int, groups: int, rows: int):
    """Activations with exponents far apart, and weights with scales of either sign."""
    shape = (rows, groups * GROUP)
    x = (rng.standard_normal(shape) * 2.0 ** rng.integers(-12, 10, shape)).astype(np.float16)
    codes = rng.integers(-8, 8, (columns, groups * GROUP)).astype(np.int8)
    scales = rng.standard_normal((columns, groups)).astype(np.float16)
    return x, IntegerWeights(codes, scales, GROUP, 4)


def pack(values: np.ndarray, bits: int) -> int:
    return sum((int(v) & ((1 << bits) - 1)) << (i * bits) for i, v in enumerate(values))


class Run:
    """One simulation: streams with random stalls on every side."""

    def __init__(self, p: DatapathParameters, seed: int):
        self.datapath = Datapath(p)
        self.rng = random.Random(seed)
        self.results: list[tuple[int, int]] = []

    async def _stall(self, ctx) -> None:
        for _ in range(self.rng.choice([0, 0, 0, 1, 4])):
            await ctx.tick()

    def _sender(self, stream, items):
        async def send(ctx) -> None:
            for item in items:
                await self._stall(ctx)
                for field, value in item.items():
                    signal = stream.payload if field == "" else getattr(stream.payload, field)
                    ctx.set(signal.as_value() if hasattr(signal, "as_value") else signal, value)
                ctx.set(stream.valid, 1)
                await ctx.tick().until(stream.ready)
                ctx.set(stream.valid, 0)

        return send

    def run(self, x: np.ndarray, weights: IntegerWeights, planes: int) -> None:
        d, p = self.datapath, self.datapath.parameters
        groups = x.shape[1] // GROUP
        values = x.view(np.uint16).reshape(len(x), groups, GROUP)
        activations = [
            {"values": pack(values[n, g], 16), "last": g == groups - 1}
            for n in range(len(x))
            for g in range(groups)
        ]
        order = [(g, c) for _ in range(len(x)) for g in range(groups) for c in range(p.columns)]
        levels = [{"": pack(weights.codes[c, g * GROUP : (g + 1) * GROUP], 4)} for g, c in order]
        scales = [{"": int(weights.scales.view(np.uint16)[c, g])} for g, c in order]

        async def collect(ctx) -> None:
            ctx.set(d.group_planes, planes)
            for _ in range(len(x) * p.columns):
                await self._stall(ctx)
                ctx.set(d.results.ready, 1)
                (payload,) = await ctx.tick().sample(d.results.payload).until(d.results.valid)
                ctx.set(d.results.ready, 0)
                self.results.append((payload.value, payload.column if p.column_bits else 0))
            self.flag = ctx.get(d.nonfinite)

        simulator = Simulator(d)
        simulator.add_clock(1e-6)
        for stream, items in ((d.activations, activations), (d.levels, levels), (d.scales, scales)):
            simulator.add_testbench(self._sender(stream, items))
        simulator.add_testbench(collect)
        simulator.run()


@pytest.mark.parametrize(
    ("p", "planes"),
    [
        (parameters(), 6),
        (parameters(), 2),
        (parameters(shared=False), 4),
        (parameters(published=True, shared=False), 6),
        (parameters(published=True), 3),
        (parameters(columns=1), 5),
    ],
    ids=lambda value: value.name if isinstance(value, DatapathParameters) else str(value),
)
def test_rows_equal_the_golden_product(p: DatapathParameters, planes: int) -> None:
    rng = np.random.default_rng(planes)
    x, weights = random_case(rng, p.columns, groups=3, rows=3)
    run = Run(p, seed=planes)
    run.run(x, weights, planes)
    expected = gemm(x, weights, codec(p, planes))
    assert [column for _, column in run.results] == list(range(p.columns)) * len(x)
    received = np.array([value for value, _ in run.results], dtype=np.uint32).reshape(expected.shape)
    np.testing.assert_array_equal(received, expected.view(np.uint32))
    assert not run.flag


def test_results_in_fp16() -> None:
    p = parameters(output="fp16")
    x, weights = random_case(np.random.default_rng(1), p.columns, groups=2, rows=3)
    run = Run(p, seed=1)
    run.run(x, weights, 6)
    expected, _ = round_fp16(gemm(x, weights, codec(p, 6)))
    received = np.array([value for value, _ in run.results], dtype=np.uint16).reshape(expected.shape)
    np.testing.assert_array_equal(received, expected.view(np.uint16))


def test_a_nonfinite_activation_raises_the_flag_and_counts_as_the_contract_says() -> None:
    p = parameters()
    x, weights = random_case(np.random.default_rng(2), p.columns, groups=2, rows=1)
    x[0, 3], x[0, 9] = np.inf, np.nan
    run = Run(p, seed=2)
    run.run(x, weights, 6)
    x[0, 3], x[0, 9] = 65504, 0
    expected = gemm(x, weights, codec(p, 6)).view(np.uint32).ravel()
    assert [value for value, _ in run.results] == expected.tolist()
    assert run.flag


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("compressor", {"group": 16}, "group must be equal to lanes of the element, 8, not 16"),
        ("compressor", {"max_planes": 7}, "max_planes must be equal to that of the element, 6, not 7"),
        ("compressor", {"lanes": 2}, "one lane and one plane a cycle, not 2 lanes and 1 planes"),
        (
            "accumulator",
            {"sum_bits": 20},
            "sum_bits of the element must be equal to the accumulator's, 20, not 13",
        ),
        ("pe", {"products": "pairs"}, "a datapath has one row: products must be lanes, not pairs"),
        ("accumulator", {"slots": 2}, "1 slot or one for each of the 3 columns, not 2"),
    ],
)
def test_parts_that_do_not_fit(part: str, change: dict, message: str) -> None:
    p = parameters()
    with pytest.raises(ValueError, match=message):
        replace(p, **{part: replace(getattr(p, part), **change)})
