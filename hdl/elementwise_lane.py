"""One channel of the elementwise unit: scale, bias, activation, gate, a register behind every half step."""

from __future__ import annotations

from functools import partial

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from golden.elementwise import SIGMOID_FRACTION
from golden.interval import Interval

from .fp16_arithmetic import (
    PRODUCT_BITS,
    SUM_BITS,
    Fp16Adder,
    Fp16Multiplier,
    Fp16Operation,
    Fp16Rounder,
    effective_exponent,
)
from .held import Held, as_it_is
from .modules import NamedComponent
from .ranges import Ranged, assign
from .sigmoid import SIGMOID_LATENCY, sigmoid

__all__ = ["ElementwiseLane", "gate_latency", "lane_latency"]

_Exact = tuple[Value, Value, Value]


def gate_latency(*, pipelined: bool = False) -> int:
    """Cycles from a value to its gate."""
    return lane_latency(silu=False, pipelined=pipelined) + SIGMOID_LATENCY + 2 + pipelined


def lane_latency(*, silu: bool, pipelined: bool = False) -> int:
    """Cycles from a value to its result."""
    if silu:
        return gate_latency(pipelined=pipelined) + 2 + pipelined
    return 7 if pipelined else 4


class ElementwiseLane(NamedComponent):
    """`activation(value * scale + bias) * gate` of one value a cycle (`golden.elementwise`).

    Parameters
    ----------
    silu : bool
        Build SiLU and the gate; otherwise ReLU is the only activation.
    pipelined : bool
        Build registers within adder and rounders.

    Members
    -------
    advance : In(1)
        Every register takes the value before it.
    value, scale, bias : In(16)
        FP16 words.
    relu : In(1)
        Stable while values are under way.
    silu : In(1)
        The same; it wins over `relu`. With `silu` only, as is `gate`.
    gate : In(16)
        The factor of the value that has come so far; 1.0 changes nothing. `gate_latency` cycles behind
        `value`.
    result : Out(16)
        `lane_latency` cycles behind `value`, counting those with `advance`.
    overflow, nonfinite : Out(1)
        With the result: a step saturated; an operand was not finite and was replaced.
    """

    resettable = False
    advance: Signal
    value: Signal
    scale: Signal
    bias: Signal
    relu: Signal
    silu: Signal
    gate: Signal
    result: Signal
    overflow: Signal
    nonfinite: Signal

    def __init__(self, *, silu: bool, pipelined: bool = False):
        self.has_silu = silu
        self.pipelined = pipelined
        ports = {"advance": In(1), "value": In(16), "scale": In(16), "bias": In(16), "relu": In(1)}
        if silu:
            ports |= {"silu": In(1), "gate": In(16)}
        super().__init__(ports | {"result": Out(16), "overflow": Out(1), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """For instance `anda_elementwise_lane_relu`, or `anda_elementwise_lane_silu_pipelined`."""
        pipelined = "_pipelined" if self.pipelined else ""
        return f"anda_elementwise_lane_{'silu' if self.has_silu else 'relu'}{pipelined}"

    def build(self) -> Module:
        """Step after step; two bits go along, for the flags."""
        m = Module()
        held = partial(self.held, m)
        # Behind the registers that are within adder and rounders.
        within: Held = held if self.pipelined else as_it_is
        m.submodules.scaled = scaled = Fp16Multiplier()
        m.submodules.biased = biased = Fp16Adder(registered=self.pipelined)
        if self.pipelined:
            m.d.comb += biased.advance.eq(self.advance)
        m.d.comb += [scaled.a.eq(self.value), scaled.b.eq(self.scale)]
        product = self._exact(scaled, held, "product")
        nonfinite = within(held(scaled.nonfinite, "nonfinite_product"), "nonfinite_rounding")
        bias = within(held(self.bias, "bias_product"), "bias_rounding")
        value, overflow = self._rounded(m, product, PRODUCT_BITS, scaled.exponents, "scaled_rounder")
        m.d.comb += [biased.a.eq(held(value, "scaled_value")), biased.b.eq(held(bias, "bias_scaled"))]
        total = self._exact(biased, held, "sum")
        overflow = within(held(overflow, "overflow_scaled"), "overflow_adding")
        overflow = within(held(overflow, "overflow_sum"), "overflow_rounding_sum")
        nonfinite = within(held(nonfinite, "nonfinite_scaled"), "nonfinite_adding")
        nonfinite = within(held(nonfinite | biased.nonfinite, "nonfinite_sum"), "nonfinite_rounding_sum")
        value, more = self._rounded(m, total, SUM_BITS, biased.exponents, "biased_rounder")
        overflow = overflow | more
        if not self.has_silu:
            value = value & (~(self.relu & value[15])).replicate(16)
        value = held(value, "biased_value")
        overflow, nonfinite = held(overflow, "overflow_biased"), held(nonfinite, "nonfinite_biased")
        if self.has_silu:
            value, overflow, nonfinite = self._gated(m, value, overflow, nonfinite, held)
        m.d.comb += [self.result.eq(value), self.overflow.eq(overflow), self.nonfinite.eq(nonfinite)]
        return m

    def held(self, m: Module, value: Value, name: str) -> Value:
        """A register behind a value."""
        register = Signal(value.shape(), name=name, reset_less=True)
        with m.If(self.advance):
            m.d.sync += register.eq(value)
        return register

    def _gated(
        self, m: Module, value: Value, overflow: Value, nonfinite: Value, held: Held
    ) -> tuple[Value, Value, Value]:
        """The value times its sigmoid, or times 1, or times 0; and then times the gate."""
        factor, shift = self._factor(m, value, held)
        value = self._late(value, held, "value", SIGMOID_LATENCY)
        m.submodules.gated = gated = Fp16Multiplier()
        significand = Ranged.of(Cat(value[:10], value[10:15].any()))
        magnitude = significand * factor
        exponent = Ranged(effective_exponent(value[10:15]), Interval(1, 30)) - shift
        signed_exponent = Ranged.signal(exponent.interval, "activated_exponent")
        m.d.comb += assign(signed_exponent, exponent)
        product = (
            held(value[15], "activated_sign"),
            held(magnitude.value, "activated_magnitude"),
            held(signed_exponent.value, "activated_exponent_register"),
        )
        bits = magnitude.interval.bits
        value, _ = self._rounded(m, product, bits, exponent.interval, "activated_rounder")
        late = SIGMOID_LATENCY + 2 + self.pipelined
        overflow = self._late(overflow, held, "overflow", late)
        nonfinite = self._late(nonfinite, held, "nonfinite", late)
        m.d.comb += [gated.a.eq(held(value, "activated_value")), gated.b.eq(self.gate)]
        product = self._exact(gated, held, "gated")
        within: Held = held if self.pipelined else as_it_is
        nonfinite = within(held(nonfinite | gated.nonfinite, "nonfinite_gated"), "nonfinite_rounding_gated")
        value, more = self._rounded(m, product, PRODUCT_BITS, gated.exponents, "gated_rounder")
        overflow = within(held(overflow, "overflow_gated"), "overflow_rounding_gated") | more
        return held(value, "gated_value"), held(overflow, "overflow_last"), held(nonfinite, "nonfinite_last")

    def _factor(self, m: Module, value: Value, held: Held) -> tuple[Ranged, Ranged]:
        """What an activation multiplies a value by, and how far it is shifted."""
        mantissa, shift = sigmoid(m, value, held)
        positive = ~self._late(value[15], held, "sign", SIGMOID_LATENCY)
        one = Cat(Const(0, SIGMOID_FRACTION), positive | ~self.relu)
        factor = Ranged.signal(mantissa.interval, "factor")
        m.d.comb += factor.value.eq(Mux(self.silu, mantissa.value, one))
        return factor, Ranged(shift.value & self.silu.replicate(len(shift.value)), shift.interval)

    def _exact(self, unit: Fp16Operation, held: Held, name: str) -> _Exact:
        """The three parts of an exact result, in registers."""
        parts = {"sign": unit.sign, "magnitude": unit.magnitude, "exponent": unit.exponent}
        sign, magnitude, exponent = (held(part, f"{name}_{what}") for what, part in parts.items())
        return sign, magnitude, exponent

    def _rounded(
        self, m: Module, exact: _Exact, bits: int, exponents: Interval, name: str
    ) -> tuple[Value, Value]:
        """An exact result as FP16, and whether it saturated."""
        m.submodules[name] = rounder = Fp16Rounder(bits, exponents, registered=self.pipelined)
        if self.pipelined:
            m.d.comb += rounder.advance.eq(self.advance)
        for port, part in zip((rounder.sign, rounder.magnitude, rounder.exponent), exact, strict=True):
            m.d.comb += port.eq(part)
        return rounder.value, rounder.overflow

    def _late(self, value: Value, held: Held, name: str, count: int) -> Value:
        """A value behind so many registers."""
        for stage in range(count):
            value = held(value, f"{name}_late_{stage}")
        return value
