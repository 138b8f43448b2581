"""One lane of the compressor: a group shifted out plane by plane."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from .compressor_parameters import CompressorParameters
from .modules import NamedComponent

__all__ = ["CompressorLane", "aligned_layout"]


def aligned_layout(parameters: CompressorParameters) -> data.StructLayout:
    """A group on its way from the front end into a lane: its exponent, and bits of its elements.

    `tops` and `digits` are the bits of each element's number or magnitude, rounded, in units of its own
    significand: `tops` the most significant, `digits` the others, lowest first. `starts` says after which
    plane they begin to move, `early` that it is one plane sooner. Bits of equal weight stand side by side:
    `digits[j]` holds bit `j` of all elements.
    """
    p = parameters
    fields = {
        "exponent": p.exponent_range.bits,
        "starts": data.ArrayLayout(p.group, p.start_range.bits),
        "tops": p.group,
        "digits": data.ArrayLayout(p.group, p.digits),
    }
    if p.rounded:
        fields["early"] = p.group
    return data.StructLayout(fields)


class CompressorLane(NamedComponent):
    """One shift register for each element of a group; their top bits are the plane.

    An element's top bit stays as it is, and with it the sign bits of two's complement or the zeros of a
    magnitude come out, until the number of the plane has passed the element's own start; from then on its
    digits move up by one a plane, zeros behind them. No element has a counter: its start is compared with the
    one number of the plane.

    Parameters
    ----------
    parameters : CompressorParameters

    Members
    -------
    load : In(1)
        Take the group at `aligned`; only when empty or with the last plane.
    step : In(1)
        The plane that stands at `word` is taken.
    first : In(1)
        Sign-magnitude: it is the sign plane.
    last : In(1)
        It is the last one.
    phase : In
        Its number, modulo a power of two.
    aligned : In(aligned_layout(parameters))
    filled : Out(1)
        Whether there is a group; the cycle after `load` its first plane stands at `word`.
    word : Out(group)
    exponent : Out(5)
    """

    load: Signal
    step: Signal
    first: Signal
    last: Signal
    phase: Signal
    aligned: data.View[data.StructLayout]
    filled: Signal
    word: Signal
    exponent: Signal

    def __init__(self, parameters: CompressorParameters):
        self.parameters = p = parameters
        ports = {"load": In(1), "step": In(1), "last": In(1), "phase": In(p.start_range.bits)}
        if not p.signed_digits:
            ports["first"] = In(1)
        ports |= {
            "aligned": In(aligned_layout(p)),
            "filled": Out(1),
            "word": Out(p.group),
            "exponent": Out(p.exponent_range.bits),
        }
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_compressor_lane_{self.parameters.name}"

    def build(self) -> Module:
        """The registers of all elements at once."""
        m = Module()
        p = self.parameters
        exponent = Signal(p.exponent_range.bits, reset_less=True)
        with m.If(self.load):
            m.d.sync += [self.filled.eq(1), exponent.eq(self.aligned.exponent)]
        with m.Elif(self.step & self.last):
            m.d.sync += self.filled.eq(0)
        m.d.comb += self.exponent.eq(exponent)

        load, move = self.load.replicate(p.group), Signal(p.group)
        shift, hold = Signal(p.group), Signal(p.group)
        m.d.comb += [
            move.eq((self.step & ~self.load).replicate(p.group)),
            shift.eq(move & self._started(m)),
            hold.eq(~(load | shift)),
        ]
        below: Value = Const(0, p.group)
        for j in range(p.digits):
            digit = Signal(p.group, name=f"digits_{j}", reset_less=True)
            m.d.sync += digit.eq((self.aligned.digits[j] & load) | (below & shift) | (digit & hold))
            below = digit
        top = Signal(p.group, reset_less=True)
        # A magnitude has zeros where two's complement has signs: the sign does not outlast its plane.
        keep = hold if p.signed_digits else hold & ~(move & self.first.replicate(p.group))
        m.d.sync += top.eq((self.aligned.tops & load) | (below & shift) | (top & keep))
        m.d.comb += self.word.eq(top)
        return m

    def _started(self, m: Module) -> Value:
        """Which elements have `phase > start`, or `phase >= start` if they are early.

        That is the carry out of `phase + ~start + early`.
        """
        p = self.parameters
        carry: Value = Const(0, p.group)
        if p.rounded:
            early = Signal(p.group, reset_less=True)
            with m.If(self.load):
                m.d.sync += early.eq(self.aligned.early)
            carry = early
        for j in range(p.start_range.bits):
            start = Signal(p.group, name=f"starts_{j}", reset_less=True)
            with m.If(self.load):
                m.d.sync += start.eq(self.aligned.starts[j])
            bit, after = self.phase[j].replicate(p.group), Signal(p.group, name=f"after_{j}")
            m.d.comb += after.eq((bit & ~start) | (carry & (bit | ~start)))
            carry = after
        return carry
