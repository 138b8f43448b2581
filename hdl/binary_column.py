"""Binary elements in a column: one weight word for all of them, activations of their own for each."""

from __future__ import annotations

from functools import reduce
from operator import and_

from amaranth.hdl import Module, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .binary import BinaryElement, BinaryParameters, binary_beat_layout, binary_flags
from .modules import NamedComponent

__all__ = ["BinaryColumn"]


class BinaryColumn(NamedComponent):
    """Binary elements with the same weights: each row has activations of its own.

    All rows take their beats in the same cycle and give their sums together. Nothing is kept of the weights:
    they may change with every beat.

    Parameters
    ----------
    parameters : BinaryParameters
        Of every element.
    rows : int
        Elements in the column.

    Members
    -------
    beats : In(stream.Signature(binary_beat_layout(parameters, rows)))
        The activations of row 0 are the least significant ones.
    results : Out(stream.Signature(data.ArrayLayout(signed(sum_bits), rows)))
        The sums of all rows.

    Raises
    ------
    ValueError
        No row.
    """

    beats: stream.Interface
    results: stream.Interface

    def __init__(self, parameters: BinaryParameters, *, rows: int):
        if rows < 1:
            raise ValueError(f"a column has at least 1 row, not {rows}")
        self.parameters = p = parameters
        self.rows = rows
        super().__init__(
            {
                "beats": In(stream.Signature(binary_beat_layout(p, rows))),
                "results": Out(stream.Signature(data.ArrayLayout(signed(p.sum_bits), rows))),
            }
        )

    @property
    def module_name(self) -> str:
        """That of the element, and the number of rows."""
        return f"{self.parameters.name}_x{self.rows}"

    def build(self) -> Module:
        """The elements side by side in lockstep."""
        m = Module()
        p = self.parameters
        elements = [BinaryElement(p) for _ in range(self.rows)]
        given = self.beats.payload
        # Every element is ready when one is, and has a result when one has; naming all of them keeps the
        # lockstep visible.
        m.d.comb += [
            self.beats.ready.eq(reduce(and_, (element.beats.ready for element in elements))),
            self.results.valid.eq(reduce(and_, (element.result.valid for element in elements))),
        ]
        width = p.lanes * p.activation_planes_per_cycle
        for row, element in enumerate(elements):
            m.submodules[f"row_{row}"] = element
            m.d.comb += [
                element.beats.valid.eq(self.beats.valid & self.beats.ready),
                element.beats.payload.activations.eq(given.activations.word_select(row, width)),
                element.result.ready.eq(self.results.ready),
                self.results.payload[row].eq(element.result.payload),
                *(
                    element.beats.payload[name].eq(given[name])
                    for name in ("weights", "first", *binary_flags(p), "last")
                ),
            ]
        return m
