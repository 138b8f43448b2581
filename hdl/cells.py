"""Full and half adders as named modules, for a technology map to put the library's own cells in their place.

Logic optimisers do not find full-adder cells by themselves. A cell with inverted outputs, as some libraries
have, is a module of its own: a bit heap built for it needs no inverters, because a full adder is self-dual.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from .modules import NamedComponent

__all__ = ["FullAdder", "HalfAdder"]


class _Adder(NamedComponent):
    """What both cells share: two outputs, true or both complemented."""

    clocked = False
    kind: str

    def __init__(self, inputs: str, *, inverted: bool):
        self.inverted = inverted
        self._suffix = "_n" if inverted else ""
        ports = {name: In(1) for name in inputs}
        super().__init__(ports | {f"sum{self._suffix}": Out(1), f"carry{self._suffix}": Out(1)})

    @property
    def module_name(self) -> str:
        """The name that technology maps look for."""
        return f"anda_{self.kind}_adder" + ("_inv" if self.inverted else "")

    @property
    def outputs(self) -> tuple[Signal, Signal]:
        """Sum and carry, both complemented if the cell is an inverting one."""
        return getattr(self, f"sum{self._suffix}"), getattr(self, f"carry{self._suffix}")


class FullAdder(_Adder):
    """`a + b + c = sum + 2 * carry`, combinational.

    Parameters
    ----------
    inverted : bool
        Both outputs complemented and named `sum_n` and `carry_n`.
    """

    kind = "full"
    a: Signal
    b: Signal
    c: Signal

    def __init__(self, *, inverted: bool = False):
        super().__init__("abc", inverted=inverted)

    def build(self) -> Module:
        """Parity and majority."""
        m = Module()
        half = self.a ^ self.b
        parity, majority = half ^ self.c, (self.a & self.b) | (half & self.c)
        total, carry = self.outputs
        m.d.comb += [
            total.eq(~parity if self.inverted else parity),
            carry.eq(~majority if self.inverted else majority),
        ]
        return m


class HalfAdder(_Adder):
    """`a + b = sum + 2 * carry`, combinational.

    Parameters
    ----------
    inverted : bool
        Both outputs complemented and named `sum_n` and `carry_n`.
    """

    kind = "half"
    a: Signal
    b: Signal

    def __init__(self, *, inverted: bool = False):
        super().__init__("ab", inverted=inverted)

    def build(self) -> Module:
        """Parity and conjunction."""
        m = Module()
        parity, both = self.a ^ self.b, self.a & self.b
        total, carry = self.outputs
        m.d.comb += [
            total.eq(~parity if self.inverted else parity),
            carry.eq(~both if self.inverted else both),
        ]
        return m
