"""The binary element: planes of activations AND planes of weights, counted and added up (contract, 8)."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .binary_parameters import BinaryParameters, Signs
from .heap import Bit, BitHeap
from .modules import NamedComponent

__all__ = ["BinaryElement", "BinaryParameters", "Signs", "binary_beat_layout", "binary_flags"]


def binary_flags(parameters: BinaryParameters) -> tuple[str, ...]:
    """Flags of a beat besides `first` and `last`.

    `shift`: the sum is shifted by the unit of the rate before anything is added. `activations_negative`,
    `weights_negative`: the top plane of the block counts negative. Only those that the parameters need.
    """
    p = parameters
    needed = {
        "shift": bool(p.rate.unit),
        "activations_negative": p.activations != "unsigned",
        "weights_negative": p.weights != "unsigned",
    }
    return tuple(name for name, is_needed in needed.items() if is_needed)


def binary_beat_layout(parameters: BinaryParameters, rows: int = 1, columns: int = 1) -> data.StructLayout:
    """One cycle's worth of a sum: plane words of both sides, what to do with them, and where a sum begins
    and ends.

    `activations` and `weights` hold the planes of a block, the least significant plane lowest, for each of
    the rows, and of the columns.
    """
    p = parameters
    words = {
        "activations": rows * p.lanes * p.activation_planes_per_cycle,
        "weights": columns * p.lanes * p.weight_planes_per_cycle,
    }
    return data.StructLayout({**words, **dict.fromkeys(("first", *binary_flags(p), "last"), 1)})


class BinaryElement(NamedComponent):
    """`sum_k x w` of any bits by any bits: `sum_ij (+-) 2^(i+j) popcount(X_i AND W_j)` (contract, section 8).

    Blocks of planes come in the order of `golden.binary_order.steps`, all elements along K for one pair of
    blocks before the next: by falling significance, so that one register that is shifted now and then takes
    all of them. How many planes there are, whether their tops are negative, and how long a sum is, the beats
    say. Sums follow each other without a gap; while a result waits, the next sum waits too.

    The register counts modulo `2**sum_bits`. Shifting and adding are exact modulo any power of two, so the
    result is exact whenever it fits, whatever the register held on the way; with one plane a cycle no value
    on the way leaves the range of the result at all.

    Parameters
    ----------
    parameters : BinaryParameters

    Members
    -------
    beats : In(stream.Signature(binary_beat_layout(parameters)))
        `first` starts a sum, `last` ends it. A beat that has nothing to add has no activations set.
    result : Out(stream.Signature(signed(sum_bits)))
        One a sum, `parameters.latency` cycles after its last beat.
    """

    beats: stream.Interface
    result: stream.Interface

    def __init__(self, parameters: BinaryParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "beats": In(stream.Signature(binary_beat_layout(p))),
                "result": Out(stream.Signature(signed(p.sum_bits))),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """Control, and products and the shifted accumulator in one heap."""
        m = Module()
        p = self.parameters
        beat, full = Signal(), Signal()
        m.d.comb += [
            self.beats.ready.eq(~full | self.result.ready),
            beat.eq(self.beats.valid & self.beats.ready),
            self.result.valid.eq(full),
        ]
        with m.If(beat | self.result.ready):
            m.d.sync += full.eq(beat & self.beats.payload.last)
        accumulator = Signal(signed(p.sum_bits), reset_less=True)
        heap = BitHeap(p.sum_bits, p.adder_cells)
        self._add_products(m, heap)
        self._add_held(heap, accumulator)
        # Outside the condition, which would otherwise gate the inputs of every adder.
        total = heap.sum(m)
        with m.If(beat):
            m.d.sync += accumulator.eq(total)
        m.d.comb += self.result.payload.eq(accumulator)
        self.full_adders = heap.full_adders
        return m

    def _add_held(self, heap: BitHeap, accumulator: Signal) -> None:
        """What the register holds, shifted or not, or nothing when a sum begins."""
        given, unit = self.beats.payload, self.parameters.rate.unit
        for column, bit in enumerate(accumulator):
            held: Value = bit
            if unit:
                below = accumulator[column - unit] if column >= unit else Const(0, 1)
                held = Mux(given.shift, below, bit)
            heap.add(column, Bit(~(held & ~given.first), inverted=True))

    def _add_products(self, m: Module, heap: BitHeap) -> None:
        """The products of all pairs of planes in the beat; those with a top plane negated on request."""
        p, given = self.parameters, self.beats.payload
        flags = binary_flags(p)
        kinds: dict[tuple[bool, bool], list[tuple[int, int]]] = {}
        for i in range(p.activation_planes_per_cycle):
            for j in range(p.weight_planes_per_cycle):
                of_x = "activations_negative" in flags and i == p.activation_planes_per_cycle - 1
                of_w = "weights_negative" in flags and j == p.weight_planes_per_cycle - 1
                kinds.setdefault((of_x, of_w), []).append((i, j))
        for (of_x, of_w), pairs in kinds.items():
            if not of_x and not of_w:
                self._fill(heap, pairs)
            elif of_x and of_w:
                self._add_negated(m, heap, pairs, given.activations_negative ^ given.weights_negative, "both")
            elif of_x:
                self._add_negated(m, heap, pairs, given.activations_negative, "activations")
            else:
                self._add_negated(m, heap, pairs, given.weights_negative, "weights")

    def _fill(self, heap: BitHeap, pairs: list[tuple[int, int]]) -> None:
        p, given = self.parameters, self.beats.payload
        for i, j in pairs:
            x, w = given.activations.word_select(i, p.lanes), given.weights.word_select(j, p.lanes)
            for lane in range(p.lanes):
                heap.add(i + j, Bit(~(x[lane] & w[lane]), inverted=True))

    def _add_negated(
        self, m: Module, heap: BitHeap, pairs: list[tuple[int, int]], negate: Value, name: str
    ) -> None:
        """Add the sum of these products, or subtract it where `negate` is set.

        It is reduced to at most two bits a column first, so that only few bits are complemented: a sum
        `s = sum b * 2**c` has `-s = sum (1 - b) * 2**c - sum 2**c`.
        """
        p = self.parameters
        most = p.lanes * sum(1 << (i + j) for i, j in pairs)
        inner = BitHeap(min(most.bit_length(), p.sum_bits), p.adder_cells, prefix=f"{name}_")
        self._fill(inner, pairs)
        negated = Signal(name=f"negate_{name}")
        m.d.comb += negated.eq(negate)
        missing = 0
        for column, bits in enumerate(inner.reduce(m, height=2, fold_constant=False)):
            for bit in bits:
                heap.add(column, Bit(bit.value ^ negated, bit.inverted, bit.level))
                missing += 1 << column
        # -missing = (2**top - missing) - 2**top, in few bits because the rows are nearly full.
        top = missing.bit_length()
        for column in range(top):
            if ((1 << top) - missing) >> column & 1:
                heap.add(column, Bit(negated))
        heap.add(top, Bit(negated), subtract=True)
