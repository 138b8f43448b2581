"""One element of a group: its FP16 value as the bits a shift register starts from."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from .compressor_parameters import SIGNIFICAND_BITS, CompressorParameters
from .modules import NamedComponent
from .ranges import Ranged, wrap

__all__ = ["Quantizer", "lowest_kept"]


class Quantizer(NamedComponent):
    """One element: rounded, and told how long to wait, combinational (contract, sections 2a and 2b).

    With the element's value `+-significand * 2^(e-25)` and the group's unit `2^(E-13-P)`, the planes are the
    bits `h` and above of an integer whose bit `h` counts one unit, `h = E - e + 12 - P`:

    - two's complement, nearest: `+-significand + 2^(h-1)` for `1 <= h <= 11`; 0 for a larger `h`;
    - two's complement, truncate: `+-significand`;
    - sign-magnitude: `significand + 2^(h-1)` or `significand`, and the sign apart.

    One chain of carries adds everything: a negative significand is complemented, and the one that completes
    its negation enters below bit 0. The half unit only makes its carry; bit `h - 1` of the sum, which lacks
    it, reaches no plane. `pipelined` has an adder in place of the chain: its sum has that bit.

    Parameters
    ----------
    parameters : CompressorParameters

    Members
    -------
    sign, field, significand : In
        As `Fp16Fields` gives them.
    base : In
        `E + max_planes - P`.
    largest : In(1)
        Nearest: whether `field` is the largest of the group.
    kept : In
        Sign-magnitude: which bits of a subnormal's significand, from `lowest_kept` on, make its rounded
        magnitude 1 or more.
    start, top, digits, early : Out
        One element of `aligned_layout`.
    """

    clocked = False
    sign: Signal
    field: Signal
    significand: Signal
    base: Signal
    largest: Signal
    kept: Signal
    start: Signal
    top: Signal
    digits: Signal
    early: Signal

    def __init__(self, parameters: CompressorParameters):
        self.parameters = p = parameters
        ports = {
            "sign": In(1),
            "field": In(5),
            "significand": In(SIGNIFICAND_BITS),
            "base": In(p.base_range.bits),
        }
        if p.rounded:
            ports["largest"] = In(1)
        if not p.signed_digits:
            ports["kept"] = In(SIGNIFICAND_BITS - 1 - lowest_kept(p))
        ports |= {"start": Out(p.start_range.bits), "top": Out(1), "digits": Out(p.digits)}
        if p.rounded:
            ports["early"] = Out(1)
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters that matter here, in a word."""
        suffix = "_pipelined" if self.parameters.pipelined else ""
        return f"anda_quantizer_{self.parameters.name.partition('_')[2]}{suffix}"

    def build(self) -> Module:
        """The depth, the rounded number, and the top bit."""
        m = Module()
        p = self.parameters
        depth = self._depth(m)
        dead = Signal()
        m.d.comb += dead.eq(depth.value > p.start_range.max)
        # Too deep for any plane: a start that comes with the last plane or never, which is the same.
        start = wrap(depth, p.start_range.bits, is_signed=False).value
        m.d.comb += self.start.eq(start | Mux(dead, p.start_range.max, 0))
        digits, carry = self._rounded(m, depth)
        if p.rounded:
            # A positive number may carry out of its significand. Nothing but zeros is left of it then, and it
            # belongs one plane earlier; where there is no such plane, its exponent being the shared one, it
            # is clamped to the largest number, all ones.
            over, clamp = Signal(), Signal()
            m.d.comb += [
                over.eq(carry & ~self.sign if p.signed_digits else carry),
                clamp.eq(over & self.largest),
                self.early.eq(over),
            ]
            digits = [*((digit & ~over) | clamp for digit in digits[:-1]), digits[-1] | over]
        m.d.comb += self.digits.eq(Cat(digits))
        if not p.signed_digits:
            m.d.comb += self.top.eq(self.sign & self._is_not_zero(depth, dead))
        else:
            m.d.comb += self.top.eq(self.sign & ~(carry | dead) if p.rounded else self.sign & ~carry)
        return m

    def _depth(self, m: Module) -> Ranged:
        """`E - e + max_planes - P`, where a field of 0 counts as `e = 1`."""
        p = self.parameters
        hidden = self.significand[-1]
        exponent = Ranged(Cat(self.field[0] | ~hidden, self.field[1:]), p.exponent_range)
        depth = Ranged.signal(p.depth_range, "depth")
        difference = Ranged(self.base, p.base_range) - exponent
        # E is the largest e of the group, so the difference is never negative: it is itself modulo a power of
        # two above its range.
        m.d.comb += depth.value.eq(wrap(difference, p.depth_range.bits, is_signed=False).value)
        return depth

    def _rounded(self, m: Module, depth: Ranged) -> tuple[list[Value], Value]:
        """The bits of the sum that can reach a plane, and the carry out of them."""
        p = self.parameters
        if not p.rounded and not p.signed_digits:
            return list(self.significand[p.lowest_digit :]), Const(0, 1)
        sign: Value = self.sign if p.signed_digits else Const(0, 1)
        bits = self.significand ^ sign.replicate(SIGNIFICAND_BITS)
        if p.pipelined:
            return self._added(m, depth, bits, sign)
        carry = sign
        digits: list[Value] = []
        for j, bit in enumerate(bits):
            half = self._half(m, depth, j)
            digits.append(bit ^ carry)
            after = Signal(name=f"carry_{j}")
            m.d.comb += after.eq((bit & carry) | (half & (bit | carry)))
            carry = after
        return digits[p.lowest_digit :], carry

    def _added(self, m: Module, depth: Ranged, bits: Value, carry: Value) -> tuple[list[Value], Value]:
        """The same by one adder, for which an FPGA has carries that are faster than its look-up tables."""
        halves = Cat(self._half(m, depth, j) for j in range(SIGNIFICAND_BITS))
        # A place below bit 0 makes the carry into it.
        total = Signal(SIGNIFICAND_BITS + 2, name="rounded")
        m.d.comb += total.eq(Cat(Const(1, 1), bits) + Cat(carry, halves))
        return list(total[1 + self.parameters.lowest_digit : -1]), total[-1]

    def _half(self, m: Module, depth: Ranged, j: int) -> Value:
        """Whether bit `j` is half a unit: when `h = j + 1`."""
        p = self.parameters
        at = j + p.max_planes - SIGNIFICAND_BITS
        if not p.rounded or at < 0:
            return Const(0, 1)
        half = Signal(name=f"half_{j}")
        m.d.comb += half.eq(~(depth.value ^ at).any())
        return half

    def _is_not_zero(self, depth: Ranged, dead: Value) -> Value:
        """Whether the rounded magnitude is 1 or more: only then a sign is kept."""
        p = self.parameters
        normal = ~dead if p.rounded else depth.value <= p.start_range.max - 1
        fraction = self.significand[lowest_kept(p) : -1]
        return (self.significand[-1] & normal) | (fraction & self.kept).any()


def lowest_kept(parameters: CompressorParameters) -> int:
    """The lowest bit of a significand that can count 1 or more in units, or 1 / 2 or more when rounded."""
    return max(parameters.lowest_digit - parameters.rounded, 0)
