"""FP16 words taken apart (contract, section 1)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import In, Out

from .modules import NamedComponent

__all__ = ["Fp16Fields"]


class Fp16Fields(NamedComponent):
    """Sign, exponent field and significand of an FP16 value, with non-finite values replaced, combinational.

    An infinity becomes the largest finite value of its sign and a NaN becomes zero, as `golden.fp16.sanitize`
    does. The exponent field of a subnormal or zero stays 0; it counts as 1.

    Members
    -------
    value : In(16)
    sign : Out(1)
    field : Out(5)
        0 to 30.
    significand : Out(11)
        Hidden bit included.
    nonfinite : Out(1)
        Whether the value was replaced.
    """

    clocked = False
    value: Signal
    sign: Signal
    field: Signal
    significand: Signal
    nonfinite: Signal

    def __init__(self) -> None:
        ports = {
            "value": In(16),
            "sign": Out(1),
            "field": Out(5),
            "significand": Out(11),
            "nonfinite": Out(1),
        }
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """There is only one."""
        return "anda_fp16_fields"

    def build(self) -> Module:
        """Infinity 31|0 becomes 30|1023, NaN 31|x becomes 0|0."""
        m = Module()
        fraction, field = self.value[:10], self.value[10:15]
        special, nan = Signal(), Signal()
        m.d.comb += [
            special.eq(field.all()),
            nan.eq(special & fraction.any()),
            self.nonfinite.eq(special),
            self.sign.eq(self.value[15]),
            self.field.eq(Cat(field[0] & ~special, field[1:] & ~nan.replicate(4))),
            self.significand.eq(
                Cat((fraction | special.replicate(10)) & ~nan.replicate(10), field.any() & ~nan)
            ),
        ]
        return m
