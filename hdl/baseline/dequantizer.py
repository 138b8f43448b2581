"""INT4 levels times FP16 scales as FP16 weights: what stands before an element of FP16 multipliers."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.fp16 import Fp16Fields
from hdl.fp16_arithmetic import Fp16Rounder, effective_exponent
from hdl.modules import NamedComponent
from hdl.ranges import Ranged, assign

__all__ = ["Dequantizer"]

_LEVEL_BITS = 4
_MAGNITUDES = Interval(0, 8)


class Dequantizer(NamedComponent):
    """`round_fp16(level * scale)` for several weights under one scale, combinational.

    To nearest even, subnormals included; what is too large becomes the largest finite value (contract,
    section 6); zeros are +0. A scale that is not finite is replaced as contract 1 says.

    Parameters
    ----------
    lanes : int
        Weights, 1 to 64.

    Members
    -------
    levels : In(4 * lanes)
        Signed levels, lane 0 lowest.
    scale : In(16)
    weights : Out(16 * lanes)
        FP16 bits, lane 0 lowest.
    overflow : Out(1)
        A weight was too large.
    nonfinite : Out(1)
        The scale was replaced.

    Raises
    ------
    ValueError
        There are not 1 to 64 lanes.
    """

    clocked = False
    levels: Signal
    scale: Signal
    weights: Signal
    overflow: Signal
    nonfinite: Signal

    def __init__(self, lanes: int = 4):
        if not 1 <= lanes <= 64:
            raise ValueError(f"a dequantizer must have 1 to 64 lanes, not {lanes}")
        self.lanes = lanes
        ports = {"levels": In(_LEVEL_BITS * lanes), "scale": In(16), "weights": Out(16 * lanes)}
        super().__init__({**ports, "overflow": Out(1), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """For instance `baseline_dequantizer_4`."""
        return f"baseline_dequantizer_{self.lanes}"

    def build(self) -> Module:
        """Magnitude times significand, and the rounding of FP16."""
        m = Module()
        m.submodules.fields = fields = Fp16Fields()
        significands = Interval(0, 2047)
        magnitudes = _MAGNITUDES * significands
        # A product counts units of 2^(e - 25), the rounder units of 2^(exponent - 14 - bits).
        # One more than there is, so that every bit of the rounder's port matters.
        exponents = Interval(1, 31) + Interval(magnitudes.bits - 11, magnitudes.bits - 11)
        m.d.comb += [fields.value.eq(self.scale), self.nonfinite.eq(fields.nonfinite)]
        exponent = Ranged.signal(exponents, "exponent")
        field = Ranged(effective_exponent(fields.field), Interval(1, 30))
        m.d.comb += assign(exponent, field + Ranged.constant(magnitudes.bits - 11))
        overflows = Signal(self.lanes)
        for lane in range(self.lanes):
            m.submodules[f"rounder_{lane}"] = rounder = Fp16Rounder(magnitudes.bits, exponents)
            level = self.levels.word_select(lane, _LEVEL_BITS)
            magnitude = Signal(_LEVEL_BITS, name=f"magnitude_{lane}")
            sign = level[-1]
            m.d.comb += [
                magnitude.eq(Mux(sign, -level, level)[:_LEVEL_BITS]),
                rounder.sign.eq(sign ^ fields.sign),
                assign(
                    Ranged.of(rounder.magnitude),
                    Ranged(magnitude, _MAGNITUDES) * Ranged.of(fields.significand),
                ),
                rounder.exponent.eq(exponent.value),
                self.weights.word_select(lane, 16).eq(rounder.value),
                overflows[lane].eq(rounder.overflow),
            ]
        m.d.comb += self.overflow.eq(overflows.any())
        return m
