"""FP16 times INT4 without dequantizing, each product added in FP32 (the FP-INT element of the Anda paper).

What the description gives: FP16 activations, INT4 weights, a multiplier for this pair, floating-point
accumulation, four products a cycle. What is assumed: the product of 11 and 4 bits is exact and rounded into
an FP32 sum of its lane, one rounding a product; a group's scale multiplies the FP32 sums of its lanes when
they are complete, and the exact products are added in FP32, one after the other (`hdl.baseline.group_scale`).
An addition takes two cycles, so two groups of a row are under way: even ones in one slot, odd ones in the
other, each beginning when the other is half done. Then a group ends every 16 cycles and nothing ever waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import get_args

from amaranth.hdl import Const, Module, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.float32 import BIAS, EXPONENT_BITS
from hdl.fp16 import Fp16Fields
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.multiplier import signed_product
from hdl.pe_parameters import WeightPlace
from hdl.ranges import Ranged, assign
from hdl.weights import WeightBuffer, levels_layout

from .fp_fp import normalised_significand, operands_layout
from .fused_loop import FusedLoop, ProductWindow, selected
from .group_scale import GroupScale

__all__ = ["LEVEL_PRODUCTS", "FpInt", "FpIntParameters", "LevelProduct", "scales_layout"]

_LEVEL_BITS = 4
_LEVELS = Interval.of_bits(_LEVEL_BITS, signed=True)
_SIGNIFICANDS = Interval(0, 2047)
#: A significand of 2^9 to 2047 times a level of 1 to 8: the leading bit is bit 9 at least, bit 13 at most.
LEVEL_PRODUCTS = ProductWindow(largest=8 * 2047, lack=4)


class LevelProduct(NamedComponent):
    """The exact product of an FP16 value and an INT4 level as `FusedLoop` takes it, combinational.

    An activation that is not finite is replaced as contract 1 says.

    Parameters
    ----------
    cells : AdderCells
        The adder cells to build from.

    Members
    -------
    value : In(16)
    level : In(signed(4))
    product : Out(signed)
    field : Out(8)
    nonfinite : Out(1)
        The activation was replaced.
    """

    clocked = False
    value: Signal
    level: Signal
    product: Signal
    field: Signal
    nonfinite: Signal

    def __init__(self, cells: AdderCells = AdderCells.PLAIN):
        self.cells = cells
        ports = {"value": In(16), "level": In(signed(_LEVEL_BITS))}
        product = Out(signed(LEVEL_PRODUCTS.product.bits))
        super().__init__({**ports, "product": product, "field": Out(EXPONENT_BITS), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """`baseline_level_product`, or with `_inv`."""
        return f"baseline_level_product{'_inv' if self.cells is AdderCells.INVERTING else ''}"

    def build(self) -> Module:
        """Normalise the activation, multiply, count."""
        m = Module()
        m.submodules.fields = fields = Fp16Fields()
        significand, exponent, distance = normalised_significand(m, fields.significand, fields.field, "value")
        product = signed_product(
            m, Ranged(self.level, _LEVELS), Ranged(significand, _SIGNIFICANDS), fields.sign, self.cells
        )
        # Units of 2^(exponent - 25); the top bit of the product is bit 13.
        offset = BIAS - 25 + LEVEL_PRODUCTS.product.bits - 2
        field = Ranged.of(exponent) + Ranged.constant(offset) - Ranged.of(distance)
        m.d.comb += [
            fields.value.eq(self.value),
            self.nonfinite.eq(fields.nonfinite),
            assign(Ranged(self.product, LEVEL_PRODUCTS.product), product),
            assign(Ranged.of(self.field), field),
        ]
        return m


@dataclass(frozen=True, kw_only=True)
class FpIntParameters:
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Multipliers with an FP32 adder each: 1, 2, 4 or 8.
    weights : str
        "outside": at a port, held by registers that the rows of a column share; "inside": two banks of
        registers in the element, of one level a lane.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lanes: int = 4
    weights: WeightPlace = "outside"
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4, 8):
            raise ValueError(f"lanes must be 1, 2, 4 or 8, not {self.lanes}")
        if self.weights not in get_args(WeightPlace):
            raise ValueError(f"weights must be outside or inside, not {self.weights!r}")

    @property
    def slots(self) -> int:
        """Groups under way."""
        return 2

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane."""
        return Fraction(self.lanes)

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a row to its result, when nothing waits."""
        return 3 + 2 * (self.lanes - 1) + 3

    @property
    def name(self) -> str:
        """The parameters in a word."""
        inverting = "_inv" if self.adder_cells is AdderCells.INVERTING else ""
        return f"{self.lanes}_w{self.weights}{inverting}"

    def with_cells(self, adder_cells: AdderCells) -> FpIntParameters:
        """The same for another library."""
        return replace(self, adder_cells=adder_cells)


def scales_layout() -> data.StructLayout:
    """What belongs to a whole group: the FP16 bits of its scale, and where a row begins and ends."""
    return data.StructLayout({"scale": 16, "first": 1, "last": 1})


class FpInt(NamedComponent):
    """`G <- round_fp32(G + x * level)` in every lane, `A <- round_fp32(A + G * scale)` at the end of a group.

    Parameters
    ----------
    parameters : FpIntParameters

    Members
    -------
    activations : In(stream.Signature(operands_layout(lanes, 1)))
        An FP16 value a lane. `first` and `last` mark a group, `slot` tells the two groups under way apart;
        operands of one slot are taken two cycles apart.
    levels : In(levels_layout(lanes, 4))
        Weights outside: the levels of the lanes, which change with the activations.
    load : In(stream.Signature(levels_layout(lanes, 4)))
        Weights inside: one set for each item of `activations`.
    groups : In(stream.Signature(scales_layout()))
        One item a group, in the order in which groups end.
    results : Out(stream.Signature(32))
        FP32, one a row.
    nonfinite : Out(1)
        Sticky: an activation or a scale was infinite or NaN, and replaced (contract, section 1).
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    """

    activations: stream.Interface
    levels: data.View[data.ArrayLayout]
    load: stream.Interface
    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, parameters: FpIntParameters):
        self.parameters = p = parameters
        layout = levels_layout(p.lanes, _LEVEL_BITS)
        inside = p.weights == "inside"
        super().__init__(
            {
                "activations": In(stream.Signature(operands_layout(p.lanes, 1))),
                "load" if inside else "levels": In(stream.Signature(layout)) if inside else In(layout),
                "groups": In(stream.Signature(scales_layout())),
                "results": Out(stream.Signature(32)),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"baseline_fp_int_{self.parameters.name}"

    def build(self) -> Module:
        """A multiplier a lane, the loop behind them, and the scales at the end."""
        m = Module()
        p = self.parameters
        m.submodules.loop = loop = FusedLoop(LEVEL_PRODUCTS, p.lanes, p.slots, registered=True)
        given, to = self.activations.payload, loop.products.payload
        beat = Signal()
        weights_ready: Value = Const(1, 1)
        if p.weights == "inside":
            m.submodules.weights = buffer = WeightBuffer(lanes=p.lanes, level_bits=_LEVEL_BITS)
            m.d.comb += [
                buffer.load.payload.eq(self.load.payload),
                buffer.load.valid.eq(self.load.valid),
                self.load.ready.eq(buffer.load.ready),
                buffer.retire.eq(beat),
            ]
            weights_ready, levels = buffer.valid, buffer.levels.as_value()
        else:
            levels = self.levels.as_value()
        m.d.comb += [
            beat.eq(self.activations.valid & self.activations.ready),
            loop.products.valid.eq(self.activations.valid & weights_ready),
            self.activations.ready.eq(loop.products.ready & weights_ready),
            to.slot.eq(given.slot),
            to.first.eq(given.first),
            to.last.eq(given.last),
        ]
        replaced = Signal(p.lanes)
        for lane in range(p.lanes):
            m.submodules[f"multiplier_{lane}"] = multiplier = LevelProduct(p.adder_cells)
            m.d.comb += [
                multiplier.value.eq(given.values.word_select(lane, 16)),
                multiplier.level.eq(levels.word_select(lane, _LEVEL_BITS)),
                to.products[lane].eq(multiplier.product),
                to.fields[lane].eq(multiplier.field),
                replaced[lane].eq(multiplier.nonfinite),
            ]
        happens = (beat & replaced.any()) | self._scale(m, loop)
        m.d.sync += self.nonfinite.eq(happens | (self.nonfinite & ~self.clear_nonfinite))
        return m

    def _scale(self, m: Module, loop: FusedLoop) -> Value:
        """Hand the lanes' sums of a group over one by one; whether a scale is taken and replaced."""
        p = self.parameters
        m.submodules.tail = tail = GroupScale(p.adder_cells)
        lane = Signal((p.lanes - 1).bit_length())
        moved, final = Signal(), Signal()
        words = [loop.sums.payload.words[i] for i in range(p.lanes)]
        m.d.comb += [
            final.eq(lane == p.lanes - 1),
            tail.sums.valid.eq(loop.sums.valid & self.groups.valid),
            moved.eq(tail.sums.valid & tail.sums.ready),
            loop.sums.ready.eq(moved & final),
            self.groups.ready.eq(moved & final),
            tail.sums.payload.word.eq(selected(words, lane)),
            tail.sums.payload.scale.eq(self.groups.payload.scale),
            tail.sums.payload.first.eq(self.groups.payload.first & (lane == 0)),
            tail.sums.payload.last.eq(self.groups.payload.last & final),
            self.results.payload.eq(tail.results.payload),
            self.results.valid.eq(tail.results.valid),
            tail.results.ready.eq(self.results.ready),
        ]
        with m.If(moved):
            m.d.sync += lane.eq(lane + 1)
        return moved & final & tail.nonfinite
