"""Lanes in pairs: what two lanes of one plane add up to is zero, either level, or the sum of both.

In place of a product for each lane, an element selects for each pair. The sum of the two levels is made once
for the rows of a column, behind their weight registers (`PairWeights`); which of the three it is, is decoded
once for the columns of a row (`PairDecoder`). A pair then gives its heap one bit more than a lane instead of
twice as many, and a full adder costs more than the gates that select (docs/pe.md).
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format
from golden.interval import Interval

from .decoder import FormatWeights, codes_shape, verilog_name
from .heap import AdderCells, Bit, BitHeap
from .modules import NamedComponent
from .pe_parameters import LINES, beat_layout
from .ranges import Ranged, assign
from .weights import WeightBuffer, levels_layout

__all__ = [
    "PairAdders",
    "PairDecoder",
    "PairWeights",
    "add_pairs",
    "lines_of",
    "pair_layout",
    "pair_levels_layout",
]


def pair_layout(level_bits: int) -> data.StructLayout:
    """The levels of two lanes, and their sum, which has one bit more."""
    return data.StructLayout(
        {"first": signed(level_bits), "second": signed(level_bits), "both": signed(level_bits + 1)}
    )


def pair_levels_layout(lanes: int, level_bits: int) -> data.ArrayLayout:
    """Levels and sums of all pairs; lanes 0 and 1 are the first one, in the least significant bits."""
    return data.ArrayLayout(pair_layout(level_bits), lanes // 2)


def add_pairs(heap: BitHeap, lines: Value, pairs: list[Value], *, level_bits: int, shift: int) -> None:
    """Put the plane sum of some pairs into a heap, times `2**shift`.

    Every bit is one AND-OR-INVERT gate, and the heap takes the complement that it gives.

    Parameters
    ----------
    heap : BitHeap
    lines : Value
        Of one plane: three a pair, at most one of them set.
    pairs : list of Value
        The levels of each, as `pair_layout` has them.
    level_bits, shift : int
    """
    layout = pair_layout(level_bits)
    for i, pair in enumerate(pairs):
        only_first, only_second, both = lines.word_select(i, LINES)
        fields = data.View(layout, pair)
        first, second, total = (Value.cast(fields[name]) for name in ("first", "second", "both"))
        for j, sum_bit in enumerate(total):
            lane_bit = min(j, level_bits - 1)
            chosen = (only_first & first[lane_bit]) | (only_second & second[lane_bit]) | (both & sum_bit)
            heap.add(shift + j, Bit(~chosen, inverted=True), subtract=j == level_bits)


class PairDecoder(NamedComponent):
    """Plane words to lines of pairs: on the way of a stream, combinational.

    Lanes `2 * i` and `2 * i + 1` are a pair. Words of several planes and of several rows are decoded as one:
    each of them has an even number of lanes.

    Parameters
    ----------
    bits : int
        Of all words of a beat together.

    Members
    -------
    planes : In(stream.Signature(beat_layout(bits, 1)))
    lines : Out(stream.Signature(beat_layout(LINES * bits // 2, 1)))
        For each pair whether the first lane alone is set, the second one alone, or both are, the first of
        these in the least significant bit.

    Raises
    ------
    ValueError
        The number of bits is odd, or there are none.
    """

    clocked = False
    planes: stream.Interface
    lines: stream.Interface

    def __init__(self, *, bits: int):
        if bits < 2 or bits % 2:
            raise ValueError(f"pairs are decoded from an even number of bits, 2 or more, not from {bits}")
        self.bits = bits
        super().__init__(
            {
                "planes": In(stream.Signature(beat_layout(bits, 1))),
                "lines": Out(stream.Signature(beat_layout(LINES * bits // 2, 1))),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_pair_decoder_64`."""
        return f"anda_pair_decoder_{self.bits}"

    def build(self) -> Module:
        """Three gates a pair; the rest of the stream passes."""
        m = Module()
        given, told = self.planes.payload, self.lines.payload
        words = [given.words.word_select(i, 2) for i in range(self.bits // 2)]
        m.d.comb += [
            told.words.eq(Cat(Cat(a & ~b, ~a & b, a & b) for a, b in words)),
            told.first.eq(given.first),
            told.last.eq(given.last),
            self.lines.valid.eq(self.planes.valid),
            self.planes.ready.eq(self.lines.ready),
        ]
        return m


def lines_of(m: Module, planes: stream.Interface) -> stream.Interface:
    """The beats of a stream of plane words behind a decoder, which becomes a submodule."""
    m.submodules.pairs = decoder = PairDecoder(bits=len(planes.payload.words))
    m.d.comb += [
        *(decoder.planes.payload[name].eq(planes.payload[name]) for name in ("words", "first", "last")),
        decoder.planes.valid.eq(planes.valid),
        planes.ready.eq(decoder.planes.ready),
    ]
    return decoder.lines


class PairAdders(NamedComponent):
    """The sums of levels of neighbouring lanes: on the way of a set of levels, combinational.

    Parameters
    ----------
    lanes : int
        An even number.
    level_bits : int
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Members
    -------
    levels : In(stream.Signature(levels_layout(lanes, level_bits), always_ready=True))
    pairs : Out(stream.Signature(pair_levels_layout(lanes, level_bits), always_ready=True))

    Raises
    ------
    ValueError
        The number of lanes is odd, or there are none.
    """

    clocked = False
    levels: stream.Interface
    pairs: stream.Interface

    def __init__(self, *, lanes: int, level_bits: int, adder_cells: AdderCells = AdderCells.PLAIN):
        if lanes < 2 or lanes % 2:
            raise ValueError(f"pairs are made of an even number of lanes, 2 or more, not of {lanes}")
        self.lanes = lanes
        self.level_bits = level_bits
        self.adder_cells = adder_cells
        super().__init__(
            {
                "levels": In(stream.Signature(levels_layout(lanes, level_bits), always_ready=True)),
                "pairs": Out(stream.Signature(pair_levels_layout(lanes, level_bits), always_ready=True)),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_pair_adders_64x4`."""
        return f"anda_pair_adders_{self.lanes}x{self.level_bits}{_suffix(self.adder_cells)}"

    @property
    def sum_bits(self) -> int:
        """Width of the sum of two levels."""
        return Interval.of_bits(self.level_bits, signed=True).times(2).bits

    def build(self) -> Module:
        """One heap a pair."""
        m = Module()
        m.d.comb += self.pairs.valid.eq(self.levels.valid)
        sums = Interval.of_bits(self.level_bits, signed=True).times(2)
        for i in range(self.lanes // 2):
            heap = BitHeap(self.sum_bits, self.adder_cells, prefix=f"pair_{i}_")
            lanes = self.levels.payload[2 * i], self.levels.payload[2 * i + 1]
            for level in lanes:
                heap.add_number(level)
            # The heap adds modulo its width: `Ranged` refuses one that is too narrow for the sum.
            total = Ranged(heap.sum(m).as_signed(), sums)
            pair = self.pairs.payload[i]
            m.d.comb += [
                pair.first.eq(lanes[0]),
                pair.second.eq(lanes[1]),
                assign(Ranged(pair.both, sums), total),
            ]
        return m


class PairWeights(NamedComponent):
    """Double-buffered weights for elements that take pairs: what `WeightBuffer` is for those that take lanes.

    Parameters
    ----------
    lanes : int
        An even number.
    level_bits : int
    format : Format or None
        Of the codes in the registers; None: levels are.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Members
    -------
    load : In(stream.Signature(...))
        As `WeightBuffer`, or with a format as `FormatWeights`.
    levels : Out(pair_levels_layout(lanes, level_bits))
        The current set and its sums, meaningful while `valid`.
    valid, retire
        As `WeightBuffer`.
    """

    load: stream.Interface
    levels: data.View[data.ArrayLayout]
    valid: Signal
    retire: Signal

    def __init__(
        self,
        *,
        lanes: int,
        level_bits: int,
        format: Format | None = None,
        adder_cells: AdderCells = AdderCells.PLAIN,
    ):
        self.lanes = lanes
        self.level_bits = level_bits
        self.format = format
        self.adder_cells = adder_cells
        layout = levels_layout(lanes, level_bits) if format is None else codes_shape(lanes, format)
        super().__init__(
            {
                "load": In(stream.Signature(layout)),
                "levels": Out(pair_levels_layout(lanes, level_bits)),
                "valid": Out(1),
                "retire": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_pair_weights_64x4` or `anda_pair_weights_64_e2m1_sp_to_5`."""
        stored = f"x{self.level_bits}"
        if self.format is not None:
            stored = f"_{verilog_name(self.format)}_to_{self.level_bits}"
        return f"anda_pair_weights_{self.lanes}{stored}{_suffix(self.adder_cells)}"

    def build(self) -> Module:
        """The registers, with decoders behind if they hold codes, and the adders."""
        m = Module()
        size = {"lanes": self.lanes, "level_bits": self.level_bits}
        held = WeightBuffer(**size) if self.format is None else FormatWeights(format=self.format, **size)
        m.submodules.held = held
        m.submodules.adders = adders = PairAdders(**size, adder_cells=self.adder_cells)
        m.d.comb += [
            held.load.payload.eq(self.load.payload),
            held.load.valid.eq(self.load.valid),
            self.load.ready.eq(held.load.ready),
            held.retire.eq(self.retire),
            adders.levels.payload.eq(held.levels),
            adders.levels.valid.eq(held.valid),
            self.levels.eq(adders.pairs.payload),
            self.valid.eq(adders.pairs.valid),
        ]
        return m


def _suffix(cells: AdderCells) -> str:
    return "_inv" if cells is AdderCells.INVERTING else ""
