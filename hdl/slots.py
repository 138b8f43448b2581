"""Registers of which there is one a slot, where several sums are under way."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["selected", "slot_field", "store"]


def slot_field(bits: int) -> dict[str, int]:
    """The field of a layout that says whose something is; none where there is a single slot."""
    return {"slot": bits} if bits else {}


def selected(values: Sequence[Value], index: Value) -> Value:
    """One of the values, by a tree of multiplexers; an odd one out moves up as it is."""
    level = list(values)
    for bit in index:
        pairs: list[Value] = [Mux(bit, high, low) for low, high in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def store(m: Module, registers: Sequence[Signal], value: Value, write: Value, to: Value) -> None:
    """Write the register of a slot; a single one whatever the slot."""
    for i, register in enumerate(registers):
        with m.If(write & (to == i) if len(registers) > 1 else write):
            m.d.sync += register.eq(value)
