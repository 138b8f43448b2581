"""Bench of the accelerator: products through its bus, bit for bit, and a host that does everything wrong.

Parameters: `build`, the sizes of the build; `sharing`, `level_bits`, `format`, `encoding`, `rounding`;
and `chains`, how many random chains each stall pattern gets.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from golden.fp16 import sanitize
from hdl.accelerator_registers import EVENTS
from hdl.axi_lite import OKAY, SLVERR
from hdl.engine_parameters import STEPS
from sim.bench import coverage
from sim.benches.accelerator_host import (
    BUILD,
    CODES,
    DRIVER,
    LANES,
    MOST,
    SEVERAL_BEATS,
    WORDS,
    AcceleratorBench,
    P,
)
from sim.driver import Kept, Write
from sim.steps import Steps
from sim.stream import STALLS

#: After so many milliseconds, each 100,000 cycles, a design is taken to hang.
LIMIT = P["chains"]


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def constants_and_first_values(dut: Any) -> None:
    """What can be read behind a reset: the build, zeros, and nothing beside the map."""
    bench = await AcceleratorBench.create(dut)
    for register in DRIVER.registers.registers:
        wanted = sum((field.reset or 0) << field.low for field in register.fields)
        assert await bench.read(register.name) == wanted, register.name
    for address in range(DRIVER.registers.registers[-1].offset + 4, DRIVER.registers.bytes, 4):
        assert await bench.bus.read(address) == (0, SLVERR), f"there is no register at {address:#x}"
        assert await bench.bus.write(address, 0) == SLVERR
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def registers_keep_what_is_written(dut: Any) -> None:
    """Every writable register under stalls: whole words, single bytes, reserved bits, read-only ones."""
    bench = await AcceleratorBench.create(dut)
    r = bench.random
    kept = {register.name: 0 for register in DRIVER.registers.registers if register.fields[0].access == "rw"}
    for pattern in 3 * STALLS:
        bench.bus.stall(pattern)
        for name in r.sample(list(kept), len(kept)):
            register = DRIVER.registers[name]
            word, strobes = r.getrandbits(32), r.choice((0b1111, 0b0001, 0b0010, 0b1100, 0b0110))
            mask = sum(0xFF << (8 * byte) for byte in range(4) if strobes >> byte & 1)
            if r.random() < 0.85:
                word &= register.writable
            fits = not word & mask & ~register.writable
            assert await bench.bus.write(register.offset, word, strobes) == (OKAY if fits else SLVERR)
            if fits:
                kept[name] = kept[name] & ~mask | word & mask
            for other in (name, r.choice(list(kept))):
                assert await bench.read(other) == kept[other], f"{other} after a write of {name}"
        # Several at once: the manager sends the next address before it has the answer to the last one.
        names = r.sample(list(kept), 4)
        kept |= {name: r.getrandbits(32) & DRIVER.registers[name].writable for name in names}
        writing = [
            cocotb.start_soon(bench.write([(DRIVER.registers[name].offset, kept[name])])) for name in names
        ]
        for each in writing:
            await each
        reading = {name: cocotb.start_soon(bench.read(name)) for name in kept}
        for name, task in reading.items():
            assert await task == kept[name], f"{name}, read among others"
        identifier = await bench.read("id")
        assert await bench.bus.write(DRIVER.registers["id"].offset, r.getrandbits(32)) == OKAY
        assert await bench.read("id") == identifier
    assert not any((await bench.status()).values()), "no register should have begun anything"
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def chains_of_every_plane_count(dut: Any) -> None:
    """Products of every number of planes, alone and chained, with tails on every side."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    for planes in range(2, MOST + 1):
        for sizes in ([LANES, BUILD.columns], [LANES + 1, LANES - 1, 2]):
            n, all_planes = BUILD.rows + planes % 2, [planes] * (len(sizes) - 1)
            if bench.fits(n, sizes, all_planes):
                await bench.chain(n, sizes, all_planes, "every plane count")
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def random_chains_and_stalls(dut: Any) -> None:
    """Random chains, every channel of the bus stalled at random."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    for pattern in STALLS:
        bench.bus.stall(pattern)
        coverage.hit({"accelerator: stalls": pattern})
        for _ in range(P["chains"]):
            await bench.random_chain(f"stalls {pattern}")
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def gated_layers_and_stalls(dut: Any) -> None:
    """Feed-forward layers of three products, whose inner tensor goes through SiLU and gates and stays."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    n, sizes = BUILD.rows + 1, (LANES + 1, LANES - 1, BUILD.columns + 1)
    for pattern in STALLS if BUILD.silu else ():
        bench.bus.stall(pattern)
        planes = bench.random.randint(2, MOST), bench.random.randint(2, MOST)
        if bench.fits(n, [*sizes[:2], sizes[2]], list(planes)):
            await bench.gated_layer(n, *sizes, planes)
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def scales_and_gates_out_of_step(dut: Any) -> None:
    """Scales that are cut or come when their memory is full, and gates whose packet ends too early."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    one = np.ones(BUILD.columns, dtype=np.float16)
    if WORDS:
        await bench.write(DRIVER.place_scales(WORDS - 1))
        await bench.bus.weights.send(DRIVER.scales(np.tile(one, 2), np.tile(one, 2)))
        await bench.bus.weights.wait()
        assert await bench.read("scale_next") == WORDS
        bench.expected["weights_beyond"] = True
        await bench.events("scales beyond their memory")
        await bench.write(DRIVER.place_scales(0))
        word = DRIVER.scales(one, one)
        if len(word) > BUILD.weights_bytes:
            await bench.bus.weights.send(word[: BUILD.weights_bytes])
            bench.expected["weights_last"] = True
        await bench.bus.weights.send(word)
        await bench.bus.weights.wait()
        assert await bench.read("scale_next") == 1
        await bench.events("a word of scales was cut")
    if BUILD.silu:
        n, k, c = 2, 1, 1
        x, weights = bench.random_activations(n, k), bench.random_weights(c, k)
        await bench.load(x, 2)
        await bench.send_weights(weights, 0)
        packet = DRIVER.gates(np.ones((n, c), dtype=np.float16))
        for place in range(0, len(packet), BUILD.results_bytes):
            await bench.bus.gates.send(packet[place : place + BUILD.results_bytes])
        await bench.write(DRIVER.product(n, k, c, planes=2, steps=Steps(gated=True)))
        await bench.finished()
        bench.expected["gates_last"] = True
        await bench.compare(bench.golden(sanitize(x)[0], weights, 2), "gates in two packets")
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def events_and_interrupts(dut: Any) -> None:
    """Every event is noted, interrupts when it may, and is forgotten by a one."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    n, k, c, planes = 1, LANES + 1, 1, MOST
    large = np.full((c, 2), 65504, dtype=np.float16)
    weights = bench.random_weights(c, k, large)
    while not weights.values.levels.sum():
        weights = bench.random_weights(c, k, large)
    x = np.full((n, k), np.inf, dtype=np.float16)
    # A packet that ends too early.
    raw, beat = DRIVER.activations(x), BUILD.activations_bytes
    await bench.bus.activations.send(raw[:beat])
    await bench.bus.activations.send(raw[beat:])
    await bench.write(DRIVER.load(n, k, planes=planes))
    await bench.finished()
    await bench.send_weights(weights, 0)
    await bench.write(DRIVER.place_weights(BUILD.weight_words))
    await bench.bus.weights.send(bench.random_weights(1, 1).stream)
    await bench.bus.weights.wait()
    assert await bench.read("weight_next") == BUILD.weight_words
    if SEVERAL_BEATS:
        await bench.write(DRIVER.place_weights(1))
        await bench.bus.weights.send(bytes(BUILD.weights_bytes))
        await bench.bus.weights.wait()
        assert await bench.read("weight_next") == 1
        bench.expected["weights_last"] = True
    await bench.write([DRIVER.write("interrupt_enable")])
    await bench.write(DRIVER.product(n, k, c, planes=planes))
    y = bench.golden(sanitize(x)[0], weights, planes)
    await bench.bus.results.wait()
    bench.expected |= {"nonfinite": True, "activations_last": True, "weights_beyond": True, "done": True}
    assert bench.expected["overflow"]
    while (await bench.status())["busy"]:
        pass
    for event, wanted in bench.expected.items():
        await bench.write([DRIVER.write("interrupt_enable", **{event: 1})])
        await bench.step_edges(2)
        assert int(dut.irq.value) == wanted, f"the interrupt of {event} should be {wanted}"
        if wanted:
            await bench.write([DRIVER.write("status", **{event: 1})])
            await bench.step_edges(3)
            assert not int(dut.irq.value), f"the interrupt of {event} should be gone"
            assert not (await bench.status())[event]
            bench.expected[event] = False
            coverage.hit({"accelerator: event": event})
    await bench.compare(y, "every event")
    await bench.finish()


def wrong_jobs(n: int, k: int, c: int, planes: int) -> list[tuple[str, list[Write]]]:
    """Jobs to be refused, each with the reason, around one that would be taken."""
    words, groups = DRIVER.plane_words(n, k, planes), DRIVER.group_words(n, k)
    out_words, out_groups = DRIVER.plane_words(n, c, planes), DRIVER.group_words(n, c)
    free = {"base": words, "exponent_base": groups, "planes": planes}
    far = (1 << 24) - 1
    jobs: list[tuple[str, list[Write]]] = []

    def load(reason: str, size: tuple[int, int] = (n, k), p: int = planes, **places: int) -> None:
        jobs.append((reason, DRIVER.load(*size, planes=p, **places)))

    def product(
        reason: str,
        size: tuple[int, int, int] = (n, k, c),
        p: int = planes,
        keep: dict[str, int] | None = None,
        **places: Any,
    ) -> None:
        kept = None if keep is None else Kept(**free | keep)
        jobs.append((reason, DRIVER.product(*size, planes=p, keep=kept, **places)))

    for size in ((0, k, c), (n, 0, c), (n, k, 0), (0, 0, 0)):
        product("shape", size)
        if 0 in size[:2]:
            load("shape", size[:2])
    for p in (0, 1, MOST + 1, 31):
        load("planes", p=p)
        product("planes", p=p)
        product("planes", keep={"planes": p})
    jobs += _wrong_steps(n, k, c, planes)
    for base in (BUILD.plane_words - words + 1, far):
        load("activations", base=base)
        product("activations", base=base)
    for base in (BUILD.plane_groups - groups + 1, far):
        load("activations", exponent_base=base)
        product("activations", exponent_base=base)
    load("activations", (65535, 65535))
    product("activations", (65535, k, c))
    for base in (BUILD.weight_words - DRIVER.weight_words(k, c) + 1, far):
        product("weights", weight_base=base)
    product("weights", (n, k, 65535))
    for base in (BUILD.plane_words - out_words + 1, far):
        product("results", keep={"base": base})
    for base in (BUILD.plane_groups - out_groups + 1, far):
        product("results", keep={"exponent_base": base})
    product("overlap", keep={"base": words - 1})
    product("overlap", keep={"exponent_base": groups - 1})
    product("overlap", base=out_words - 1, exponent_base=out_groups, keep={"base": 0, "exponent_base": 0})
    jobs.append(("both", [DRIVER.write("control", start_load=1, start_product=1)]))
    return jobs


def _wrong_steps(n: int, k: int, c: int, planes: int) -> list[tuple[str, list[Write]]]:
    """Products with steps that the build does not have, two activations, or scales that do not fit."""
    *before, start = DRIVER.product(n, k, c, planes=planes)
    missing = STEPS if not WORDS else () if BUILD.silu else ("silu", "gated")
    wrong = [{step: 1} for step in missing] + [{"relu": 1, "silu": 1}]
    jobs = [("elementwise", [*before, DRIVER.write("elementwise", **steps), start]) for steps in wrong]
    if WORDS:
        for base in (WORDS - DRIVER.scale_words(c) + 1, (1 << 24) - 1):
            job = DRIVER.product(n, k, c, planes=planes, steps=Steps(scale_base=base))
            jobs.append(("scales", job))
        widest = DRIVER.product(n, k, 65535, planes=planes, steps=Steps(scale_base=0))
        jobs.append(("scales", widest))
    return jobs


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def refused_jobs_change_nothing(dut: Any) -> None:
    """Every refusal has its reason, and what was stored before gives the same results after."""
    bench = await AcceleratorBench.create(dut)
    await bench.setup()
    bench.bus.stall("rarely")
    codes = {name: value for name, value, _ in CODES}
    n, k, c, planes = BUILD.rows, LANES + 1, BUILD.columns, 3
    x, weights = bench.random_activations(n, k), bench.random_weights(c, k)
    await bench.load(x, planes)
    await bench.send_weights(weights, 0)
    y = bench.golden(sanitize(x)[0], weights, planes)
    for reason, job in wrong_jobs(n, k, c, planes):
        await bench.write(job)
        await bench.wait_for(dut.irq, 200)
        status = await bench.status()
        assert (status["refused"], status["done"], status["busy"]) == (1, 0, 0), (reason, status)
        assert await bench.read("error") == codes[reason], f"{job} should be refused for {reason}"
        await bench.write([DRIVER.write("status", refused=1)])
        coverage.hit({"accelerator: refusal": reason, "accelerator: event": "refused"})
    # While the results of a product wait, others are refused, and registers may change.
    bench.bus.results.pause = True
    bench.bus.results.clear_pause_generator()
    await bench.write(DRIVER.product(n, k, c, planes=planes))
    for job in (DRIVER.product(n, k, 1, planes=2), DRIVER.load(1, 1, planes=2), DRIVER.load(0, 0, planes=0)):
        await bench.write(job)
        await bench.wait_for(dut.irq, 200)
        status = await bench.status()
        assert (status["refused"], status["done"], status["busy"]) == (1, 0, 1), status
        assert await bench.read("error") == codes["busy"]
        await bench.write([DRIVER.write("status", refused=1)])
        coverage.hit({"accelerator: refusal": "busy"})
    bench.bus.results.pause = False
    await bench.finished()
    await bench.compare(y, "after refused jobs")
    await bench.finish()


@cocotb.test(timeout_time=LIMIT, timeout_unit="ms")
async def reset_at_any_time(dut: Any) -> None:
    """A reset of the whole, or a command, in the middle of anything leaves nothing of it behind."""
    bench = await AcceleratorBench.create(dut)
    for number, cycles in enumerate(range(5, 500, 83 if P["chains"] == 1 else 13)):
        kind = ("hard", "soft")[number % 2]
        await bench.setup()
        task = cocotb.start_soon(bench.random_chain("to be reset"))
        await bench.step_edges(cycles)
        task.cancel()
        bench.outputs[0].watching = False
        if kind == "hard":
            await bench.reset()
            bench.bus.results.clear()
        else:
            await bench.write([DRIVER.write("control", reset=1)])
            bench.bus.forget()
            await bench.step_edges(2)
        bench.outputs[0].watching = True
        coverage.hit({"accelerator: reset": kind})
        assert not any((await bench.status()).values()), f"something is left behind a {kind} reset"
        bench.expected = dict.fromkeys(EVENTS, False)
        await bench.setup()
        await bench.random_chain(f"after a {kind} reset behind cycle {cycles}")
    await bench.finish()
