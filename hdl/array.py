"""The array: rows of activations times columns of weights, output stationary."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .array_column import EXPONENT_BITS, ArrayColumn, ArrayParameters, weights_layout
from .modules import NamedComponent
from .pairs import lines_of

__all__ = ["STALLS", "Array", "ArrayParameters", "array_planes_layout", "array_results_layout"]

#: Why a cycle passes without a beat.
STALLS = ("planes", "weights", "sums", "results")


def array_planes_layout(parameters: ArrayParameters) -> data.StructLayout:
    """One beat of every row, row 0 in the least significant bits of each field.

    The exponents count in the last beat of a group. `tile_last` is set throughout the last group of a tile.
    """
    p = parameters
    return data.StructLayout(
        {
            "words": p.rows * p.pe.lanes * p.pe.planes_per_cycle,
            "exponents": p.rows * EXPONENT_BITS,
            "first": 1,
            "last": 1,
            "tile_last": 1,
        }
    )


def array_results_layout(parameters: ArrayParameters) -> data.StructLayout:
    """Results of one slot: for bank 0 those of all columns, then bank 1; column 0 in the least significant
    bits. Bank `b` and slot `s` are row `b * sharing + s`.
    """
    a = parameters.accumulator
    slot = {"slot": a.slot_bits} if a.slot_bits else {}
    return data.StructLayout({"values": parameters.banks * parameters.columns * a.value_bits, **slot})


class Array(NamedComponent):
    """A tile of a matrix product: `rows` rows of activations times `columns` columns of weights.

    `out[r, c] = sum_g T(r, c, g) * scale(c, g) * 2^k(r, g)`, rounded to FP32 once a group (contract, sections
    5 and 6). Plane words are broadcast to the columns; weights are loaded column by column for the next group
    while the current one is multiplied. A group takes as many cycles as it has beats if these are at least
    `sharing` and at least `columns / columns_per_load`, and its data are there.

    Parameters
    ----------
    parameters : ArrayParameters

    Members
    -------
    planes : In(stream.Signature(array_planes_layout(parameters)))
        The groups of a tile in ascending K, tile after tile.
    group_planes : In
        Words that a group occupies; stable while tiles are on their way.
    weights : In(stream.Signature(data.ArrayLayout(weights_layout(parameters), columns_per_load)))
        For every group those of columns 0, 1, and so on, `columns_per_load` of them in one transfer.
    results : Out(stream.Signature(array_results_layout(parameters), always_ready=True))
        `sharing` transfers a tile, slots ascending.
    room : In(1)
        Whether the consumer will take a whole tile more than it was promised before.
    promised : Out(1)
        A tile's results are on their way: `room` counts one less from the next cycle on.
    stalls : Out
        At most one is set, in each cycle without a beat: why. "planes", "weights": none at the input.
        "sums": the sums before still wait for their accumulators. "results": no room for a tile.
    beat : Out(1)
        A beat was taken.
    nonfinite, clear_nonfinite : Out(1), In(1)
        Sticky: a scale was infinite or NaN, and replaced.
    overflow, clear_overflow : Out(1), In(1)
        FP16 results only; sticky: a result left as the largest finite value.
    """

    planes: stream.Interface
    group_planes: Signal
    weights: stream.Interface
    results: stream.Interface
    room: Signal
    promised: Signal
    stalls: data.View[data.StructLayout]
    beat: Signal
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: ArrayParameters):
        self.parameters = p = parameters
        set_of_columns = data.ArrayLayout(weights_layout(p), p.columns_per_load)
        ports = {
            "planes": In(stream.Signature(array_planes_layout(p))),
            "group_planes": In(p.accumulator.window.planes.bits),
            "weights": In(stream.Signature(set_of_columns)),
            "results": Out(stream.Signature(array_results_layout(p), always_ready=True)),
            "room": In(1),
            "promised": Out(1),
            "stalls": Out(data.StructLayout(dict.fromkeys(STALLS, 1))),
            "beat": Out(1),
            "nonfinite": Out(1),
            "clear_nonfinite": In(1),
        }
        if p.output == "fp16":
            ports |= {"overflow": Out(1), "clear_overflow": In(1)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        p = self.parameters
        return f"anda_array_{p.columns}x{p.name}_l{p.columns_per_load}"

    def build(self) -> Module:
        """The columns side by side, and the control that is common to all."""
        m = Module()
        p = self.parameters
        columns = [ArrayColumn(p) for _ in range(p.columns)]
        for number, column in enumerate(columns):
            m.submodules[f"column_{number}"] = column
        ready, beat = Signal(), self.beat
        planes = self.planes if p.pe.products == "lanes" else lines_of(m, self.planes)
        m.d.comb += [
            ready.eq(reduce(and_, (column.planes.ready for column in columns))),
            beat.eq(planes.valid & ready),
            planes.ready.eq(ready),
        ]
        self._load(m, columns)
        common = self._hand_over(m, columns, ready)
        given = planes.payload
        for column in columns:
            m.d.comb += [
                column.planes.valid.eq(beat),
                column.planes.payload.words.eq(given.words),
                column.planes.payload.first.eq(given.first),
                column.planes.payload.last.eq(given.last),
                column.group_planes.eq(self.group_planes),
                column.clear_nonfinite.eq(self.clear_nonfinite),
                *(getattr(column, name).eq(value) for name, value in common.items()),
            ]
        self._results(m, columns)
        return m

    def _load(self, m: Module, columns: list[ArrayColumn]) -> None:
        """Deal the weights out, some columns at a time."""
        p = self.parameters
        turns = p.columns // p.columns_per_load
        turn: Value = Const(0, 1)
        if turns > 1:
            count = Signal(range(turns), name="load_turn")
            with m.If(self.weights.valid & self.weights.ready):
                m.d.sync += count.eq(count + 1)
                with m.If(count == turns - 1):
                    m.d.sync += count.eq(0)
            turn = count
        ready = [Signal(name=f"load_ready_{i}") for i in range(turns)]
        for number, column in enumerate(columns):
            mine, place = divmod(number, p.columns_per_load)
            own = turn == mine if turns > 1 else Const(1, 1)
            m.d.comb += [
                column.load.payload.eq(self.weights.payload[place]),
                column.load.valid.eq(self.weights.valid & self.weights.ready & own),
            ]
        for number in range(turns):
            part = columns[number * p.columns_per_load :][: p.columns_per_load]
            m.d.comb += ready[number].eq(reduce(and_, (column.load.ready for column in part)))
        m.d.comb += self.weights.ready.eq(Choice(ready)[turn])

    def _hand_over(self, m: Module, columns: list[ArrayColumn], ready: Value) -> dict[str, Value]:
        """When sums leave the elements, and when the accumulators take them.

        Returns
        -------
        dict
            What every column is told.
        """
        p = self.parameters
        present, capture, allowed = Signal(), Signal(), Signal()
        taken = Signal(name="sums_taken")
        tile_first = Signal(init=1)
        tile_last = Signal(reset_less=True)
        exponents = Signal(p.rows * EXPONENT_BITS, reset_less=True)
        given = self.planes.payload
        # Of the sums that the elements hold: known from the last beat of their group.
        with m.If(self.beat & given.last):
            m.d.sync += [tile_last.eq(given.tile_last), exponents.eq(given.exponents)]
        with m.If(capture):
            m.d.sync += tile_first.eq(tile_last)
        m.d.comb += [
            present.eq(reduce(and_, (column.sums_valid for column in columns))),
            allowed.eq(self.room | ~tile_last),
            taken.eq(reduce(and_, (column.sums_ready for column in columns))),
            self.promised.eq(capture & tile_last),
        ]
        blocked = present & ~capture
        m.d.comb += [
            self.stalls.results.eq(blocked & ~allowed),
            self.stalls.sums.eq(blocked & allowed),
            self.stalls.weights.eq(~blocked & ~ready),
            self.stalls.planes.eq(ready & ~self.planes.valid),
        ]
        if p.sharing == 1:
            m.d.comb += capture.eq(present & allowed & taken)
            return {
                "capture": capture,
                "step": capture,
                "first": tile_first,
                "last": tile_last,
                "exponents": exponents,
            }
        waiting, step, slot = self._slots(m, capture, taken)
        m.d.comb += capture.eq(present & allowed & (~waiting | (step & (slot == p.sharing - 1))))
        return {
            "capture": capture,
            "step": step,
            "slot": slot,
            **self._kept(m, capture, step, exponents, first=tile_first, last=tile_last),
        }

    def _slots(self, m: Module, capture: Value, taken: Value) -> tuple[Value, Value, Signal]:
        """Whether sums wait, whether those of one slot go, and which slot that is."""
        p = self.parameters
        waiting, step = Signal(), Signal()
        slot = Signal(p.accumulator.slot_bits)
        m.d.comb += step.eq(waiting & taken)
        with m.If(capture):
            m.d.sync += [waiting.eq(1), slot.eq(0)]
        with m.Elif(step):
            m.d.sync += slot.eq(slot + 1)
            with m.If(slot == p.sharing - 1):
                m.d.sync += waiting.eq(0)
        return waiting, step, slot

    def _kept(
        self, m: Module, capture: Value, step: Value, exponents: Value, **flags: Value
    ) -> dict[str, Value]:
        """What belongs to the waiting sums: flags, and the exponents in chains that move as the sums do."""
        p = self.parameters
        kept: dict[str, Value] = {}
        for name, flag in flags.items():
            register = Signal(name=f"waiting_{name}", reset_less=True)
            with m.If(capture):
                m.d.sync += register.eq(flag)
            kept[name] = register
        heads = []
        for bank in range(p.banks):
            mine = exponents.word_select(bank, p.sharing * EXPONENT_BITS)
            chain = Signal(p.sharing * EXPONENT_BITS, name=f"waiting_exponents_{bank}", reset_less=True)
            with m.If(capture):
                m.d.sync += chain.eq(mine)
            with m.Elif(step):
                m.d.sync += chain.eq(Cat(chain[EXPONENT_BITS:], Const(0, EXPONENT_BITS)))
            heads.append(chain[:EXPONENT_BITS])
        return kept | {"exponents": Cat(*heads)}

    def _results(self, m: Module, columns: list[ArrayColumn]) -> None:
        """The results of all columns side by side, and the flags of any."""
        p = self.parameters
        bits = p.accumulator.value_bits
        values = [
            column.results_values.word_select(bank, bits) for bank in range(p.banks) for column in columns
        ]
        m.d.comb += [
            # Equal for all columns, as they work in lockstep; naming all of them keeps that visible.
            self.results.valid.eq(reduce(and_, (column.results_valid for column in columns))),
            self.results.payload.values.eq(Cat(*values)),
            self.nonfinite.eq(reduce(or_, (column.nonfinite for column in columns))),
        ]
        if p.sharing > 1:
            m.d.comb += self.results.payload.slot.eq(reduce(and_, (c.results_slot for c in columns)))
        if p.output == "fp16":
            m.d.comb += self.overflow.eq(reduce(or_, (column.overflow for column in columns)))
            for column in columns:
                m.d.comb += column.clear_overflow.eq(self.clear_overflow)
