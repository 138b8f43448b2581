"""Signals with exact ranges, and the one function that joins two widths (contract, section 7).

Amaranth truncates silently when a value is assigned to a narrower signal. On a datapath of this project a
value is therefore carried as `Ranged`: an Amaranth value and the exact interval of the integers it can take.
`assign` refuses a target that cannot hold every value of its source; a narrowing that is meant has a name:
`wrap`, `saturate` or `round_shift`.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed, unsigned
from amaranth.hdl._ast import Assign, Shape, ValueLike

from golden.interval import Interval

__all__ = ["RangeError", "Ranged", "assign", "extend", "round_shift", "saturate", "wrap"]


class RangeError(ValueError):
    """A value does not fit where it is put."""


def extend(value: ValueLike, bits: int) -> Value:
    """`value` widened to exactly `bits` bits, by sign or by zeros as its shape says.

    Written out as a concatenation, so that the Verilog holds no implicit widening.
    """
    narrow = Value.cast(value)
    shape = narrow.shape()
    missing = bits - shape.width
    if missing < 0:
        raise RangeError(f"a value of {shape.width} bits cannot be extended to {bits} bits")
    if missing == 0:
        return narrow
    if shape.signed:
        return Cat(narrow, narrow[-1].replicate(missing)).as_signed()
    return Cat(narrow, Const(0, missing))


class Ranged:
    """A value on a datapath with the exact interval of the integers it can take.

    Parameters
    ----------
    value : ValueLike
        Its shape must hold every value of `interval`.
    interval : Interval
        All values that occur, both ends included.

    Raises
    ------
    RangeError
        The shape of `value` is too narrow for `interval`.
    """

    def __init__(self, value: ValueLike, interval: Interval):
        self.value = Value.cast(value)
        self.interval = interval
        shape = self.value.shape()
        if not Interval.of_bits(shape.width, shape.signed).contains(interval):
            raise RangeError(
                f"a {'signed' if shape.signed else 'unsigned'} value of {shape.width} bits cannot hold the "
                f"range {interval.min}..{interval.max}, which needs {interval.bits} bits"
            )

    @classmethod
    def of(cls, value: ValueLike) -> Ranged:
        """A value that may take everything its shape can hold."""
        value = Value.cast(value)
        return cls(value, Interval.of_bits(value.shape().width, value.shape().signed))

    @classmethod
    def constant(cls, value: int) -> Ranged:
        """A number that never changes."""
        interval = Interval(value, value)
        return cls(Const(value, _shape(interval)), interval)

    @classmethod
    def signal(cls, interval: Interval, name: str, *, reset_less: bool = False) -> Ranged:
        """A new signal of the narrowest shape that holds `interval`."""
        return cls(Signal(_shape(interval), name=name, reset_less=reset_less), interval)

    def __add__(self, other: Ranged) -> Ranged:
        return self._combine(other, self.interval + other.interval, "+")

    def __sub__(self, other: Ranged) -> Ranged:
        return self._combine(other, self.interval - other.interval, "-")

    def __neg__(self) -> Ranged:
        return Ranged.constant(0) - self

    def __lshift__(self, bits: int) -> Ranged:
        shifted = Cat(Const(0, bits), self.value) if bits else self.value
        interval = self.interval << bits
        return Ranged(shifted.as_signed() if self.value.shape().signed else shifted, interval)

    def __mul__(self, other: Ranged) -> Ranged:
        # Both factors at the width of the product: one clean operator in the Verilog; synthesis drops what
        # repeats. One factor per sign rule: with a signed side both are read as signed.
        interval = self.interval * other.interval
        is_signed = self.interval.signed or other.interval.signed
        bits = max(interval.bits + (is_signed and not interval.signed), 1)
        a, b = (_as(extend(_as_signed_if(x.value, is_signed), bits), is_signed) for x in (self, other))
        product = (a * b)[:bits]
        return Ranged(product.as_signed() if is_signed else product, interval)

    def _combine(self, other: Ranged, interval: Interval, operator: str) -> Ranged:
        is_signed = interval.signed or self.interval.signed or other.interval.signed
        widths = [r.interval.bits + (is_signed and not r.interval.signed) for r in (self, other)]
        bits = max(*widths, interval.bits + (is_signed and not interval.signed), 1)
        a, b = (_resize(r.value, bits, is_signed) for r in (self, other))
        result = (a + b if operator == "+" else a - b)[:bits]
        return Ranged(result.as_signed() if is_signed else result, interval)

    def __repr__(self) -> str:
        return f"Ranged({self.interval.min}..{self.interval.max}, {self.value!r})"


def assign(target: Ranged, source: Ranged) -> Assign:
    """The statement `target <= source`; an error when a value of the source could be lost.

    Raises
    ------
    RangeError
        The target's interval does not contain the source's.
    """
    if not target.interval.contains(source.interval):
        raise RangeError(
            f"values {source.interval.min}..{source.interval.max} do not fit a target for "
            f"{target.interval.min}..{target.interval.max}; use wrap, saturate or round_shift if it is meant"
        )
    shape = target.value.shape()
    return target.value.eq(_resize(source.value, shape.width, shape.signed))


def wrap(source: Ranged, bits: int, *, is_signed: bool) -> Ranged:
    """The low `bits` bits of `source`: exact modulo `2**bits`, and meant to be."""
    value = source.value
    value = value[:bits] if value.shape().width >= bits else extend(value, bits)
    return Ranged.of(value.as_signed() if is_signed else value.as_unsigned())


def saturate(source: Ranged, limits: Interval) -> Ranged:
    """`source` clipped to `limits`."""
    interval = Interval(
        min(max(source.interval.min, limits.min), limits.max),
        max(min(source.interval.max, limits.max), limits.min),
    )
    shape = _shape(interval)
    low, high = (Const(end, shape) for end in (interval.min, interval.max))
    inside = _resize(source.value, shape.width, shape.signed)
    picked: Value = inside
    if source.interval.max > limits.max:
        picked = Mux(source.value > interval.max, high, picked)
    if source.interval.min < limits.min:
        picked = Mux(source.value < interval.min, low, picked)
    picked = picked[: shape.width]
    return Ranged(picked.as_signed() if shape.signed else picked, interval)


def round_shift(source: Ranged, bits: int) -> Ranged:
    """`floor(source / 2**bits + 1/2)`: to nearest, ties upwards (contract, section 2b)."""
    if bits == 0:
        return source
    raised = source + Ranged.constant(1 << (bits - 1))
    kept = raised.value[bits:]
    interval = Interval(raised.interval.min >> bits, raised.interval.max >> bits)
    return Ranged(kept.as_signed() if raised.value.shape().signed else kept, interval)


def _shape(interval: Interval) -> Shape:
    bits = max(interval.bits, 1)
    return signed(bits) if interval.signed else unsigned(bits)


def _as(value: Value, is_signed: bool) -> Value:
    return value.as_signed() if is_signed else value.as_unsigned()


def _as_signed_if(value: Value, is_signed: bool) -> Value:
    """An unsigned value given the zero sign bit that a signed context needs."""
    if is_signed and not value.shape().signed:
        return Cat(value, Const(0, 1)).as_signed()
    return value


def _resize(value: Value, bits: int, is_signed: bool) -> Value:
    """`value` at `bits` bits. Only for widths that an interval has shown to be enough."""
    value = _as_signed_if(value, is_signed)
    if value.shape().width > bits:
        return _as(value[:bits], is_signed)
    return _as(extend(value, bits), is_signed)
