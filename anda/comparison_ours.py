# amaranth: UnusedElaboratable=no
"""Our elements of the comparison: both presets, the steps between them, and other ways to build them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from anda.comparison_subjects import (
    ACCOUNTINGS,
    ROWS,
    Accounting,
    Kind,
    Part,
    Subject,
    Use,
    real_data,
    registers,
)
from anda.config import load
from anda.tops import accumulator_parameters, compressor_parameters, pe_parameters
from golden.anda import AndaCodec, Rounding
from golden.multistage import Stage
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.compressor import Compressor
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pairs import PairAdders, PairDecoder
from hdl.pe import PeParameters, ProcessingElement
from sim.replay_data import Replay
from sim.replays import accumulator, pairs, pe

__all__ = ["ABLATION", "ablation", "accumulators", "pairs_of_lanes", "planes_per_cycle", "presets"]


@dataclass(frozen=True)
class _Element:
    """Our processing element and the accumulator behind it."""

    pe: PeParameters
    accumulator: AccumulatorParameters
    rounding: Rounding = "nearest"

    def codec(self, planes: int) -> AndaCodec:
        return AndaCodec(planes, self.pe.encoding, self.rounding, self.pe.lanes)

    def mantissa_bits(self, planes: int) -> int:
        """A sign plane is none of them; contract, section 2b, for the other encoding."""
        return planes - (self.pe.encoding == "sign-magnitude")

    def parts(self) -> tuple[Use, ...]:
        p, a = self.pe, self.accumulator

        def element(cells: AdderCells) -> ProcessingElement:
            return ProcessingElement(replace(p, adder_cells=cells))

        def element_replay(cells: AdderCells, planes: int) -> Replay:
            found = real_data()
            return pe.replay(
                replace(p, adder_cells=cells), self.codec(planes), found.activations[:, 0], found.weights
            )

        def shared(cells: AdderCells) -> Accumulator:
            return Accumulator(replace(a, adder_cells=cells))

        def shared_replay(cells: AdderCells, planes: int) -> Replay:
            found = real_data(a.slots)
            return accumulator.replay(
                replace(a, adder_cells=cells),
                self.codec(planes),
                p.beats(planes),
                found.activations,
                found.weights,
                found.scales,
            )

        return (
            Use(Part("element", element, element_replay), 1.0),
            Use(Part("accumulator", shared, shared_replay, a.slots), 1 / a.slots),
            *(self._around_pairs() if p.products == "pairs" else ()),
        )

    def _around_pairs(self) -> tuple[Use, Use]:
        """Sums of levels, made once for the rows of a column, and lines, once for the columns of a row."""
        p = self.pe

        def adders_replay(_: AdderCells, planes: int) -> Replay:
            return pairs.replay_adders(real_data().weights, p.level_bits, p.beats(planes))

        def decoder_replay(_: AdderCells, planes: int) -> Replay:
            return pairs.replay_decoder(p, self.codec(planes), real_data().activations[:, 0])

        def adders(cells: AdderCells) -> PairAdders:
            return PairAdders(lanes=p.lanes, level_bits=p.level_bits, adder_cells=cells)

        def decoder(_: AdderCells) -> PairDecoder:
            return PairDecoder(bits=p.lanes * p.planes_per_cycle)

        return (
            Use(Part("sums of pairs", adders, adders_replay, leads=True), 1 / ROWS),
            Use(Part("lines of pairs", decoder, decoder_replay, leads=True), 1 / ROWS),
        )


def _preset(name: str) -> _Element:
    """A preset's element, its weights at ports."""
    design = load(name)
    return _Element(
        replace(pe_parameters(design), weights="outside"),
        accumulator_parameters(design),
        design.format.rounding,
    )


def _ours(
    name: str,
    title: str,
    made: _Element,
    planes: tuple[int, ...],
    *,
    kind: Kind = "ours",
    source: str = "this project",
    accountings: tuple[Accounting, ...] = ACCOUNTINGS,
    converters: tuple[Use, ...] = (),
) -> Subject:
    p = made.pe
    return Subject(
        name,
        title,
        source,
        kind,
        made.parts(),
        registers(p.lanes, p.level_bits, p.beats, lambda: real_data().weights),
        planes,
        lambda count: Fraction(p.lanes, p.beats(count)),
        made.mantissa_bits,
        accountings=accountings,
        converters=converters,
    )


def _compressor(preset: str) -> Use:
    """One lane behind a whole array: results become groups once, when they are made."""
    parameters = compressor_parameters(load(preset))
    return Use(Part("FP16 to bit planes, one an array", lambda _: Compressor(parameters)), 1 / ROWS**2)


def presets() -> Iterator[Subject]:
    """Both presets, and `compact` for more planes than it has."""
    compact, published = _preset("compact"), _preset("published")
    yield _ours("compact", "`compact`", compact, tuple(range(4, 11)), converters=(_compressor("compact"),))
    yield _ours(
        "published",
        "`published`",
        published,
        (*range(5, 15), 16),
        source="Anda, HPCA 2025",
        converters=(_compressor("published"),),
    )
    long = replace(compact.pe, max_planes=13)
    sums = replace(compact.accumulator, sum_bits=long.sum_bits, max_planes=13)
    yield _ours("compact-13", "`compact` for 13 planes", _Element(long, sums), (11, 12, 13))


ABLATION = ("published", "twos-complement", "heap", "exact-width", "compact")
"""From `published` to `compact`: weight registers are shared before the last step, accumulators with it."""


def ablation() -> Iterator[Subject]:
    """Between the presets, one change at a time."""
    compact, published = _preset("compact"), _preset("published")
    planes = (4, 5, 6, 7, 8, 9, 10)
    # 16 planes hold what a sign and 16 bits of magnitude hold.
    encoded = replace(published.pe, encoding="twos-complement", max_planes=16)
    heap = replace(encoded, reduction="heap")
    own = replace(compact.accumulator, slots=1)
    steps = (
        ("twos-complement", "two's complement, rounded to nearest", _Element(encoded, published.accumulator)),
        ("heap", "one bit heap instead of adder trees", _Element(heap, published.accumulator)),
        ("exact-width", "sums of 20 bits instead of 27, at most 10 planes", _Element(compact.pe, own)),
    )
    for name, title, made in steps:
        yield _ours(name, title, made, planes, kind="ablation")


def planes_per_cycle() -> Iterator[Subject]:
    """`compact` with accumulators that groups of six planes keep busy, one, two and four planes a cycle."""
    compact = _preset("compact")
    for count in (1, 2, 4):
        made, planes = _serving(compact, count, -(-6 // count))
        slots = made.accumulator.slots
        title = f"`compact`, {count} plane{'s' * (count > 1)} a cycle, accumulator shared by {slots}"
        yield _ours(f"compact-{count}x{slots}", title, made, planes, kind="planes per cycle")


def pairs_of_lanes() -> Iterator[Subject]:
    """`compact` with products of pairs: as it is, and with accumulators that groups of six planes keep busy.

    Sums are shared by the rows of a column, as weight registers are: there is no other accounting.
    """
    compact = _preset("compact")
    paired = replace(compact, pe=replace(compact.pe, products="pairs"))
    for count, slots in ((1, compact.accumulator.slots), (1, 6), (2, 3)):
        made, planes = _serving(paired, count, slots)
        title = f"`compact`, pairs of lanes, {count} plane{'s' * (count > 1)} a cycle, "
        title += f"accumulator shared by {slots}"
        name = f"compact-pairs-{count}x{slots}"
        yield _ours(name, title, made, planes, kind="pairs", accountings=("shared",))


def _serving(one: _Element, count: int, slots: int) -> tuple[_Element, tuple[int, ...]]:
    """An element for `count` planes a cycle with so many on an accumulator, and groups that take as long."""
    wide = replace(one.pe, planes_per_cycle=count)
    made = replace(one, pe=wide, accumulator=replace(one.accumulator, slots=slots))
    return made, tuple(planes for planes in range(4, 11) if wide.beats(planes) >= slots)


def accumulators() -> Iterator[Subject]:
    """Accumulators alone: what one element has of them, at six planes."""
    compact = _preset("compact")
    pe_, acc = compact.pe, compact.accumulator
    kinds: list[tuple[str, str, int, Callable[[AdderCells], NamedComponent]]] = [
        ("fp32-own", "FP32, one an element", 1, _accumulator(replace(acc, slots=1))),
        ("fp32-shared", "FP32, one for 4 elements", 4, _accumulator(acc)),
        ("fp16-shared", "FP16 results, one for 4 elements", 4, _accumulator(replace(acc, output="fp16"))),
        ("stages-own", "integer, 32 groups, one an element", 1, _stages(pe_, 1)),
        ("stages-shared", "integer, 32 groups, one for 4 elements", 4, _stages(pe_, 4)),
    ]
    for name, title, slots, component in kinds:
        yield Subject(
            name,
            title,
            "this project",
            "accumulator",
            (Use(Part("accumulator", component), 1 / slots),),
            None,
            (6,),
            lambda planes: Fraction(pe_.lanes, pe_.beats(planes)),
            accountings=("shared",),
        )


def _accumulator(parameters: AccumulatorParameters) -> Callable[[AdderCells], NamedComponent]:
    return lambda cells: Accumulator(replace(parameters, adder_cells=cells))


def _stages(p: PeParameters, slots: int) -> Callable[[AdderCells], NamedComponent]:
    """One stage for the sums of 32 groups under one scale, wide enough for any weights."""
    groups = 32
    stage = Stage(p.sum_range.times(groups).bits, groups)
    parameters = MultiStageParameters(
        term_bits=p.sum_bits, stages=(stage,), slots=slots, term_range=p.sum_range
    )
    return lambda cells: MultiStageAccumulator(replace(parameters, adder_cells=cells))
