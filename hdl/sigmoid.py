"""The sigmoid of an FP16 value as an integer and a shift, bit for bit that of `golden.elementwise`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from golden.elementwise import (
    LOG_FRACTION,
    PLACE_BITS,
    SIGMOID_FRACTION,
    Segment,
    exponential_segments,
    logarithm_segments,
)
from golden.interval import Interval

from .fp16_arithmetic import effective_exponent
from .held import Held
from .normalise import align_right
from .ranges import Ranged, assign

__all__ = ["SIGMOID_LATENCY", "sigmoid"]

SIGMOID_LATENCY = 4

_LAST_SEGMENT = len(logarithm_segments()) - 1


def sigmoid(m: Module, value: Value, held: Held) -> tuple[Ranged, Ranged]:
    """`mantissa * 2^(-SIGMOID_FRACTION - shift)`, `SIGMOID_LATENCY` registers behind `value`.

    Parameters
    ----------
    m : Module
        Takes the gates.
    value : Value
        A finite FP16 word.
    held : callable
        Registers.

    Returns
    -------
    Ranged, Ranged
        `mantissa` and `shift`.
    """
    segment, place = _place(m, value)
    segments = logarithm_segments()
    base, slope = _chosen(segment, segments, held, "logarithm")
    place = held(place, "place")
    negative = held(value[15], "sign_at_segment")
    logarithm = base + _risen(slope, place)
    total = Ranged.signal(logarithm.interval, "logarithm_sum")
    m.d.comb += assign(total, logarithm)
    word = held(total.value, "logarithm")
    negative = held(negative, "sign_at_logarithm")
    whole, part = word[LOG_FRACTION:], word[:LOG_FRACTION]
    base, slope = _chosen(part[PLACE_BITS:], exponential_segments(), lambda value, name: value, "exponential")
    mantissa = base - _risen(slope, part[:PLACE_BITS])
    power = Ranged.signal(mantissa.interval, "power")
    m.d.comb += assign(power, mantissa)
    falling = Ranged(held(power.value, "falling"), power.interval)
    whole = held(whole, "whole")
    negative = held(negative, "sign_at_power")
    reached, _ = align_right(m, Cat(falling.value, Const(0, 1)).as_signed(), whole, "power")
    one = 1 << SIGMOID_FRACTION
    shifted = Ranged(reached[: len(falling.value)], Interval(0, falling.interval.max))
    rising = Ranged.constant(one) - shifted
    shifts = Interval(0, total.interval.max >> LOG_FRACTION)
    both = Ranged.signal(Interval(0, one), "sigmoid")
    m.d.comb += both.value.eq(Mux(negative, falling.value, rising.value))
    shift = held(whole & negative.replicate(len(whole)), "shift")
    return Ranged(held(both.value, "sigmoid"), both.interval), Ranged(shift, shifts)


def _place(m: Module, value: Value) -> tuple[Value, Value]:
    """The segment of the logarithm that a magnitude lies in, and the place inside it."""
    field, fraction = value[10:15], value[:10]
    exponent = effective_exponent(field)
    small, beyond = Signal(), Signal()
    distance = Signal(4)
    m.d.comb += [
        small.eq(exponent < 15),
        beyond.eq(exponent >= 20),
        # 14 - e for 1 to 14, modulo 16.
        distance.eq(~exponent[:4] - 1),
    ]
    significand = Cat(Const(0, 2), fraction, field.any(), Const(0, 1)).as_signed()
    fixed, _ = align_right(m, significand, distance, "fixed")
    binade = Signal(3)
    m.d.comb += binade.eq(exponent[:3] + 2)
    segment = Signal(_LAST_SEGMENT.bit_length())
    place = Signal(PLACE_BITS)
    m.d.comb += [
        segment.eq(
            Mux(
                beyond,
                _LAST_SEGMENT,
                Mux(small, fixed[PLACE_BITS : PLACE_BITS + 4], Cat(fraction[6:], binade)),
            )
        ),
        place.eq(Mux(small, fixed[:PLACE_BITS], Cat(Const(0, 3), fraction[:6]))),
    ]
    return segment, place


def _chosen(index: Value, segments: Iterable[Segment], held: Held, name: str) -> tuple[Ranged, Ranged]:
    """Base and slope of a segment, out of a register each."""
    base, slope = (
        _entry(index, numbers, held, f"{name}_{what}")
        for what, numbers in zip(("base", "slope"), zip(*segments, strict=True), strict=True)
    )
    return base, slope


def _entry(index: Value, numbers: tuple[int, ...], held: Held, name: str) -> Ranged:
    """One number of a table, by multiplexers: Yosys would make a memory with initial values of a case."""
    interval = Interval(min(numbers), max(numbers))
    entries: list[Value] = [Const(number, interval.bits) for number in numbers]
    for bit in index:
        pairs = zip_longest(entries[::2], entries[1::2])
        entries = [low if high is None else Mux(bit, high, low) for low, high in pairs]
    (entry,) = entries
    return Ranged(held(entry, name), interval)


def _risen(slope: Ranged, place: Value) -> Ranged:
    """`slope * place / 2^PLACE_BITS`, rounded down."""
    product = slope * Ranged.of(place)
    return Ranged(product.value[PLACE_BITS:], Interval(0, product.interval.max >> PLACE_BITS))
