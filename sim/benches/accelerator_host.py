"""The host of an accelerator in a bench: data at random, jobs, what should come of them, and what comes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import cocotb.task
import numpy as np
from numpy.typing import NDArray

from golden import formats
from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.elementwise import ACTIVATIONS, Activation, elementwise
from golden.fp16 import sanitize
from golden.gemm import gemm
from golden.interval import Interval
from golden.weights import IntegerWeights
from hdl.accelerator_registers import EVENTS, Build
from hdl.array import ArrayParameters
from hdl.axi_lite import OKAY
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from hdl.pipelined_array import PipelinedArrayParameters
from sim.bench import Bench, coverage, parameters
from sim.benches.accelerator_agents import BusAgents, StableOutputs
from sim.cycles import Product, product_cycles
from sim.driver import Driver, Kept, Write
from sim.steps import Steps
from sim.stream import STALLS

P = parameters()
BUILD = Build(**P["build"])
DRIVER = Driver(BUILD)
LANES, MOST, BITS = BUILD.lanes, BUILD.max_planes, P["level_bits"]
FORMAT = formats.get(P["format"]) if P["format"] else None
REASONS = ("planes", "weights", "sums", "results")
TILES = {"N": BUILD.rows, "K": LANES, "C": BUILD.columns}
CODES = DRIVER.registers["error"].fields[0].values
ENGINE = EngineParameters(
    array=(PipelinedArrayParameters if P["pipelined_array"] else ArrayParameters)(
        pe=PeParameters(lanes=LANES, level_bits=BITS, max_planes=MOST, encoding=P["encoding"]),
        rows=BUILD.rows,
        columns=BUILD.columns,
        sharing=P["sharing"],
        columns_per_load=BUILD.columns_per_load,
    ),
    elementwise_words=BUILD.elementwise_words,
    silu=BUILD.silu,
    pipelined=P["pipelined"],
)
SEVERAL_BEATS = BUILD.weight_word_bits > 8 * BUILD.weights_bytes
WORDS = BUILD.elementwise_words
CHOICES: tuple[Activation, ...] = ACTIVATIONS if BUILD.silu else ("none", "relu")
__all__ = [
    "BITS",
    "BUILD",
    "CHOICES",
    "CODES",
    "DRIVER",
    "LANES",
    "MOST",
    "SEVERAL_BEATS",
    "WORDS",
    "AcceleratorBench",
    "P",
    "Stored",
]

Half = NDArray[np.float16]

_OUTPUTS = {
    "m_axis_results": ("tvalid", "tready", ("tdata", "tlast")),
    "s_axil": ("bvalid", "bready", ("bresp",)),
    "s_axil_read": ("rvalid", "rready", ("rdata", "rresp")),
}


def declare_coverage() -> None:
    """The points of this component."""
    coverage.point("accelerator: planes", range(2, MOST + 1))
    coverage.point("accelerator: products in a chain", [1, 2, 3])
    for axis, tile in TILES.items():
        coverage.point(f"accelerator: tail of {axis}", [False, True] if tile > 1 else [False])
    coverage.point("accelerator: stalls", STALLS)
    rare = {"weights_last": SEVERAL_BEATS, "gates_last": BUILD.silu}
    coverage.point("accelerator: event", [event for event in EVENTS if rare.get(event, True)])
    reasons = [name for name, _, _ in CODES[1:]]
    coverage.point("accelerator: refusal", [name for name in reasons if name != "scales" or WORDS])
    coverage.point("accelerator: reset", ["hard", "soft"])
    if WORDS:
        for end in ("leaves", "stays"):
            coverage.point(f"accelerator: activation of what {end}", set(CHOICES))
            coverage.point(f"accelerator: what {end} is scaled", [False, True])
            coverage.point(f"accelerator: what {end} is gated", {False, BUILD.silu})


@dataclass(frozen=True)
class Stored:
    """Weights as they are stored, and what they are: codes and levels [C, K], zeros [C, groups]."""

    codes: NDArray[Any]
    zeros: NDArray[Any] | None
    values: IntegerWeights

    @property
    def stream(self) -> bytes:
        """What the stream brings."""
        bits = FORMAT.code_bits if FORMAT else BITS
        return DRIVER.weights(self.codes, self.values.scales, bits=bits, zeros=self.zeros)


class AcceleratorBench(Bench):
    """The accelerator, a host on its registers, and partners of its streams."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.bus = BusAgents(self)
        self.outputs = []
        for name, (valid, ready, payload) in _OUTPUTS.items():
            stem = name.removesuffix("_read")
            ports = tuple(f"{stem}_{port}" for port in payload)
            self.outputs.append(StableOutputs(self, f"{stem}_{valid}", f"{stem}_{ready}", ports))
        self.expected = dict.fromkeys(EVENTS, False)
        self._next_scale = 0
        self._watching: cocotb.task.Task[None] | None = None

    @classmethod
    async def create(cls, dut: Any) -> AcceleratorBench:
        """A bench behind its first reset, its rules being watched."""
        bench = cls(dut)
        await bench.reset()
        bench._watching = cocotb.start_soon(bench.step(1 << 40))
        return bench

    async def finish(self) -> None:
        """See that nothing more comes."""
        if self._watching is not None:
            self._watching.cancel()
        await self.run()
        assert self.bus.results.empty(), "results came that nobody asked for"

    async def step_edges(self, cycles: int) -> None:
        """Let some cycles pass."""
        for _ in range(cycles):
            await self._edge

    async def read(self, name: str) -> int:
        """A register that is there."""
        word, answer = await self.bus.read(DRIVER.registers[name].offset)
        assert answer == OKAY, f"reading {name} was answered with {answer}"
        return word

    async def write(self, writes: list[Write]) -> None:
        """Registers that are there."""
        for address, word in writes:
            answer = await self.bus.write(address, word)
            assert answer == OKAY, f"writing {word:#x} to {address:#x} was answered with {answer}"

    async def status(self) -> dict[str, int]:
        """The fields of the status."""
        return DRIVER.registers.decode("status", await self.read("status"))

    async def finished(self, patience: int = 3000) -> None:
        """Wait for the interrupt, and see that it tells of the end of a job."""
        await self.wait_for(self.dut.irq, patience)
        status = await self.status()
        assert status["done"], f"the interrupt came with {status}"
        assert not status["refused"], f"the job was refused: error {await self.read('error')}"
        assert not status["busy"], "a job is done and still busy"
        coverage.hit({"accelerator: event": "done"})
        await self.write([DRIVER.write("status", done=1)])
        await self.until_low(self.dut.irq)

    async def wait_for(self, signal: Any, patience: int) -> None:
        """Wait until a signal is high."""
        for _ in range(patience):
            await self._edge
            if int(signal.value):
                return
        raise AssertionError(f"{signal._name} stayed low for {patience} cycles; status {await self.status()}")

    async def until_low(self, signal: Any) -> None:
        """See a signal fall in a few cycles."""
        await self.step_edges(4)
        assert not int(signal.value), f"{signal._name} should have fallen"

    async def setup(self) -> None:
        """What a program does once: interrupts at the end of jobs."""
        await self.write([DRIVER.write("interrupt_enable", done=1, refused=1)])

    def random_activations(self, n: int, k: int) -> Half:
        """Values of random size; rarely one that is not finite."""
        r = self.numpy
        x = (r.standard_normal((n, k)) * 2.0 ** r.integers(-4, 8)).astype(np.float16)
        if self.random.random() < 0.1:
            x[r.integers(n), r.integers(k)] = r.choice([np.inf, -np.inf, np.nan])
        return x

    def random_weights(self, c: int, k: int, scales: Half | None = None) -> Stored:
        """Levels or codes [C, K] of any value, with a scale for each group."""
        r = self.numpy
        groups = -(-k // LANES)
        if scales is None:
            scales = (r.standard_normal((c, groups)) * 2.0 ** r.integers(-6, 1)).astype(np.float16)
        zeros = None
        if FORMAT is None:
            every = Interval.of_bits(BITS, signed=True)
            codes = levels = r.integers(every.min, every.max, (c, k), endpoint=True)
        elif FORMAT.scaling == "zero-point" or FORMAT.integer_levels is None:
            codes = r.integers(0, len(FORMAT.values), (c, k))
            zeros = r.integers(0, len(FORMAT.values), (c, groups))
            levels = codes - np.repeat(zeros, LANES, axis=1)[:, :k]
        else:
            known = [code for code, level in enumerate(FORMAT.integer_levels) if level is not None]
            codes = r.choice(known, (c, k))
            levels = np.array([level or 0 for level in FORMAT.integer_levels])[codes]
        return Stored(codes, zeros, IntegerWeights(levels.astype(np.int8), scales, LANES, BITS))

    def golden(self, x: Half, weights: Stored, planes: int) -> Half:
        """The product as it leaves, and what it does to the flags."""
        codec = AndaCodec(planes, P["encoding"], P["rounding"], LANES)
        values, overflow = round_fp16(gemm(x, weights.values, codec))
        self.expected["overflow"] |= overflow
        return values

    async def load(self, x: Half, planes: int, base: int = 0, exponent_base: int = 0) -> None:
        """Bring activations in."""
        await self.bus.activations.send(DRIVER.activations(x))
        await self.write(DRIVER.load(*x.shape, planes=planes, base=base, exponent_base=exponent_base))
        await self.finished()
        self.expected["nonfinite"] |= sanitize(x)[1]

    async def send_weights(self, weights: Stored, address: int) -> int:
        """Bring weights in, and wait until they are there; the address behind them."""
        await self.write(DRIVER.place_weights(address))
        await self.bus.weights.send(weights.stream)
        await self.bus.weights.wait()
        behind = address + DRIVER.weight_words(weights.values.length, weights.values.channels)
        assert await self.read("weight_next") == behind
        return behind

    def halves(self, *shape: int) -> Half:
        """Values around 1; rarely one that is not finite."""
        r = self.numpy
        values = (r.standard_normal(shape) * 2.0 ** r.integers(-3, 4)).astype(np.float16)
        if self.random.random() < 0.05:
            values.flat[r.integers(values.size)] = r.choice([np.inf, -np.inf, np.nan])
        return values

    async def steps(
        self, y: Half, end: str, activation: Activation | None = None, gates: bytes | None = None
    ) -> tuple[Steps | None, Half]:
        """Draw the elementwise steps, but for those given, and bring their operands; what comes of it."""
        if not WORDS:
            return None, y
        r, c = self.random, y.shape[1]
        base, scale, bias = None, np.ones(c, np.float16), np.zeros(c, np.float16)
        if self._next_scale + DRIVER.scale_words(c) <= WORDS and r.random() < 0.7:
            base, scale, bias = self._next_scale, self.halves(c), self.halves(c)
            self._next_scale += DRIVER.scale_words(c)
            await self.write(DRIVER.place_scales(base))
            await self.bus.weights.send(DRIVER.scales(scale, bias))
            await self.bus.weights.wait()
            assert await self.read("scale_next") == self._next_scale
        chosen: Activation = r.choice(CHOICES) if activation is None else activation
        operands = [sanitize(scale), sanitize(bias)]
        if BUILD.silu and (gates is not None or r.random() < 0.4):
            gates = DRIVER.gates(self.halves(*y.shape)) if gates is None else gates
            await self.bus.gates.send(gates)
            operands.append(sanitize(DRIVER.results(gates, *y.shape)))
        (scale, bias, *rest), odd = zip(*operands, strict=True)
        steps = Steps(base, chosen, bool(rest))
        y, overflow = elementwise(y, scale, bias, activation=chosen, gate=rest[0] if rest else None)
        self.expected["nonfinite"] |= any(odd)
        self.expected["overflow"] |= overflow
        coverage.hit({f"accelerator: activation of what {end}": chosen})
        for name in ("scaled", "gated"):
            coverage.hit({f"accelerator: what {end} is {name}": bool(steps.fields[name])})
        return steps, y

    async def counted(
        self, size: tuple[int, int, int], planes: int, keep: Kept | None, *, gated: bool = False
    ) -> None:
        """The counters after one product: every beat, and every cycle accounted for."""
        counts = {
            name: await self.read(name) for name in ("cycles", "beats", *(f"stall_{r}" for r in REASONS))
        }
        assert counts["beats"] == DRIVER.beats(*size, planes), counts
        checking = DRIVER.check_cycles(*size, planes, keep)
        assert counts["cycles"] == sum(counts.values()) - counts["cycles"] + checking, (counts, checking)
        if keep and not gated:
            # Nothing comes or leaves, so nothing outside has a say: every cycle is known beforehand.
            model = product_cycles(ENGINE, Product(*size, planes, keep.planes))
            known = [model.total, model.beats, model.sums, model.results]
            counted = [counts[name] for name in ("cycles", "beats", "stall_sums", "stall_results")]
            counted[0] -= checking
            assert counted == known, (counted, known, counts)

    async def product(
        self, x: Half, c: int, planes: int, place: dict[str, int], keep: Kept | None = None, **given: Any
    ) -> Half:
        """One product with its weights and elementwise steps, counters checked; what comes of it."""
        n, k = x.shape
        weights = self.random_weights(c, k)
        await self.send_weights(weights, place["weight_base"])
        y = self.golden(x, weights, planes)
        steps, y = await self.steps(y, "stays" if keep else "leaves", **given)
        await self.write([DRIVER.write("control", clear_counters=1)])
        await self.write(DRIVER.product(n, k, c, planes=planes, keep=keep, steps=steps, **place))
        await self.finished()
        await self.counted((n, k, c), planes, keep, gated=steps is not None and steps.gated)
        coverage.hit({"accelerator: planes": planes})
        for axis, size in (("N", n), ("K", k), ("C", c)):
            coverage.hit({f"accelerator: tail of {axis}": size % TILES[axis] > 0})
        return y

    async def chain(self, n: int, sizes: list[int], planes: list[int], note: str) -> None:
        """Products one after the other, `sizes` being K of the first one, then its C, and so on."""
        x = self.random_activations(n, sizes[0])
        base, exponent_base, address = 0, 0, 0
        self._next_scale = self.random.randint(0, WORDS // 2)
        await self.load(x, planes[0], base, exponent_base)
        y, _ = sanitize(x)
        for number, (k, c) in enumerate(pairwise(sizes)):
            p, keep = planes[number], None
            place = {"base": base, "exponent_base": exponent_base, "weight_base": address}
            if number < len(sizes) - 2:
                base += DRIVER.plane_words(n, k, p)
                exponent_base += DRIVER.group_words(n, k)
                keep = Kept(base, exponent_base, planes[number + 1])
            y = await self.product(y, c, p, place, keep)
            address += DRIVER.weight_words(k, c)
        await self.compare(y, f"{note}: {n} rows, {sizes}, planes {planes}")
        coverage.hit({"accelerator: products in a chain": len(sizes) - 1})

    async def gated_layer(self, n: int, k: int, hidden: int, c: int, planes: tuple[int, int]) -> None:
        """Up, gate and down of a feed-forward layer: the packet of `up` goes back as it came, as gates."""
        first, second = planes
        note = f"{n} rows, {k} to {hidden} to {c}, planes {planes}"
        self._next_scale = 0
        x = self.random_activations(n, k)
        await self.load(x, first)
        x, _ = sanitize(x)
        place = {"base": 0, "exponent_base": 0, "weight_base": 0}
        up = await self.product(x, hidden, first, place, activation="none")
        packet = await self.compare(up, f"up of {note}")
        keep = Kept(DRIVER.plane_words(n, k, first), DRIVER.group_words(n, k), second)
        inner = await self.product(x, hidden, first, place, keep, activation="silu", gates=packet)
        place = {"base": keep.base, "exponent_base": keep.exponent_base, "weight_base": 0}
        await self.compare(await self.product(inner, c, second, place), f"down of {note}")

    async def compare(self, y: Half, note: str) -> bytes:
        """The one packet that came, bit for bit, and the flags."""
        assert self.bus.results.count() == 1, f"{note}: {self.bus.results.count()} packets instead of one"
        frame = self.bus.results.recv_nowait()
        got = DRIVER.results(bytes(frame.tdata), *y.shape)
        wrong = np.argwhere(got.view(np.uint16) != y.view(np.uint16))
        assert not len(wrong), (
            f"{note}: {len(wrong)} of {y.size} results are wrong, the first one at {wrong[0]}: "
            f"{got[tuple(wrong[0])]} instead of {y[tuple(wrong[0])]}"
        )
        await self.events(note)
        return bytes(frame.tdata)

    async def events(self, note: str) -> None:
        """Whether what happened is what was expected; then forget it."""
        status = await self.status()
        for event, wanted in self.expected.items():
            assert status[event] == wanted, f"{note}: {event} should be {wanted} in {status}"
            if wanted:
                coverage.hit({"accelerator: event": event})
        await self.write([DRIVER.write("status", **dict.fromkeys(EVENTS, 1))])
        assert not any((await self.status()).values()), f"{note}: events should be forgotten"
        self.expected = dict.fromkeys(EVENTS, False)

    def fits(self, n: int, sizes: list[int], planes: list[int]) -> bool:
        """Whether a chain fits the buffers."""
        pairs = list(pairwise(sizes))
        words = sum(DRIVER.plane_words(n, k, p) for (k, _), p in zip(pairs, planes, strict=True))
        groups = sum(DRIVER.group_words(n, k) for k, _ in pairs)
        weights = sum(DRIVER.weight_words(k, c) for k, c in pairs)
        return words <= BUILD.plane_words and groups <= BUILD.plane_groups and weights <= BUILD.weight_words

    async def random_chain(self, note: str) -> None:
        """A random chain that fits the buffers."""
        r = self.random
        while True:
            n = r.randint(1, 2 * BUILD.rows + 1)
            sizes = [r.randint(1, 2 * LANES + 1) for _ in range(r.randint(2, 4))]
            planes = [r.randint(2, MOST) for _ in sizes[1:]]
            if self.fits(n, sizes, planes):
                return await self.chain(n, sizes, planes, note)
