"""FP16 times INT4 without dequantizing, each product added in FP32 (the FP-INT element of the Anda paper).

What the description gives: FP16 activations, INT4 weights, a multiplier for this pair, floating-point
accumulation, four products a cycle. What is assumed: the product of 11 and 4 bits is exact and rounded into
an FP32 sum of its lane, one rounding a product; a group's scale multiplies the FP32 sums of its lanes when
they are complete, and the exact products are added in FP32, one after the other (`hdl.baseline.group_scale`).
An addition takes two cycles, so two groups of a row are under way: even ones in one slot, odd ones in the
other, each beginning when the other is half done. Then a group ends every 16 cycles and nothing ever waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import connect, flipped

from hdl.slots import selected

from .fp_fp import operands_layout
from .fused_loop import FusedLoop
from .group_scale import GroupScale, scales_layout
from .lanes import LaneParameters, ScaledElement
from .products import LEVEL_PRODUCTS, LevelProduct

__all__ = ["FpInt", "FpIntParameters"]

_LEVEL_BITS = 4


@dataclass(frozen=True, kw_only=True)
class FpIntParameters(LaneParameters):
    """Everything that shapes an element.

    Parameters
    ----------
    lanes : int
        Multipliers with an FP32 adder each: 1, 2, 4 or 8.
    weights, adder_cells
        As for `LaneParameters`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    @property
    def slots(self) -> int:
        """Groups under way."""
        return 2

    @property
    def latency(self) -> int:
        """Cycles from the last operands of a row to its result, when nothing waits."""
        return 3 + 2 * (self.lanes - 1) + 3


class FpInt(ScaledElement):
    """`G <- round_fp32(G + x * level)` in every lane, `A <- round_fp32(A + G * scale)` at the end of a group.

    Parameters
    ----------
    parameters : FpIntParameters

    Members
    -------
    activations : In(stream.Signature(operands_layout(lanes, 1)))
        An FP16 value a lane. `first` and `last` mark a group, `slot` tells the two groups under way apart;
        operands of one slot are taken two cycles apart.
    levels, load
        INT4, as `LaneElement` has them.
    groups, results, nonfinite, clear_nonfinite
        As `ScaledElement` has them, with `scales_layout`; flagged are activations and scales.
    """

    def __init__(self, parameters: FpIntParameters):
        self.parameters = p = parameters
        beat = operands_layout(p.lanes, 1)
        super().__init__(beat, scales_layout(), lanes=p.lanes, level_bits=_LEVEL_BITS, place=p.weights)

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
        weights_ready, levels = self.weights(m, beat)
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
        ]
        connect(m, tail.results, flipped(self.results))
        with m.If(moved):
            m.d.sync += lane.eq(lane + 1)
        return moved & final & tail.nonfinite
