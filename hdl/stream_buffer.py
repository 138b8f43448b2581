"""Two items of a stream between who gives them and who takes them."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream

__all__ = ["buffered"]


def buffered(m: Module, name: str, given: stream.Interface) -> stream.Interface:
    """The same stream at least a cycle later: no signal passes from one side to the other in the same cycle.

    An item that is offered, and one behind it, which came in the cycle in which the first was not taken. So
    items pass at full rate, and a long path to either side ends here.

    Parameters
    ----------
    m : Module
        Takes the registers.
    name : str
        Prefix of the signals.
    given : stream.Interface
        What comes; its `ready` is driven here.

    Returns
    -------
    stream.Interface
        What is to be taken.
    """
    taken = stream.Signature(given.payload.shape()).create()
    before = Value.cast(given.payload).as_unsigned()
    offered, behind = (
        Signal(len(before), name=f"{name}_{place}", reset_less=True) for place in ("offered", "behind")
    )
    there, is_behind = Signal(name=f"{name}_there"), Signal(name=f"{name}_is_behind")
    m.d.comb += [
        given.ready.eq(~is_behind),
        Value.cast(taken.payload).eq(offered),
        taken.valid.eq(there),
    ]
    with m.If(~there | taken.ready):
        m.d.sync += [
            there.eq(is_behind | given.valid),
            offered.eq(Mux(is_behind, behind, before)),
            is_behind.eq(0),
        ]
    with m.Elif(given.valid & ~is_behind):
        m.d.sync += [behind.eq(before), is_behind.eq(1)]
    return taken
