"""Address generators: the words of a matrix in the order that an array of processing elements takes them."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["Loop", "nest"]


class Loop:
    """A counter in a nest of loops.

    Parameters
    ----------
    m : Module
    name : str
    count : Value
        How often the loop is run, at least once; stable while it runs.

    Attributes
    ----------
    index : Signal
    is_last : Signal
        The last run of this loop.
    """

    def __init__(self, m: Module, name: str, count: Value):
        self.index = Signal(len(count), name=name)
        self.is_last = Signal(name=f"last_{name}")
        m.d.comb += self.is_last.eq(~((self.index + 1)[: len(count)] ^ count).any())

    def step(self, m: Module) -> None:
        """Go on to the next run, from the last one back to the first."""
        m.d.sync += self.index.eq(self.index + 1)
        with m.If(self.is_last):
            m.d.sync += self.index.eq(0)


def nest(m: Module, loops: list[Loop], advance: Value) -> list[Signal]:
    """Make loops count, the first one fastest.

    Returns
    -------
    list of Signal
        For each loop, whether it steps after this: all loops inside are in their last run.
    """
    steps = []
    carry: Value = advance
    for number, loop in enumerate(loops):
        step = Signal(name=f"step_{number}")
        m.d.comb += step.eq(carry)
        with m.If(step):
            loop.step(m)
        steps.append(step)
        carry = step & loop.is_last
    return steps
