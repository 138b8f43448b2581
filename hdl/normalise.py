"""Shifts of two's-complement numbers: to the left until the leading bit is on top, to the right with a
memory.

The *leading bit* of a two's-complement number is the highest one that differs from the sign: bit `b` for
values in `[2^b, 2^(b+1))` and in `[-2^(b+1), -2^b)`. Of an unsigned number it is the highest one.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["align_right", "normalise"]


def normalise(m: Module, value: Value, steps: list[int], name: str) -> tuple[Signal, list[Signal]]:
    """Shift a value to the left by each step in turn, where nothing but zeros or copies of the sign is lost.

    Looking and shifting alternate, so that a step costs one multiplexer a bit and no encoder.

    Parameters
    ----------
    m : Module
        Takes the gates.
    value : Value
        Signed or unsigned.
    steps : list of int
        Distances, powers of two, each half of the one before. The leading bit ends in the top `steps[-1]`
        bits (below the sign, if there is one), unless it was further away than all distances together.
    name : str
        Prefix of the signals.

    Returns
    -------
    Signal
        The shifted value, of the same shape.
    list of Signal
        For each step, whether it was taken.
    """
    shape = value.shape()
    taken = []
    for step in steps:
        shift = Signal(name=f"{name}_by_{step}")
        shifted = Signal(shape, name=f"{name}_after_{step}")
        top = value[-step - shape.signed :]
        m.d.comb += [
            shift.eq(top.all() | ~top.any() if shape.signed else ~top.any()),
            shifted.eq(Mux(shift, Cat(Const(0, step), value[:-step]), value)),
        ]
        taken.append(shift)
        value = shifted
    assert isinstance(value, Signal)
    return value, taken


def align_right(m: Module, value: Value, amount: Value, name: str) -> tuple[Value, Value]:
    """`floor(value / 2**amount)` for a signed value, and whether anything but zeros was cut off.

    Parameters
    ----------
    m : Module
        Takes the gates.
    value : Value
        Signed.
    amount : Value
        Unsigned.
    name : str
        Prefix of the signals.

    Returns
    -------
    Value
        Signed, as wide as `value`.
    Value
        One bit: the result is not exact.
    """
    lost: Value = Const(0, 1)
    bits, sign = value[:-1], value[-1]
    for k, shift in enumerate(amount):
        step = 1 << k
        shifted = Signal(len(bits), name=f"{name}_after_{step}")
        m.d.comb += shifted.eq(Mux(shift, Cat(bits[step:], sign.replicate(step)), bits))
        lost = lost | (shift & bits[:step].any())
        bits = shifted
    return Cat(bits, sign).as_signed(), lost
