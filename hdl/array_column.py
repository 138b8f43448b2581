"""One column of the array: processing elements, the registers that their sums leave by, FP32 accumulators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import and_, or_

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format

from .accumulator import Accumulator, AccumulatorParameters, ResultFormat
from .column import PeColumn, load_shape
from .decoder import verilog_name
from .modules import NamedComponent
from .pe import PeParameters, beat_layout
from .weights import WeightBuffer

__all__ = ["EXPONENT_BITS", "ArrayColumn", "ArrayParameters", "weights_layout"]

EXPONENT_BITS = 5
SCALE_BITS = 16


@dataclass(frozen=True, kw_only=True)
class ArrayParameters:
    """Everything that shapes an array.

    Parameters
    ----------
    pe : PeParameters
        Of every element. Weights outside: one buffer for all rows of a column. Inside: one in every element,
        as published.
    rows : int
        Rows of activations that are multiplied at the same time, 1 to 64.
    columns : int
        Output channels at the same time, 1 to 64.
    sharing : int
        Elements of a column that one accumulator serves; it divides `rows`.
    columns_per_load : int
        Columns that get their weights in one cycle; it divides `columns`.
    output : str
        "fp32" or "fp16".
    format : Format or None
        Of the weight codes that are loaded; None loads levels.

    Raises
    ------
    ValueError
        A parameter is out of its range, or two do not fit each other.
    """

    pe: PeParameters
    rows: int = 4
    columns: int = 4
    sharing: int = 4
    columns_per_load: int = 1
    output: ResultFormat = "fp16"
    format: Format | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            if not 1 <= getattr(self, name) <= 64:
                raise ValueError(f"{name} must be from 1 to 64, not {getattr(self, name)}")
        for name, divided in (("sharing", "rows"), ("columns_per_load", "columns")):
            part, whole = getattr(self, name), getattr(self, divided)
            if part < 1 or whole % part:
                raise ValueError(f"{name} must divide the {whole} {divided}, which {part} does not")

    @property
    def accumulator(self) -> AccumulatorParameters:
        """Of every accumulator."""
        return AccumulatorParameters(
            sum_bits=self.pe.sum_bits,
            max_planes=self.pe.max_planes,
            slots=self.sharing,
            output=self.output,
            adder_cells=self.pe.adder_cells,
            always_taken=True,
        )

    @property
    def banks(self) -> int:
        """Accumulators in a column: results that it gives in one cycle."""
        return self.rows // self.sharing

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a tile to the results of its first slot."""
        return self.pe.latency + self.accumulator.latency + (self.sharing > 1)

    @property
    def name(self) -> str:
        """The parameters in a word, as a part of a Verilog module name carries them."""
        form = f"_{verilog_name(self.format)}" if self.format else ""
        pe = self.pe.name.removeprefix("anda_pe_")
        return f"{self.rows}_{pe}_s{self.sharing}_{self.output}{form}"


def weights_layout(parameters: ArrayParameters) -> data.StructLayout:
    """What one column gets for one group: its levels or codes, and the FP16 bits of its scale."""
    return data.StructLayout({"weights": load_shape(parameters.pe, parameters.format), "scale": SCALE_BITS})


class ArrayColumn(NamedComponent):
    """The elements of one column from weights and plane words to results (contract, sections 5 and 6).

    All columns of an array work in lockstep, so what tells them when is common to all and comes from outside.

    Sums leave the elements together, into registers where they wait for their accumulator: the elements begin
    the next group in the cycle after, and a group costs its beats alone as long as these are no fewer than
    `sharing`. Where every element has an accumulator of its own there are no such registers.

    Parameters
    ----------
    parameters : ArrayParameters

    Members
    -------
    load : In(stream.Signature(weights_layout(parameters)))
        One set a group, in order.
    planes : In(stream.Signature(beat_layout(rows * word_bits, planes_per_cycle)))
        As `PeColumn` takes them; for products of pairs as lines.
    group_planes : In
        Words that a group occupies.
    sums_valid : Out(1)
        The sums of a group are there.
    capture : In(1)
        Take them away from the elements; only while `sums_valid`.
    step, slot, first, last, exponents : In
        Hand the sums of one slot to the accumulators: row `bank * sharing + slot` of each bank, with the
        shared exponents of these rows, and whether its group is the first and the last of the tile.
    sums_ready : Out(1)
        The accumulators would take them.
    results_valid, results_slot, results_values : Out
        The results of one slot, bank 0 in the least significant bits; for one cycle.
    nonfinite, overflow : Out(1)
        Of any accumulator; overflow with FP16 results only.
    clear_nonfinite, clear_overflow : In(1)
    """

    load: stream.Interface
    planes: stream.Interface
    group_planes: Signal
    sums_valid: Signal
    capture: Signal
    step: Signal
    slot: Signal
    first: Signal
    last: Signal
    exponents: Signal
    sums_ready: Signal
    results_valid: Signal
    results_slot: Signal
    results_values: Signal
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: ArrayParameters):
        self.parameters = p = parameters
        a = p.accumulator
        ports = {
            "load": In(stream.Signature(weights_layout(p))),
            "planes": In(stream.Signature(beat_layout(p.rows * p.pe.word_bits, p.pe.planes_per_cycle))),
            "group_planes": In(a.window.planes.bits),
            "sums_valid": Out(1),
            "capture": In(1),
            "step": In(1),
            "first": In(1),
            "last": In(1),
            "exponents": In(p.banks * EXPONENT_BITS),
            "sums_ready": Out(1),
            "results_valid": Out(1),
            "results_values": Out(p.banks * a.value_bits),
            "nonfinite": Out(1),
            "clear_nonfinite": In(1),
        }
        if a.slot_bits:
            ports |= {"slot": In(a.slot_bits), "results_slot": Out(a.slot_bits)}
        if a.output == "fp16":
            ports |= {"overflow": Out(1), "clear_overflow": In(1)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_array_column_{self.parameters.name}"

    def build(self) -> Module:
        """Elements, scales, waiting sums and accumulators."""
        m = Module()
        p = self.parameters
        lines = p.pe.products == "pairs"
        m.submodules.elements = elements = PeColumn(p.pe, rows=p.rows, format=p.format, lines=lines)
        scale = self._load(m, elements)
        m.d.comb += [
            elements.planes.payload.eq(self.planes.payload),
            elements.results.ready.eq(self.capture),
            self.sums_valid.eq(elements.results.valid),
        ]
        sums = self._waiting(m, elements.results.payload) if p.sharing > 1 else None
        accumulators = [Accumulator(p.accumulator) for _ in range(p.banks)]
        for bank, accumulator in enumerate(accumulators):
            m.submodules[f"accumulator_{bank}"] = accumulator
            given = accumulator.sums.payload
            m.d.comb += [
                accumulator.planes.eq(self.group_planes),
                accumulator.sums.valid.eq(self.step),
                given.sum.eq(elements.results.payload[bank] if sums is None else sums[bank]),
                given.exponent.eq(self.exponents.word_select(bank, EXPONENT_BITS)),
                given.scale.eq(scale),
                given.first.eq(self.first),
                given.last.eq(self.last),
                accumulator.clear_nonfinite.eq(self.clear_nonfinite),
                self.results_values.word_select(bank, p.accumulator.value_bits).eq(
                    accumulator.results.payload.value
                ),
            ]
            if p.sharing > 1:
                m.d.comb += given.slot.eq(self.slot)
            if p.output == "fp16":
                m.d.comb += accumulator.clear_overflow.eq(self.clear_overflow)
        m.d.comb += [
            # Equal for all of them, as they work in lockstep.
            self.sums_ready.eq(reduce(and_, (a.sums.ready for a in accumulators))),
            self.results_valid.eq(reduce(and_, (a.results.valid for a in accumulators))),
            self.nonfinite.eq(reduce(or_, (a.nonfinite for a in accumulators))),
        ]
        if p.sharing > 1:
            slots = (a.results.payload.slot for a in accumulators)
            m.d.comb += self.results_slot.eq(reduce(and_, slots))
        if p.output == "fp16":
            m.d.comb += self.overflow.eq(reduce(or_, (a.overflow for a in accumulators)))
        return m

    def _load(self, m: Module, elements: PeColumn) -> Value:
        """Weights and their scale go separate ways, and meet again at the accumulators.

        Returns
        -------
        Value
            The scale of the sums that are handed over.
        """
        # The scale is one level of 16 bits to the registers that keep it beside the weights.
        m.submodules.scales = scales = WeightBuffer(lanes=1, level_bits=SCALE_BITS)
        beat, ready = Signal(), Signal()
        m.d.comb += [
            ready.eq(elements.load.ready & scales.load.ready),
            self.load.ready.eq(ready),
            elements.load.payload.eq(self.load.payload.weights),
            elements.load.valid.eq(self.load.valid & ready),
            scales.load.payload.eq(self.load.payload.scale),
            scales.load.valid.eq(self.load.valid & ready),
            elements.planes.valid.eq(self.planes.valid & scales.valid),
            self.planes.ready.eq(elements.planes.ready & scales.valid),
            beat.eq(elements.planes.valid & elements.planes.ready),
            scales.retire.eq(beat & self.planes.payload.last),
        ]
        summed = Signal(SCALE_BITS, name="scale_of_sums", reset_less=True)
        with m.If(scales.retire):
            m.d.sync += summed.eq(scales.levels.as_value())
        if self.parameters.sharing == 1:
            return summed
        waiting = Signal(SCALE_BITS, name="scale_of_waiting", reset_less=True)
        with m.If(self.capture):
            m.d.sync += waiting.eq(summed)
        return waiting

    def _waiting(self, m: Module, sums: data.View[data.ArrayLayout]) -> list[Value]:
        """Registers for the sums of all rows, those of a bank in a chain that moves with every step."""
        p = self.parameters
        heads: list[Value] = []
        for bank in range(p.banks):
            chain = [
                Signal(signed(p.pe.sum_bits), name=f"waiting_{bank * p.sharing + slot}", reset_less=True)
                for slot in range(p.sharing)
            ]
            with m.If(self.capture):
                m.d.sync += [
                    register.eq(sums[bank * p.sharing + slot]) for slot, register in enumerate(chain)
                ]
            with m.Elif(self.step):
                m.d.sync += [register.eq(after) for register, after in pairwise(chain)]
            heads.append(chain[0])
        return heads
