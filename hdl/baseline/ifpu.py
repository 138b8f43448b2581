"""iFPU as a bit-serial element: aligned activations times one bit of each weight a cycle (ICLR 2023).

What the description gives: activations aligned to the largest exponent of their group with a very wide
mantissa, weights taken bit by bit, integer sums, floating point once a group. What is assumed: 40 bits of
magnitude by default, with which nothing is lost (11 significant bits and 29 places between exponents 1 and
30); two's complement on the wires, so that the aligner negates once for a row of elements; 16 lanes, so that
INT4 weights take 4 multiply-adds a cycle; 16 activations stay for the four cycles of their weights' bits; the
sum is rounded to FP32 and multiplied by the scale of the group (`hdl.baseline.group_scale`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from golden.baseline.align import aligned_range
from golden.baseline.ifpu import EXACT_MANTISSA_BITS
from golden.interval import Interval
from hdl.float32 import BIAS, EXPONENT_BITS
from hdl.heap import Bit, BitHeap
from hdl.ranges import Ranged, assign, wrap
from hdl.slots import selected

from .bfp import groups_layout
from .fused_loop import ProductWindow
from .group_end import GroupEnd
from .lanes import LaneParameters, ScaledElement

__all__ = ["Ifpu", "IfpuParameters", "batches_layout"]

_LEVEL_BITS = 4
_GROUP = 64


@dataclass(frozen=True, kw_only=True)
class IfpuParameters(LaneParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    mantissa_bits : int
        Of an aligned magnitude, 11 to 40.
    lanes : int
        Activations that meet a bit of their weights in one cycle: 4, 8, 16 or 32.
    weights, adder_cells
        As for `LaneParameters`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lane_counts: ClassVar[Sequence[int]] = (4, 8, 16, 32)

    mantissa_bits: int = EXACT_MANTISSA_BITS
    lanes: int = 16

    def __post_init__(self) -> None:
        if not 11 <= self.mantissa_bits <= EXACT_MANTISSA_BITS:
            raise ValueError(
                f"mantissa_bits must be from 11 to {EXACT_MANTISSA_BITS}, not {self.mantissa_bits}"
            )
        super().__post_init__()

    @property
    def bits(self) -> int:
        """Of an aligned activation, sign included."""
        return self.mantissa_bits + 1

    @property
    def plane_range(self) -> Interval:
        """Sum of the activations whose weights have a bit set."""
        return aligned_range(self.bits, "sign-magnitude").times(self.lanes)

    @property
    def sum_range(self) -> Interval:
        """Every sum of a group, and every sum on the way there."""
        one = aligned_range(self.bits, "sign-magnitude") * Interval.of_bits(_LEVEL_BITS, signed=True)
        return one.times(_GROUP)

    @property
    def window(self) -> ProductWindow:
        """In which the sum of a group is rounded: its top is one place below that of the sum."""
        return ProductWindow(largest=(1 << (self.sum_range.bits - 3)) - 1, lack=0)

    @property
    def macs_per_cycle(self) -> Fraction:
        """A lane takes as many cycles as a weight has bits."""
        return Fraction(self.lanes, _LEVEL_BITS)

    @property
    def latency(self) -> int:
        """Cycles from the transfer of the last activations of a row to its result."""
        return 6

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return f"{self.lanes}x{self.bits}_{self.ending}"


def batches_layout(parameters: IfpuParameters) -> data.StructLayout:
    """An aligned activation for each lane in two's complement, and where a group begins and ends."""
    return data.StructLayout({"values": parameters.lanes * parameters.bits, "first": 1, "last": 1})


class Ifpu(ScaledElement):
    """`T = sum_i q_i * level_i`, exact, `A <- round_fp32(A + round_fp32(T * 2^k) * scale)`.

    `2^k` is the unit of the aligned activations, `k = E - 13 - bits`.

    Parameters
    ----------
    parameters : IfpuParameters

    Members
    -------
    activations : In(stream.Signature(batches_layout(parameters)))
        Integers that FP16 values were aligned to, `lanes` of a group; each item is taken in its fourth cycle.
    levels, load
        INT4, as `LaneElement` has them.
    groups, results, nonfinite, clear_nonfinite
        As `ScaledElement` has them: exponent, scale, where a row of groups begins and ends; flagged are
        scales.
    """

    def __init__(self, parameters: IfpuParameters):
        self.parameters = p = parameters
        beat = batches_layout(p)
        super().__init__(beat, groups_layout(0), lanes=p.lanes, level_bits=_LEVEL_BITS, place=p.weights)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_ifpu_{self.parameters.name}"

    def build(self) -> Module:
        """Control, the sum of a plane, the sum of a group, and what follows it."""
        m = Module()
        p = self.parameters
        full, free, beat, added = (Signal(name=name) for name in ("full", "free", "beat", "added"))
        step = Signal(2)
        weights_ready, levels = self.weights(m, beat & (step == _LEVEL_BITS - 1))
        given = self.activations.payload
        m.d.comb += [
            beat.eq(self.activations.valid & weights_ready & free),
            self.activations.ready.eq(weights_ready & free & (step == _LEVEL_BITS - 1)),
        ]
        with m.If(beat):
            m.d.sync += step.eq(step + 1)

        # First register: the sum of the lanes whose weights have this cycle's bit set, top bits first.
        heap = BitHeap(p.plane_range.bits, p.adder_cells)
        for lane in range(p.lanes):
            level = levels.word_select(lane, _LEVEL_BITS)
            bit = Signal(name=f"bit_{lane}")
            m.d.comb += bit.eq(selected(list(reversed(level)), step))
            value = given.values.word_select(lane, p.bits)
            for j in range(p.bits):
                heap.add(j, Bit(~(value[j] & bit), inverted=True), subtract=j == p.bits - 1)
        plane = Signal(signed(p.plane_range.bits), reset_less=True)
        plane_step = Signal(2, reset_less=True)
        begins, ends = Signal(reset_less=True), Signal(reset_less=True)
        total = heap.sum(m)
        with m.If(free):
            m.d.sync += [
                added.eq(beat),
                plane.eq(total),
                plane_step.eq(step),
                begins.eq(given.first & (step == 0)),
                ends.eq(given.last & (step == _LEVEL_BITS - 1)),
            ]

        # Second register: the sum of the group. The top bit of a weight counts -8.
        held = Signal(signed(p.sum_range.bits), reset_less=True)
        negative = plane_step == 0
        chosen = plane ^ negative.replicate(len(plane)).as_signed()
        weighted = self._shifted(m, chosen, ~plane_step)
        # -s * 8 = (~s + 1) * 8.
        correction = Cat(Const(0, 3), negative, Const(0, 1)).as_signed()
        before = Mux(begins, 0, held)
        after = Ranged.of(before) + Ranged.of(weighted) + Ranged.of(correction)
        after = wrap(after, p.sum_range.bits, is_signed=True)  # which holds every sum on the way
        with m.If(free & added):
            m.d.sync += held.eq(after.value)
        converted = Signal()
        m.d.comb += free.eq(~full | converted)
        with m.If(free):
            m.d.sync += full.eq(added & ends)
        m.d.comb += converted.eq(self._convert(m, held, full))
        return m

    def _shifted(self, m: Module, value: Value, places: Value) -> Value:
        """`value * 2**places`."""
        for k, bit in enumerate(places):
            shifted = Signal(signed(len(value) + (1 << k)), name=f"shifted_{k}")
            sign = value[-1].replicate(1 << k)
            m.d.comb += shifted.eq(Mux(bit, Cat(Const(0, 1 << k), value), Cat(value, sign)))
            value = shifted
        return value

    def _convert(self, m: Module, held: Signal, full: Value) -> Value:
        """Round the sum to FP32, hand it over with its scale; whether it is taken, if there is one."""
        p = self.parameters
        m.submodules.end = end = GroupEnd(p.window, p.adder_cells)
        groups = self.groups.payload
        # The unit of the sum is 2^(E - 13 - bits), and the top of the window bit `window.bits - 2`.
        offset = Ranged.constant(BIAS - 13 - p.bits + p.window.bits - 2)
        field = wrap(Ranged.of(groups.exponent) + offset, EXPONENT_BITS, is_signed=False)
        m.d.comb += [
            assign(Ranged(end.sums.payload.total, p.window.total), Ranged(held, p.sum_range)),
            end.sums.payload.field.eq(field.value),
            end.sums.valid.eq(full),
            end.groups.valid.eq(self.groups.valid),
            self.groups.ready.eq(end.groups.ready),
            *(end.groups.payload[name].eq(groups[name]) for name in ("scale", "first", "last")),
        ]
        self.ending(m, end)
        return end.sums.ready
