"""An array of binary elements: rows of activations times columns of weights, in integers (contract, 8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise
from operator import and_

from amaranth.hdl import Const, Module, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .binary import BinaryElement, BinaryParameters, binary_beat_layout, binary_flags
from .binary_column import BinaryColumn
from .binary_correction import CorrectionParameters, ZeroCorrection
from .modules import NamedComponent

__all__ = ["BinaryArray", "BinaryArrayParameters", "array_beat_layout", "array_flags", "array_results_layout"]


@dataclass(frozen=True, kw_only=True)
class BinaryArrayParameters:
    """Everything that shapes an array of binary elements.

    Parameters
    ----------
    element : BinaryParameters
    rows, columns : int
        Tokens and output channels at the same time, 1 to 64.
    zero_bits : int
        Width of signed zero points, 2 to 16; 0 for an array without zero points.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    element: BinaryParameters
    rows: int = 4
    columns: int = 4
    zero_bits: int = 9

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            if not 1 <= getattr(self, name) <= 64:
                raise ValueError(f"{name} must be from 1 to 64, not {getattr(self, name)}")
        if self.zero_bits:
            _ = self.correction

    @property
    def correction(self) -> CorrectionParameters:
        """Of the correction of every column."""
        return CorrectionParameters(element=self.element, zero_bits=self.zero_bits)

    @property
    def activation_sum(self) -> BinaryParameters:
        """Of the elements that add up the activations of a row: by a single weight plane of ones."""
        return replace(
            self.element,
            weight_planes=1,
            weight_planes_per_cycle=1,
            weights="unsigned",
            accumulator_bits=None,
            certified=None,
        )

    @cached_property
    def results(self) -> Interval:
        """Every result."""
        return self.correction.results if self.zero_bits else self.element.sum_range

    @property
    def value_bits(self) -> int:
        """Width of a result."""
        return self.results.bits if self.zero_bits else self.element.sum_bits

    @property
    def channel(self) -> data.StructLayout:
        """The constants of a channel of an array with zero points: its own, and `K * zw - sum(w)`."""
        term = self.correction.weight_terms.bits
        return data.StructLayout({"weight_zero": signed(self.zero_bits), "weight_term": signed(term)})

    @property
    def channel_bits(self) -> int:
        """Width of the constants of a channel."""
        return self.channel.size if self.zero_bits else 0

    @property
    def drain(self) -> int:
        """Cycles that the results of a tile take to leave, while the next tile is multiplied."""
        return self.rows * max(self.zero_bits, 1)

    @property
    def name(self) -> str:
        """The parameters in a word, as a part of a Verilog module name carries them."""
        return f"{self.columns}x{self.rows}_{self.element.name.removeprefix('anda_')}_z{self.zero_bits}"


def array_flags(parameters: BinaryArrayParameters) -> tuple[str, ...]:
    """Flags of a beat besides `first` and `last`: for the elements, and for the sums of activations.

    `counts`: the activations of this beat are added up, which is so for one block of weights of all; with
    `count_first` from 0 on, with `count_shift` after a shift by the activation planes of a cycle.
    """
    counting = ("counts", "count_first", "count_shift") if parameters.zero_bits else ()
    return (*binary_flags(parameters.element), *counting)


def array_beat_layout(parameters: BinaryArrayParameters) -> data.StructLayout:
    """One beat of every row and column; row 0 and column 0 in the least significant bits.

    `row_zeros` and `channels`, the constants of rows and columns, count in the last beat of a sum.
    """
    p = parameters
    words = binary_beat_layout(p.element, p.rows, p.columns).members
    constants = {"row_zeros": p.rows * p.zero_bits, "channels": p.columns * p.channel_bits}
    return data.StructLayout(
        {
            "activations": words["activations"],
            "weights": words["weights"],
            **dict.fromkeys(("first", *array_flags(p), "last"), 1),
            **(constants if p.zero_bits else {}),
        }
    )


def array_results_layout(parameters: BinaryArrayParameters) -> data.StructLayout:
    """The results of one row, column 0 lowest, and whether it is the last row of the tile."""
    p = parameters
    return data.StructLayout({"values": data.ArrayLayout(signed(p.value_bits), p.columns), "last": 1})


class BinaryArray(NamedComponent):
    """Columns of binary elements in lockstep, sums of activations beside them, zero points behind them.

    Activation words are broadcast to the columns, weight words to the rows; both may change with every beat.
    Finished sums move to a chain of registers in each column, and leave row by row while the next tile is
    multiplied: what zero points add costs one `ZeroCorrection` a column. The sums of activations that it
    needs cost one element a row.

    Parameters
    ----------
    parameters : BinaryArrayParameters

    Members
    -------
    beats : In(stream.Signature(array_beat_layout(parameters)))
    results : Out(stream.Signature(array_results_layout(parameters)))
        `rows` transfers a tile, row 0 first.
    """

    beats: stream.Interface
    results: stream.Interface

    def __init__(self, parameters: BinaryArrayParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "beats": In(stream.Signature(array_beat_layout(p))),
                "results": Out(stream.Signature(array_results_layout(p))),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_binary_array_{self.parameters.name.removeprefix('binary_')}"

    def build(self) -> Module:
        """The columns, what goes with them, and the chains that their sums leave by."""
        m = Module()
        p = self.parameters
        columns = [BinaryColumn(p.element, rows=p.rows) for _ in range(p.columns)]
        present, beat, capture = Signal(), Signal(), Signal()
        given = self.beats.payload
        # Equal for all of them, as they work in lockstep; naming all keeps that visible.
        m.d.comb += [
            self.beats.ready.eq(reduce(and_, (column.beats.ready for column in columns))),
            beat.eq(self.beats.valid & self.beats.ready),
            present.eq(reduce(and_, (column.results.valid for column in columns))),
        ]
        width = p.element.lanes * p.element.weight_planes_per_cycle
        for number, column in enumerate(columns):
            m.submodules[f"column_{number}"] = column
            m.d.comb += [
                column.beats.valid.eq(beat),
                column.beats.payload.weights.eq(given.weights.word_select(number, width)),
                column.results.ready.eq(capture),
                *(
                    column.beats.payload[name].eq(given[name])
                    for name in ("activations", "first", *binary_flags(p.element), "last")
                ),
            ]
        waiting, step, row = Signal(), Signal(), Signal(range(p.rows))
        is_last = row == p.rows - 1
        m.d.comb += capture.eq(present & (~waiting | (step & is_last)))
        with m.If(capture):
            m.d.sync += [waiting.eq(1), row.eq(0)]
        with m.Elif(step):
            m.d.sync += row.eq(row + 1)
            with m.If(is_last):
                m.d.sync += waiting.eq(0)

        heads = [
            self._chain(m, f"column_{number}", list(column.results.payload), capture, step)
            for number, column in enumerate(columns)
        ]
        if p.zero_bits:
            self._correct(m, heads, waiting, step, capture, beat, is_last)
            return m
        m.d.comb += [
            self.results.valid.eq(waiting),
            step.eq(waiting & self.results.ready),
            self.results.payload.last.eq(is_last),
            *(value.eq(head) for value, head in zip(self.results.payload["values"], heads, strict=True)),
        ]
        return m

    def _chain(self, m: Module, name: str, values: list[Value], capture: Value, step: Value) -> Signal:
        """Registers that take the values of all rows at once and give them one by one; the first of them."""
        chain = [
            Signal(value.shape(), name=f"waiting_{name}_{row}", reset_less=True)
            for row, value in enumerate(values)
        ]
        with m.If(capture):
            m.d.sync += [register.eq(value) for register, value in zip(chain, values, strict=True)]
        with m.Elif(step):
            m.d.sync += [register.eq(after) for register, after in pairwise(chain)]
        return chain[0]

    def _correct(
        self,
        m: Module,
        heads: list[Signal],
        waiting: Value,
        step: Signal,
        capture: Value,
        beat: Value,
        is_last: Value,
    ) -> None:
        """A correction a column; all of them take equally long."""
        p = self.parameters
        activation_sum = self._chain(m, "activations", self._activation_sums(m, beat, capture), capture, step)
        row_zeros, channels = self._constants(m, beat, capture)
        zeros = [row_zeros.word_select(row, p.zero_bits).as_signed() for row in range(p.rows)]
        zero = self._chain(m, "zero", zeros, capture, step)
        units = [ZeroCorrection(p.correction) for _ in heads]
        for number, (unit, head) in enumerate(zip(units, heads, strict=True)):
            m.submodules[f"correction_{number}"] = unit
            channel = data.View(p.channel, channels.word_select(number, p.channel_bits))
            to = unit.sums.payload
            m.d.comb += [
                unit.sums.valid.eq(waiting),
                to.sum.eq(head),
                to.activation_sum.eq(activation_sum),
                to.activation_zero.eq(zero),
                to.weight_zero.eq(channel.weight_zero),
                to.weight_term.eq(channel.weight_term),
                unit.result.ready.eq(self.results.ready),
                self.results.payload["values"][number].eq(unit.result.payload),
            ]
        last = Signal(reset_less=True)
        with m.If(step):
            m.d.sync += last.eq(is_last)
        m.d.comb += [
            step.eq(waiting & reduce(and_, (unit.sums.ready for unit in units))),
            self.results.valid.eq(reduce(and_, (unit.result.valid for unit in units))),
            self.results.payload.last.eq(last),
        ]

    def _activation_sums(self, m: Module, beat: Value, capture: Value) -> list[Value]:
        """Elements that add up the activations of a row, there when the sums of the columns are."""
        p, given = self.parameters, self.beats.payload
        width = p.element.lanes * p.element.activation_planes_per_cycle
        found: list[Value] = []
        for row in range(p.rows):
            m.submodules[f"activations_{row}"] = element = BinaryElement(p.activation_sum)
            to = element.beats.payload
            flags: dict[str, Value] = {"shift": given.count_shift}
            if p.element.activations != "unsigned":
                flags["activations_negative"] = given.activations_negative
            m.d.comb += [
                element.beats.valid.eq(beat & given.counts),
                to.activations.eq(given.activations.word_select(row, width)),
                to.weights.eq(Const(1, 1).replicate(p.element.lanes)),
                to.first.eq(given.count_first),
                to.last.eq(given.last),
                *(to[name].eq(flags[name]) for name in binary_flags(p.activation_sum)),
                element.result.ready.eq(capture),
            ]
            found.append(element.result.payload)
        return found

    def _constants(self, m: Module, beat: Value, capture: Value) -> tuple[Value, Value]:
        """Those of the rows that the sums in the elements have, and of the columns of the waiting sums."""
        given = self.beats.payload
        rows = Signal(len(given.row_zeros), name="row_zeros_of_sums", reset_less=True)
        columns = Signal(len(given.channels), name="channels_of_sums", reset_less=True)
        waiting = Signal(len(given.channels), name="waiting_channels", reset_less=True)
        with m.If(beat & given.last):
            m.d.sync += [rows.eq(given.row_zeros), columns.eq(given.channels)]
        with m.If(capture):
            m.d.sync += waiting.eq(columns)
        return rows, waiting
