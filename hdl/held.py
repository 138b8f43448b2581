"""Registers that a unit has or has not: what is built between its halves."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Module, Signal, Value

__all__ = ["Held", "as_it_is", "registers"]

#: Puts a value into a register of that name, or leaves it as it is; gives what comes out.
Held = Callable[[Value, str], Value]


def as_it_is(value: Value, name: str) -> Value:
    """No register, whatever its name would be."""
    return value


def registers(m: Module, advance: Value | None = None) -> Held:
    """A register behind every value.

    Parameters
    ----------
    m : Module
        Takes them.
    advance : Value or None
        When they take what comes; None: in every cycle.
    """

    def held(value: Value, name: str) -> Value:
        register = Signal(value.shape(), name=name, reset_less=True)
        if advance is None:
            m.d.sync += register.eq(value)
        else:
            with m.If(advance):
                m.d.sync += register.eq(value)
        return register

    return held
