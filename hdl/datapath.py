"""One row of the Anda datapath, end to end: compressor, processing elements, accumulators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from amaranth.hdl import Array, Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .accumulator import Accumulator, AccumulatorParameters
from .compressor import Compressor, CompressorParameters, group_layout
from .modules import NamedComponent
from .pe import PeParameters, ProcessingElement
from .weights import WeightBuffer, levels_layout

__all__ = ["Datapath", "DatapathParameters", "row_result_layout"]


@dataclass(frozen=True, kw_only=True)
class DatapathParameters:
    """Parts that fit together, and how many of them.

    Parameters
    ----------
    compressor : CompressorParameters
        With one lane.
    pe : PeParameters
    accumulator : AccumulatorParameters
        Its slots say whether one serves all columns, or each column has one of its own.
    columns : int
        Processing elements in the row.

    Raises
    ------
    ValueError
        Two parts do not fit each other.
    """

    compressor: CompressorParameters
    pe: PeParameters
    accumulator: AccumulatorParameters
    columns: int

    def __post_init__(self) -> None:
        pairs = [
            ("group", self.compressor.group, "lanes of the element", self.pe.lanes),
            ("encoding", self.compressor.encoding, "that of the element", self.pe.encoding),
            ("max_planes", self.compressor.max_planes, "that of the element", self.pe.max_planes),
            (
                "max_planes",
                self.compressor.max_planes,
                "that of the accumulator",
                self.accumulator.max_planes,
            ),
            ("sum_bits of the element", self.pe.sum_bits, "the accumulator's", self.accumulator.sum_bits),
        ]
        for name, value, other, wanted in pairs:
            if value != wanted:
                raise ValueError(f"{name} must be equal to {other}, {wanted}, not {value}")
        if self.pe.products == "pairs":
            raise ValueError(
                "the sums of pairs are shared by the rows of a column, and a datapath has one row: "
                "products must be lanes, not pairs"
            )
        if self.compressor.lanes != 1 or self.pe.planes_per_cycle != 1:
            raise ValueError(
                "a row takes one lane and one plane a cycle, not "
                f"{self.compressor.lanes} lanes and {self.pe.planes_per_cycle} planes"
            )
        if self.columns < 1 or self.accumulator.slots not in (1, self.columns):
            raise ValueError(
                f"an accumulator must have 1 slot or one for each of the {self.columns} columns, "
                f"not {self.accumulator.slots}"
            )

    @property
    def column_bits(self) -> int:
        """Width of a column number."""
        return (self.columns - 1).bit_length()

    @property
    def latency(self) -> int:
        """Cycles from the last plane of a row to its first result."""
        return self.pe.latency + self.accumulator.latency

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        pe = self.pe.name.removeprefix("anda_pe_")
        a = self.accumulator
        return f"anda_datapath_{self.columns}_{pe}_{self.compressor.rounding}_s{a.slots}_{a.output}"


def row_result_layout(parameters: DatapathParameters) -> data.StructLayout:
    """One result: the bits of an FP32 or FP16 value, and its column."""
    column = {"column": parameters.column_bits} if parameters.column_bits else {}
    return data.StructLayout({"value": parameters.accumulator.value_bits, **column})


class Datapath(NamedComponent):
    """Rows of FP16 activations times columns of weights, everything on chip (contract, sections 1 to 6).

    The compressor's planes are broadcast to all elements of the row, which work in lockstep. Their sums go to
    the accumulators one column a cycle, together with the scale of that column's weights, and the next group
    begins when the last one has gone: a group takes `planes` cycles and those of its columns.

    Parameters
    ----------
    parameters : DatapathParameters

    Members
    -------
    activations : In(stream.Signature(group_layout(compressor)))
        Groups of a row in ascending K; `last` marks the final one of the row.
    group_planes : In
        Words a group occupies, stable while rows are on their way.
    levels : In(stream.Signature(levels_layout(lanes, level_bits)))
        Weight levels: for each group of the row those of column 0, column 1, and so on.
    scales : In(stream.Signature(16))
        The FP16 scales that belong to them, in the same order.
    results : Out(stream.Signature(row_result_layout(parameters)))
        One a column and row, columns ascending.
    nonfinite : Out(1)
        Sticky: an activation or a scale was infinite or NaN, and replaced as the contract says.
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    overflow, clear_overflow : Out(1), In(1)
        FP16 results only: likewise for a result that left as the largest finite value.
    """

    activations: stream.Interface
    group_planes: Signal
    levels: stream.Interface
    scales: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: DatapathParameters):
        self.parameters = p = parameters
        ports = {
            "activations": In(stream.Signature(group_layout(p.compressor))),
            "group_planes": In(p.compressor.planes_range.bits),
            "levels": In(stream.Signature(levels_layout(p.pe.lanes, p.pe.level_bits))),
            "scales": In(stream.Signature(16)),
            "results": Out(stream.Signature(row_result_layout(p))),
            "nonfinite": Out(1),
            "clear_nonfinite": In(1),
        }
        if p.accumulator.output == "fp16":
            ports |= {"overflow": Out(1), "clear_overflow": In(1)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """The parts, each connected to the next."""
        m = Module()
        p = self.parameters
        m.submodules.compressor = compressor = Compressor(p.compressor)
        elements = [ProcessingElement(p.pe) for _ in range(p.columns)]
        accumulators = [Accumulator(p.accumulator) for _ in range(p.columns // p.accumulator.slots)]
        for column, pe in enumerate(elements):
            m.submodules[f"pe_{column}"] = pe
        for number, accumulator in enumerate(accumulators):
            m.submodules[f"accumulator_{number}"] = accumulator
        m.d.comb += [
            compressor.activations.payload.eq(self.activations.payload),
            compressor.activations.valid.eq(self.activations.valid),
            self.activations.ready.eq(compressor.activations.ready),
            compressor.group_planes.eq(self.group_planes),
            compressor.clear_nonfinite.eq(self.clear_nonfinite),
        ]
        weights_valid = self._weights(m, elements)
        row_last, exponent = self._broadcast(m, compressor, elements, weights_valid)
        self._drain(m, elements, accumulators, row_last, exponent)
        self._results(m, accumulators)
        flags = [compressor.nonfinite, *(a.nonfinite for a in accumulators)]
        m.d.comb += self.nonfinite.eq(reduce(or_, flags))
        if p.accumulator.output == "fp16":
            m.d.comb += self.overflow.eq(reduce(or_, (a.overflow for a in accumulators)))
        for accumulator in accumulators:
            m.d.comb += accumulator.planes.eq(self.group_planes)
            m.d.comb += accumulator.clear_nonfinite.eq(self.clear_nonfinite)
            if p.accumulator.output == "fp16":
                m.d.comb += accumulator.clear_overflow.eq(self.clear_overflow)
        return m

    def _weights(self, m: Module, elements: list[ProcessingElement]) -> Value:
        """Deal sets of levels out to the columns in turn; whether all columns have theirs."""
        p = self.parameters
        loads, valid = [], []
        for column, pe in enumerate(elements):
            if p.pe.weights == "inside":
                loads.append(pe.load)
                continue
            buffer = WeightBuffer(lanes=p.pe.lanes, level_bits=p.pe.level_bits)
            m.submodules[f"weights_{column}"] = buffer
            m.d.comb += [
                pe.levels.eq(buffer.levels),
                buffer.retire.eq(pe.planes.valid & pe.planes.ready & pe.planes.payload.last),
            ]
            loads.append(buffer.load)
            valid.append(buffer.valid)
        turn = self._turn(m, self.levels.valid & self.levels.ready, "load")
        m.d.comb += self.levels.ready.eq(Array(load.ready for load in loads)[turn])
        for column, load in enumerate(loads):
            m.d.comb += [
                load.payload.eq(self.levels.payload),
                load.valid.eq(self.levels.valid & (turn == column)),
            ]
        return reduce(and_, valid, Const(1, 1))

    def _broadcast(
        self, m: Module, compressor: Compressor, elements: list[ProcessingElement], weights_valid: Value
    ) -> tuple[Value, Value]:
        """Give each plane to all elements at once.

        Returns
        -------
        row_last, exponent
            Of the group whose sums the elements hold: whether it ends the row, and its shared exponent.
        """
        planes = compressor.planes
        accepted_last = Signal(reset_less=True)
        row_last = Signal(reset_less=True)
        exponent = Signal(len(planes.payload.exponents), reset_less=True)
        ready, beat = Signal(), Signal()
        m.d.comb += [
            ready.eq(reduce(and_, (pe.planes.ready for pe in elements)) & weights_valid),
            beat.eq(planes.valid & planes.payload.lanes_valid & ready),
            planes.ready.eq(ready),
        ]
        for pe in elements:
            m.d.comb += [
                pe.planes.valid.eq(beat),
                pe.planes.payload.words.eq(planes.payload.words),
                pe.planes.payload.first.eq(planes.payload.first),
                pe.planes.payload.last.eq(planes.payload.last),
            ]
        # The compressor holds one group: what came with it is known until its last plane has gone.
        with m.If(self.activations.valid & self.activations.ready):
            m.d.sync += accepted_last.eq(self.activations.payload.last)
        with m.If(beat & planes.payload.last):
            m.d.sync += [row_last.eq(accepted_last), exponent.eq(planes.payload.exponents)]
        return row_last, exponent

    def _drain(
        self,
        m: Module,
        elements: list[ProcessingElement],
        accumulators: list[Accumulator],
        row_last: Value,
        exponent: Value,
    ) -> None:
        """Hand the sums of a group over, one column a cycle, each with its scale."""
        p = self.parameters
        row_first = Signal(init=1)
        moved, present = Signal(), Signal()
        column = self._turn(m, moved, "drain")
        owners = accumulators * p.accumulator.slots
        m.d.comb += [
            present.eq(Array(pe.result.valid for pe in elements)[column] & self.scales.valid),
            moved.eq(present & Array(owner.sums.ready for owner in owners)[column]),
            self.scales.ready.eq(moved),
        ]
        with m.If(moved & (column == p.columns - 1)):
            m.d.sync += row_first.eq(row_last)
        for number, accumulator in enumerate(accumulators):
            given = accumulator.sums.payload
            mine = column == number if len(accumulators) > 1 else Const(1, 1)
            own = elements[number].result.payload
            m.d.comb += [
                accumulator.sums.valid.eq(present & mine),
                given.sum.eq(
                    own if p.accumulator.slots == 1 else Array(pe.result.payload for pe in elements)[column]
                ),
                given.exponent.eq(exponent),
                given.scale.eq(self.scales.payload),
                given.first.eq(row_first),
                given.last.eq(row_last),
            ]
            if p.accumulator.slots > 1:
                m.d.comb += given.slot.eq(column)
        for number, pe in enumerate(elements):
            m.d.comb += pe.result.ready.eq(moved & (column == number))

    def _results(self, m: Module, accumulators: list[Accumulator]) -> None:
        """Let the results out in order of their columns."""
        p = self.parameters
        given, out = [a.results for a in accumulators], self.results
        if p.accumulator.slots > 1:
            m.d.comb += out.payload.column.eq(given[0].payload.slot)
            turn: Value = Const(0, 1)
        else:
            turn = self._turn(m, out.valid & out.ready, "result")
            if p.column_bits:
                m.d.comb += out.payload.column.eq(turn)
        m.d.comb += [
            out.valid.eq(Array(each.valid for each in given)[turn]),
            out.payload.value.eq(Array(each.payload.value for each in given)[turn]),
            *(each.ready.eq(out.ready & (turn == number)) for number, each in enumerate(given)),
        ]

    def _turn(self, m: Module, step: Value, name: str) -> Value:
        """A column number that steps from 0 to the last column and back to 0."""
        p = self.parameters
        if p.columns == 1:
            return Const(0, 1)
        turn = Signal(p.column_bits, name=f"{name}_column")
        with m.If(step):
            m.d.sync += turn.eq(turn + 1)
            with m.If(turn == p.columns - 1):
                m.d.sync += turn.eq(0)
        return turn
