"""Processing elements in a column: one copy of the weight registers for all of them, or one in each."""

from __future__ import annotations

from functools import reduce
from operator import and_

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format

from .decoder import FormatWeights, codes_shape, require_decodable, verilog_name
from .modules import NamedComponent
from .pairs import PairWeights, lines_of
from .pe import PeParameters, ProcessingElement, beat_layout
from .weights import WeightBuffer, levels_layout

__all__ = ["PeColumn", "load_shape"]


def load_shape(parameters: PeParameters, format: Format | None) -> data.Layout | int:
    """What serves one group of a column: levels, or codes of a format."""
    p = parameters
    return levels_layout(p.lanes, p.level_bits) if format is None else codes_shape(p.lanes, format)


class PeColumn(NamedComponent):
    """Processing elements with the same weights: each row has activations of its own.

    All rows take their beats in the same cycle and give their sums together. One set of weight levels serves
    one group of every row; the next set loads meanwhile.

    Parameters
    ----------
    parameters : PeParameters
        Of every element. Weights outside: one buffer for all of them. Inside: every element has its own, as
        published, and all are loaded alike.
    rows : int
        Elements in the column.
    format : Format or None
        Store codes of this format and decode them behind the registers; None stores the levels themselves.
        With weights outside only.
    lines : bool
        For products of pairs: their lines come from outside, decoded for several columns at once.

    Members
    -------
    planes : In(stream.Signature(beat_layout(rows * lanes, planes_per_cycle)))
        One beat for every row; the words of row 0 are the least significant ones. Lines: of `rows *
        word_bits`, what `PairDecoder` makes of it.
    load : In(stream.Signature(levels_layout(lanes, level_bits)))
        One set of levels a group, in order; with a format, what `FormatWeights.load` takes.
    results : Out(stream.Signature(data.ArrayLayout(signed(sum_bits), rows)))
        The group sums of all rows.

    Raises
    ------
    ValueError
        No row, a format for elements that hold their weights themselves, or one whose levels are wider than
        theirs; lines for products of lanes.
    """

    planes: stream.Interface
    load: stream.Interface
    results: stream.Interface

    def __init__(
        self, parameters: PeParameters, *, rows: int, format: Format | None = None, lines: bool = False
    ):
        if rows < 1:
            raise ValueError(f"a column has at least 1 row, not {rows}")
        if format is not None:
            if parameters.weights != "outside":
                raise ValueError(
                    f"codes of {format.name} are decoded for elements with their weights outside"
                )
            require_decodable(format, parameters.level_bits)
        if lines and parameters.products != "pairs":
            raise ValueError("lines are for elements with products of pairs, not of lanes")
        self.parameters = p = parameters
        self.rows = rows
        self.format = format
        self.lines = lines
        word = p.word_bits if lines else p.lanes
        super().__init__(
            {
                "planes": In(stream.Signature(beat_layout(rows * word, p.planes_per_cycle))),
                "load": In(stream.Signature(load_shape(p, format))),
                "results": Out(stream.Signature(data.ArrayLayout(signed(p.sum_bits), rows))),
            }
        )

    @property
    def module_name(self) -> str:
        """That of the element, and the number of rows."""
        suffix = f"_{verilog_name(self.format)}" if self.format else ""
        return f"{self.parameters.name}_x{self.rows}{suffix}{'_lines' if self.lines else ''}"

    def _weight_registers(self) -> WeightBuffer | FormatWeights | PairWeights:
        p = self.parameters
        if p.products == "pairs":
            return PairWeights(
                lanes=p.lanes, level_bits=p.level_bits, format=self.format, adder_cells=p.adder_cells
            )
        if self.format is None:
            return WeightBuffer(lanes=p.lanes, level_bits=p.level_bits)
        return FormatWeights(lanes=p.lanes, format=self.format, level_bits=p.level_bits)

    def build(self) -> Module:
        """The weight buffer, and the elements side by side in lockstep."""
        m = Module()
        p = self.parameters
        elements = [ProcessingElement(p) for _ in range(self.rows)]
        go = Signal()
        decodes = p.products == "pairs" and not self.lines
        planes = lines_of(m, self.planes) if decodes else self.planes
        if p.weights == "outside":
            m.submodules.weights = weights = self._weight_registers()
            m.d.comb += [
                weights.load.payload.eq(self.load.payload),
                weights.load.valid.eq(self.load.valid),
                self.load.ready.eq(weights.load.ready),
                go.eq(planes.valid & weights.valid),
                # Every element is ready when one is; naming all of them keeps the lockstep visible.
                planes.ready.eq(weights.valid & reduce(and_, (pe.planes.ready for pe in elements))),
                weights.retire.eq(planes.valid & planes.ready & planes.payload.last),
            ]
        else:
            m.d.comb += [
                self.load.ready.eq(reduce(and_, (pe.load.ready for pe in elements))),
                planes.ready.eq(reduce(and_, (pe.planes.ready for pe in elements))),
                go.eq(planes.valid & planes.ready),
            ]
            for pe in elements:
                m.d.comb += [
                    pe.load.payload.eq(self.load.payload),
                    pe.load.valid.eq(self.load.valid & self.load.ready),
                ]
        m.d.comb += self.results.valid.eq(reduce(and_, (pe.result.valid for pe in elements)))
        width = p.word_bits * p.planes_per_cycle
        for row, pe in enumerate(elements):
            m.submodules[f"row_{row}"] = pe
            if p.weights == "outside":
                m.d.comb += pe.levels.eq(weights.levels)
            m.d.comb += [
                pe.planes.valid.eq(go),
                pe.planes.payload.words.eq(planes.payload.words.word_select(row, width)),
                pe.planes.payload.first.eq(planes.payload.first),
                pe.planes.payload.last.eq(planes.payload.last),
                self.results.payload[row].eq(pe.result.payload),
                pe.result.ready.eq(self.results.ready),
            ]
        return m
