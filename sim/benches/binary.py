"""Bench of the binary element and of a column of them: every sum is the golden one (contract, section 8).

Parameters: the fields of `BinaryParameters` as JSON, `rows` (0 for an element that stands alone), `flags`,
`sum_bits`, `latency`, and `sums`, how many random sums each pair of stall patterns gets. With a `certified`
range (its two ends) weights are those that cannot leave it.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_order import Rate, blocks, steps
from golden.binary_product import packed_product
from golden.interval import Interval
from sim.bench import Bench, coverage, pack_lanes, parameters
from sim.stream import STALLS, Sink, Source

Integers = NDArray[np.int64]

P = parameters()
LANES, FLAGS = P["lanes"], P["flags"]
ROWS = P["rows"] or 1
KIND = "binary column" if P["rows"] else "binary"
RATE = Rate(
    P["activation_planes_per_cycle"],
    P["weight_planes_per_cycle"],
    P["activation_planes"],
    P["weight_planes"],
)
GROUPS = P["terms"] // LANES
CERTIFIED = Interval(*P["certified"]) if P["certified"] else None
PATH = f"{RATE.activation_planes_per_cycle} by {RATE.weight_planes_per_cycle} planes a cycle"


def formats(side: str) -> list[BinaryFormat]:
    """All that this element takes on one side, narrow ones first."""
    signs = {"unsigned": [False], "signed": [True], "either": [False, True]}[P[f"{side}s"]]
    most = P[f"{side}_planes"]
    return [BinaryFormat(bits, signed) for bits in range(1, most + 1) for signed in signs]


ACTIVATIONS, WEIGHTS = formats("activation"), formats("weight")


def declare_coverage() -> None:
    """The points of this component; bins that a configuration cannot reach are not declared for it."""
    coverage.point(f"{KIND}: activations", [str(form) for form in ACTIVATIONS])
    coverage.point(f"{KIND}: weights", [str(form) for form in WEIGHTS])
    reached = [x.range * w.range for x in ACTIVATIONS for w in WEIGHTS]
    kinds = {
        "negative": any(interval.min < 0 for interval in reached),
        "zero": True,
        "positive": any(interval.max > 0 for interval in reached),
    }
    coverage.point(f"{KIND}: sum", [kind for kind, can_be in kinds.items() if can_be])
    coverage.point(f"{KIND}: source stalls", STALLS)
    coverage.point(f"{KIND}: sink stalls", STALLS)
    coverage.cross(f"{KIND}: source & sink stalls", (f"{KIND}: source stalls", f"{KIND}: sink stalls"))
    coverage.point(f"{KIND}: reset", ["before the last beat", "while a result waits"])
    coverage.point(f"{KIND}: planes a cycle", [PATH])


class BinaryBench(Bench):
    """The element, with a stream of beats and one of its results."""

    def __init__(self, dut: Any):
        super().__init__(dut)
        declare_coverage()
        self.beats = Source(self, "beats", ("activations", "weights", "first", *FLAGS, "last"))
        self.result = Sink(self, "results" if P["rows"] else "result")
        coverage.hit({f"{KIND}: planes a cycle": PATH})

    def stall(self, source: str, sink: str) -> None:
        """Choose the patterns of both streams."""
        self.beats.stall(source)
        self.result.stall(sink)
        coverage.hit({f"{KIND}: source stalls": source, f"{KIND}: sink stalls": sink})

    def send(self, x: BinaryOperand, w: BinaryOperand, note: str = "") -> int:
        """Queue one sum: activations [rows, K] by weights [1, K], K a multiple of the lanes.

        Returns
        -------
        int
            Beats that it takes.
        """
        totals = packed_product(x, w)
        self.result.expect(
            [(pack_lanes(totals.reshape(1, -1), P["sum_bits"])[0],)],
            note=f"{x.format} by {w.format}, {x.length} elements, {note}, sums {totals[:, 0].tolist()}",
        )
        items = list(beats_of(x, w))
        self.beats.send(items)
        coverage.hit({f"{KIND}: activations": str(x.format), f"{KIND}: weights": str(w.format)})
        total = int(totals[0, 0])
        coverage.hit({f"{KIND}: sum": "zero" if total == 0 else "negative" if total < 0 else "positive"})
        return len(items)

    def random_operand(self, form: BinaryFormat, rows: int, length: int) -> BinaryOperand:
        """Codes: uniform, or mostly zero, or of few values, at random."""
        shape = (rows, length)
        codes: Integers = self.numpy.integers(form.range.min, form.range.max, shape, endpoint=True)
        style = self.random.randrange(3)
        if style == 1:
            codes = np.where(self.numpy.random(shape) < 0.8, 0, codes)
        elif style == 2:
            codes = self.numpy.choice([form.range.min, form.range.max, 0], shape)
        return BinaryOperand(codes, form)

    def random_sum(self, x: BinaryFormat, w: BinaryFormat, groups: int = 0, note: str = "") -> int:
        """Queue a sum of random codes; of so many groups of lanes, or of up to as many as there may be."""
        length = (groups or self.random.randint(1, GROUPS)) * LANES
        weights = within_certificate(self.random_operand(w, 1, length))
        return self.send(self.random_operand(x, ROWS, length), weights, note)


def beats_of(x: BinaryOperand, w: BinaryOperand) -> list[tuple[int, ...]]:
    """The items of the stream of beats for one sum."""
    of_x = _lane_words(x, RATE.activation_planes_per_cycle)
    of_w = _lane_words(w, RATE.weight_planes_per_cycle)
    order = steps(x.format, w.format, RATE)
    groups = len(of_x[0])
    items: list[tuple[int, ...]] = []
    for step in order:
        for group in range(groups if step.adds else 1):
            flags = {
                "shift": step.shifts and group == 0,
                "activations_negative": step.activations_negative,
                "weights_negative": step.weights_negative,
            }
            words = of_x[step.activations][group] if step.adds else 0, of_w[step.weights][group]
            last = step is order[-1] and group == groups - 1
            items.append((*words, not items, *(flags[name] for name in FLAGS), last))
    return items


def _lane_words(operand: BinaryOperand, rate: int) -> list[list[int]]:
    """For each block and group the planes of all rows in one integer: row 0 lowest, in it plane 0 lowest."""
    planes = blocks(operand.words, rate, operand.format.signed)  # [blocks, rate, rows, words]
    bits = np.unpackbits(np.ascontiguousarray(planes).view(np.uint8), axis=-1, bitorder="little")
    bits = bits[..., : operand.length].reshape(*planes.shape[:3], -1, LANES)
    ordered = np.moveaxis(bits, (0, 3, 2, 1, 4), (0, 1, 2, 3, 4))  # [blocks, groups, rows, rate, lanes]
    return [pack_lanes(block.reshape(len(block), -1), 1) for block in ordered]


def within_certificate(w: BinaryOperand) -> BinaryOperand:
    """Weights with zeros from the first element on that could leave the certified range."""
    if CERTIFIED is None:
        return w
    ends = np.array([(f.range.min, f.range.max) for f in ACTIVATIONS])
    products = w.codes.astype(np.int64)[..., None] * np.array([ends.min(), ends.max()])
    lowest = np.minimum(products.min(axis=-1), 0).cumsum(axis=-1)
    highest = np.maximum(products.max(axis=-1), 0).cumsum(axis=-1)
    outside = (lowest < CERTIFIED.min) | (highest > CERTIFIED.max)
    return BinaryOperand(np.where(outside, 0, w.codes), w.format)


def corners(form: BinaryFormat) -> list[tuple[str, Integers]]:
    """Rows of the longest sum that are likely to be wrong."""
    low, high = form.range.min, form.range.max
    length = GROUPS * LANES
    last = np.arange(length) == length - 1
    even = np.arange(length) % 2 == 0
    return [
        ("lowest", np.full(length, low)),
        ("highest", np.full(length, high)),
        ("alternating", np.where(even, low, high)),
        ("the last alone", np.where(last, low or high, 0)),
        ("zero", np.zeros(length, dtype=np.int64)),
    ]


@cocotb.test()
async def directed_corners(dut: Any) -> None:
    """Every pair of extreme rows, for the widest codes of either sign, in sums as long as they may be."""
    bench = BinaryBench(dut)
    await bench.reset()
    for x_form in ACTIVATIONS[-2:]:
        for w_form in WEIGHTS[-2:]:
            vectors = corners(x_form)
            for i, (name, _) in enumerate(vectors):
                rows = np.stack([vectors[(i + row) % len(vectors)][1] for row in range(ROWS)])
                for w_name, weights in corners(w_form):
                    w = within_certificate(BinaryOperand(weights[None], w_form))
                    bench.send(BinaryOperand(rows, x_form), w, f"activations {name}, weights {w_name}")
    await bench.run()


@cocotb.test()
async def every_pair_of_formats(dut: Any) -> None:
    """All widths of both sides, signed and unsigned, back to back."""
    bench = BinaryBench(dut)
    await bench.reset()
    for x in ACTIVATIONS:
        for w in WEIGHTS:
            bench.random_sum(x, w, min(2, GROUPS))
    await bench.run()


@cocotb.test()
async def random_sums_and_stalls(dut: Any) -> None:
    """Random sums of random formats follow each other under every pair of stall patterns."""
    bench = BinaryBench(dut)
    await bench.reset()
    for source in STALLS:
        for sink in STALLS:
            bench.stall(source, sink)
            for _ in range(P["sums"]):
                pair = bench.random.choice(ACTIVATIONS), bench.random.choice(WEIGHTS)
                bench.random_sum(*pair, note=f"stalls {source}/{sink}")
            await bench.run(patience=1000)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """Without stalls a sum takes its beats and not a cycle more, and the result comes on time."""
    bench = BinaryBench(dut)
    await bench.reset()
    beats = sum(bench.random_sum(x, w) for x, w in zip(ACTIVATIONS, reversed(WEIGHTS), strict=False))
    await bench.transfer(bench.beats)
    begin = bench.cycle - 1  # what an edge takes was on its way in the cycle before it
    await bench.until(lambda: bench.result.done, patience=beats + 10)
    assert bench.cycle - begin == beats + P["latency"], (
        f"{beats} beats took {bench.cycle - begin} cycles with a latency of {P['latency']}"
    )
    await bench.run()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset in a beat of a sum, or while its result waits, leaves nothing behind."""
    bench = BinaryBench(dut)
    await bench.reset()
    x, w = ACTIVATIONS[-1], WEIGHTS[-1]
    for taken in range(1, 7):
        bench.stall("never", "late")
        beats = bench.random_sum(x, w, min(2, GROUPS))
        await bench.transfer(bench.beats, min(taken, beats))
        waits = bench.beats.done
        coverage.hit({f"{KIND}: reset": "while a result waits" if waits else "before the last beat"})
        await bench.reset()
        bench.stall("never", "never")
        for _ in range(2):
            bench.random_sum(x, w, 1, f"after a reset behind beat {taken}")
        await bench.run()
    bench.stall("never", "late")
    bench.random_sum(x, w, min(2, GROUPS))
    await bench.until(lambda: bench.beats.done)
    coverage.hit({f"{KIND}: reset": "while a result waits"})
    await bench.reset()
    bench.random_sum(x, w, 1, "after a reset with a result waiting")
    await bench.run()
