"""Random configurations: a run of the benches tries not only random data but random hardware.

Every function draws one valid configuration; `distinct` draws until it has as many different ones as asked
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, get_args

from golden import formats
from golden.interval import Interval
from golden.multistage import POLICIES, Stage
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.array import Array, ArrayParameters
from hdl.binary import BinaryElement, BinaryParameters, Signs
from hdl.binary_array import BinaryArrayParameters
from hdl.binary_column import BinaryColumn
from hdl.binary_engine import BinaryEngine, BinaryEngineParameters
from hdl.column import PeColumn
from hdl.compressor import Compressor, CompressorParameters
from hdl.datapath import Datapath, DatapathParameters
from hdl.engine import EngineParameters
from hdl.heap import AdderCells
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement
from hdl.pipelined_array import PipelinedArrayParameters
from hdl.weights import WeightBuffer

from .units import HeapTerm, HeapUnit

__all__ = [
    "DRAWS",
    "Recipe",
    "distinct",
    "draw_accelerator",
    "draw_array",
    "draw_binary",
    "draw_binary_column",
    "draw_binary_engine",
    "draw_certified",
    "draw_column",
    "draw_compressor",
    "draw_datapath",
    "draw_heap",
    "draw_multistage",
    "draw_pe",
    "draw_weights",
]

#: A component with all its parameters, not built yet.
Recipe = partial[Any]


def draw_pe(random: Random) -> Recipe:
    """A processing element; small ones more often, because they find the same faults sooner."""
    lanes = random.choice((8, 8, 8, 16, 16, 32, 64, 128))
    exact = PeParameters(
        lanes=lanes,
        level_bits=random.randint(1, 8 if lanes < 64 else 4),
        max_planes=random.randint(2, 17),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
        planes_per_cycle=random.choice((1, 2, 4) if lanes < 128 else (1,)),
        weights=random.choice(("outside", "inside")),
        reduction=random.choice(("heap", "heap", "tree")),
        adder_cells=random.choice(list(AdderCells)),
    )
    if exact.encoding == "twos-complement" and exact.max_planes < 17 and random.random() < 0.25:
        exact = replace(exact, activations="unsigned")
    exact = _some_pairs(exact, random)
    kind = random.choice(("exact", "exact", "exact", "wider", "certified"))
    if kind == "wider":
        exact = replace(exact, accumulator_bits=exact.sum_bits + random.randint(0, 8))
    if kind == "certified":
        exact = replace(exact, certified=draw_certified(exact, random))
    return partial(ProcessingElement, exact)


def _some_pairs(parameters: PeParameters, random: Random) -> PeParameters:
    """Half of the elements that can take products of pairs do."""
    p = parameters
    able = (p.encoding, p.reduction, p.weights) == ("twos-complement", "heap", "outside")
    return replace(p, products="pairs") if able and random.random() < 0.5 else p


def draw_certified(parameters: PeParameters, random: Random) -> Interval:
    """Certified sums of an element: one lane's products at the least, all of them at the most."""
    product = parameters.activation_range * parameters.level_range
    return _certified(product, parameters.type_range, random)


def _certified(product: Interval, all_terms: Interval, random: Random) -> Interval:
    one, all_lanes = product.hull(Interval(0, 0)), all_terms.hull(Interval(0, 0))
    return Interval(random.randint(all_lanes.min, one.min), random.randint(one.max, all_lanes.max))


def draw_binary(random: Random) -> Recipe:
    """A binary element: any planes, serial, parallel or mixed; small ones more often."""
    return partial(BinaryElement, _binary(random))


def draw_binary_column(random: Random) -> Recipe:
    """A few small binary elements that share their weight words."""
    return partial(BinaryColumn, _binary(random), rows=random.randint(1, 4))


def draw_binary_engine(random: Random) -> Recipe:
    """A small binary engine, its weights as planes or packed; with or without zero points."""
    element = _binary(random)
    element = replace(element, certified=None, accumulator_bits=None)
    packed = random.random() < 0.4
    if packed:
        rate = random.choice((1, 3))
        element = replace(element, weight_planes=3, weight_planes_per_cycle=rate, weights="unsigned")
    array = BinaryArrayParameters(
        element=element,
        rows=random.randint(1, 4),
        columns=random.randint(1, 3),
        zero_bits=random.choice((0, random.randint(2, 10))),
    )
    parameters = BinaryEngineParameters(
        array=array,
        activation_words=random.randint(100, 200),
        weight_words=random.randint(150, 300),
        channel_words=random.randint(3, 9),
        row_words=random.randint(2, 5),
        packed=packed,
    )
    return partial(BinaryEngine, parameters)


def _binary(random: Random) -> BinaryParameters:
    planes = random.randint(1, 8), random.randint(1, 8)
    lanes = random.choice((1, 2, 3, 4, 8, 8, 16))
    signs = get_args(Signs)
    exact = BinaryParameters(
        lanes=lanes,
        activation_planes=planes[0],
        weight_planes=planes[1],
        activation_planes_per_cycle=random.choice((1, planes[0], random.randint(1, planes[0]))),
        weight_planes_per_cycle=random.choice((1, planes[1], random.randint(1, planes[1]))),
        activations=random.choice(signs),
        weights=random.choice(signs),
        terms=lanes * random.randint(2, 6),
        adder_cells=random.choice(list(AdderCells)),
    )
    kind = random.choice(("exact", "exact", "wider", "certified"))
    if kind == "wider":
        return replace(exact, accumulator_bits=exact.sum_bits + random.randint(0, 8))
    if kind == "certified":
        product = exact.activation_range * exact.weight_range
        return replace(exact, certified=_certified(product, exact.type_range, random))
    return exact


def draw_column(random: Random) -> Recipe:
    """A few small processing elements that share their weights."""
    parameters = PeParameters(
        lanes=random.choice((8, 16)),
        level_bits=random.randint(1, 5),
        max_planes=random.randint(2, 10),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
        planes_per_cycle=random.choice((1, 2, 4)),
        reduction=random.choice(("heap", "tree")),
    )
    return partial(PeColumn, _some_pairs(parameters, random), rows=random.randint(1, 4))


def draw_compressor(random: Random) -> Recipe:
    """A compressor; small groups and few lanes more often."""
    group = random.choice((8, 8, 8, 8, 16, 16, 16, 32, 32, 64, 128))
    parameters = CompressorParameters(
        group=group,
        lanes=random.choice((1, 1, 2, 3, 4)) if group <= 32 else 1,
        max_planes=random.randint(3, 17),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
        rounding=random.choice(("nearest", "truncate")),
        exponent_register=random.random() < 0.5,
    )
    if parameters.exponent_register:
        parameters = replace(parameters, pipelined=random.random() < 0.5)
    return partial(Compressor, parameters)


def draw_accumulator(random: Random) -> Recipe:
    """An FP32 accumulator for narrow or wide sums, one slot or several."""
    parameters = AccumulatorParameters(
        sum_bits=random.choice((random.randint(6, 40), random.randint(12, 28))),
        max_planes=random.randint(2, 17),
        slots=random.choice((1, 1, 2, 3, 4, 8)),
        output=random.choice(("fp32", "fp16")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(Accumulator, parameters)


def draw_multistage(random: Random) -> Recipe:
    """One to four stages, each safe by its count or by a certificate, or too narrow and built for it."""
    term_bits = random.randint(2, 12)
    reached = Interval.of_bits(term_bits, signed=True)
    stages: list[Stage] = []
    ranges: list[Interval | None] = []
    depth = random.choice((1, 2, 2, 2, 3, 4))
    for number in range(depth):
        outermost = number == depth - 1
        count = random.choice((1, 2, 3, 4, 5, 8)[: 4 if depth > 2 else 6])
        worst = reached.times(count).hull(Interval(0, 0))
        policy = random.choice(POLICIES)
        endless = outermost and random.random() < 0.5
        certified = None
        if policy == "safe" and (endless or random.random() < 0.3):
            certified = Interval(random.randint(worst.min, 0), random.randint(0, worst.max))
        exact = (certified or worst).hull(Interval(-1, 0)).bits
        bits = exact if policy == "safe" else max(1, exact - random.randint(0, 3))
        stages.append(Stage(bits, None if endless else count, policy))
        ranges.append(certified)
        reached = certified or (worst if policy == "safe" else Interval.of_bits(bits, signed=True))
    parameters = MultiStageParameters(
        term_bits=term_bits,
        stages=tuple(stages),
        slots=random.choice((1, 1, 2, 3, 4, 8)),
        ranges=tuple(ranges),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(MultiStageAccumulator, parameters)


def draw_datapath(random: Random) -> Recipe:
    """A small row of the datapath."""
    columns = random.choice((1, 2, 3, 4))
    pe = PeParameters(
        lanes=random.choice((8, 8, 16)),
        level_bits=random.randint(2, 5),
        max_planes=random.randint(3, 12),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
        weights=random.choice(("outside", "inside")),
        reduction=random.choice(("heap", "tree")),
    )
    parameters = DatapathParameters(
        compressor=CompressorParameters(
            group=pe.lanes,
            max_planes=pe.max_planes,
            encoding=pe.encoding,
            rounding=random.choice(("nearest", "truncate")),
        ),
        pe=pe,
        accumulator=AccumulatorParameters(
            sum_bits=pe.sum_bits,
            max_planes=pe.max_planes,
            slots=random.choice((1, columns)),
            output=random.choice(("fp32", "fp16")),
        ),
        columns=columns,
    )
    return partial(Datapath, parameters)


def draw_weights(random: Random) -> Recipe:
    """Weight registers."""
    return partial(WeightBuffer, lanes=random.choice((8, 16, 32, 64)), level_bits=random.randint(1, 8))


def draw_array(random: Random) -> Recipe:
    """A small array, with levels or with codes of some format."""
    rows, columns = random.randint(1, 6), random.randint(1, 4)
    inside = random.random() < 0.3
    form = None if inside else random.choice((None, "int4", "int4-zp", "e2m1-sp", "w2-star"))
    weights = formats.get(form) if form else None
    pe = PeParameters(
        lanes=random.choice((8, 8, 16)),
        level_bits=(weights and weights.level_bits) or random.randint(2, 5),
        max_planes=random.randint(3, 10),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
        planes_per_cycle=random.choice((1, 1, 2, 4)),
        weights="inside" if inside else "outside",
        reduction=random.choice(("heap", "tree")),
    )
    parameters = ArrayParameters(
        pe=_some_pairs(pe, random),
        rows=rows,
        columns=columns,
        sharing=random.choice([n for n in range(1, rows + 1) if rows % n == 0]),
        columns_per_load=random.choice([n for n in range(1, columns + 1) if columns % n == 0]),
        output=random.choice(("fp32", "fp16")),
        format=weights,
    )
    return partial(Array, parameters)


def draw_accelerator(random: Random) -> Recipe:
    """A small accelerator: any weights, steps and beats, any shape of the array that is a power of two."""
    lanes = random.choice((8, 8, 16))
    rows, columns = random.choice((1, 2, 4)), random.choice((1, 2, 4, 8))
    form = random.choice((None, "int4", "int4-zp", "e2m1-sp", "w2-star"))
    weights = formats.get(form) if form else None
    pe = PeParameters(
        lanes=lanes,
        level_bits=(weights and weights.level_bits) or random.randint(2, 5),
        max_planes=random.randint(3, 9),
        encoding=random.choice(("twos-complement", "sign-magnitude")),
    )
    sharing, pipelined = random.choice([n for n in (1, 2, 4) if n <= rows]), random.random() < 0.4
    kind = PipelinedArrayParameters if pipelined and sharing == 4 else ArrayParameters
    array = kind(
        pe=_some_pairs(pe, random),
        rows=rows,
        columns=columns,
        sharing=sharing,
        columns_per_load=random.choice([n for n in (1, 2, 4, 8) if n <= columns]),
        format=weights,
    )
    words = random.choice((0, random.randint(2, 40)))
    engine = EngineParameters(
        array=array,
        plane_words=random.randint(150, 300),
        plane_groups=random.randint(16, 40),
        weight_words=random.randint(80, 200),
        rounding=random.choice(("nearest", "truncate")),
        elementwise_words=words,
        silu=words > 0 and random.random() < 0.7,
        pipelined=pipelined,
    )
    beats = [bits for bits in (64, 128, 256) if bits <= 16 * lanes]
    parameters = AcceleratorParameters(
        engine=engine,
        activations_bits=random.choice(beats),
        weights_bits=random.choice((64, 128, 256, 512)),
        results_bits=random.choice(beats),
    )
    return partial(Accelerator, parameters)


def draw_heap(random: Random) -> Recipe:
    """A bit heap: a few to many numbers of mixed widths, signs and weights, and a constant."""
    width = random.randint(1, 24)
    terms = tuple(
        HeapTerm(
            bits=random.randint(1, 8),
            signed=random.random() < 0.5,
            shift=random.randint(0, max(0, width - 2)),
            subtract=random.random() < 0.3,
        )
        for _ in range(random.randint(1, 20))
    )
    return partial(
        HeapUnit,
        width,
        terms,
        constant=random.choice((0, random.randint(-(1 << width), 1 << width))),
        cells=random.choice(list(AdderCells)),
        levels_per_stage=random.choice((None, None, 1, 2, 3)),
        carry_save=random.random() < 0.3,
    )


#: How to draw each kind of component, by the name of its bench.
DRAWS: dict[str, Callable[[Random], Recipe]] = {
    "accumulator": draw_accumulator,
    "multistage": draw_multistage,
    "datapath": draw_datapath,
    "array": draw_array,
    "accelerator": draw_accelerator,
    "pe": draw_pe,
    "column": draw_column,
    "binary": draw_binary,
    "binary column": draw_binary_column,
    "binary engine": draw_binary_engine,
    "compressor": draw_compressor,
    "weights": draw_weights,
    "heap": draw_heap,
}


def distinct(draw: Callable[[Random], Recipe], count: int, random: Random) -> Iterator[Recipe]:
    """`count` different configurations, in the order drawn."""
    seen: set[str] = set()
    while len(seen) < count:
        recipe = draw(random)
        if repr(recipe) not in seen:
            seen.add(repr(recipe))
            yield recipe
