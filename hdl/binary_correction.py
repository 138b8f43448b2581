"""What zero points add to a sum of codes, bit by bit (contract, section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .binary_parameters import BinaryParameters
from .heap import BitHeap
from .modules import NamedComponent
from .ranges import Ranged, wrap

__all__ = ["CorrectionParameters", "ZeroCorrection", "correction_layout"]


@dataclass(frozen=True, kw_only=True)
class CorrectionParameters:
    """Everything that shapes a correction.

    Parameters
    ----------
    element : BinaryParameters
        Whose sums are corrected.
    zero_bits : int
        Width of the signed zero points of both sides, 2 to 16: the cycles that a result takes. One more than
        the bits of the widest unsigned code holds every zero point that is itself a code.
    """

    element: BinaryParameters
    zero_bits: int = 9

    def __post_init__(self) -> None:
        if not 2 <= self.zero_bits <= 16:
            raise ValueError(f"zero_bits must be from 2 to 16, not {self.zero_bits}")

    @property
    def zeros(self) -> Interval:
        """Every zero point."""
        return Interval.of_bits(self.zero_bits, signed=True)

    @property
    def activation_sums(self) -> Interval:
        """Every sum of the activations of a row."""
        return self.element.activation_range.times(self.element.terms).hull(Interval(-1, 0))

    @property
    def weight_terms(self) -> Interval:
        """Every `K * zw - sum(w)`, the constant of a channel."""
        return (self.zeros - self.element.weight_range).times(self.element.terms).hull(Interval(-1, 0))

    @property
    def results(self) -> Interval:
        """Every corrected sum."""
        p = self.element
        levels = (p.activation_range - self.zeros) * (p.weight_range - self.zeros)
        return levels.times(p.terms).hull(Interval(-1, 0))

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        widths = (self.element.sum_bits, self.activation_sums.bits, self.weight_terms.bits, self.results.bits)
        return f"anda_zero_correction_z{self.zero_bits}_" + "_".join(map(str, widths))


def correction_layout(parameters: CorrectionParameters) -> data.StructLayout:
    """A sum of codes, the sum of its activations, both zero points, and the constant of the channel."""
    p = parameters
    return data.StructLayout(
        {
            "sum": signed(p.element.sum_bits),
            "activation_sum": signed(p.activation_sums.bits),
            "activation_zero": signed(p.zero_bits),
            "weight_zero": signed(p.zero_bits),
            "weight_term": signed(p.weight_terms.bits),
        }
    )


class ZeroCorrection(NamedComponent):
    """`sum_k (x - zx)(w - zw) = sum - zw * sum(x) + zx * (K * zw - sum(w))`, exact.

    The bits of both zero points, most significant first, choose what is added to a register that doubles:
    `zero_bits` cycles a result, two additions wide and no multiplier. A sum of codes takes many cycles in the
    elements, so one correction serves a whole column of them. Sums of weights and the products with their
    zero point are known with the weights: one constant a channel.

    Parameters
    ----------
    parameters : CorrectionParameters

    Members
    -------
    sums : In(stream.Signature(correction_layout(parameters)))
        Taken in the last of its cycles.
    result : Out(stream.Signature(signed(results.bits)))
    """

    sums: stream.Interface
    result: stream.Interface

    def __init__(self, parameters: CorrectionParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "sums": In(stream.Signature(correction_layout(p))),
                "result": Out(stream.Signature(signed(p.results.bits))),
            }
        )
        #: Which bit of the zero points comes next.
        self.left = Signal(range(p.zero_bits), init=p.zero_bits - 1)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """A count of the bits, and the register with its heap."""
        m = Module()
        p = self.parameters
        given = self.sums.payload
        full, go = Signal(), Signal()
        left = self.left
        first, last = Signal(), Signal()
        m.d.comb += [
            go.eq(self.sums.valid & (~full | self.result.ready)),
            first.eq(left == p.zero_bits - 1),
            last.eq(left == 0),
            self.sums.ready.eq(last & (~full | self.result.ready)),
            self.result.valid.eq(full),
        ]
        with m.If(go):
            m.d.sync += left.eq(Mux(last, p.zero_bits - 1, left - 1))
        with m.If(go | self.result.ready):
            m.d.sync += full.eq(go & last)

        bits = p.results.bits
        register = Signal(signed(bits), reset_less=True)
        x_bit, w_bit = Signal(), Signal()
        m.d.comb += [
            x_bit.eq(given.activation_zero.as_unsigned().bit_select(left, 1)),
            w_bit.eq(given.weight_zero.as_unsigned().bit_select(left, 1)),
        ]
        heap = BitHeap(bits, p.element.adder_cells)
        # Doubled modulo 2**bits, as all of the heap counts: the result fits, so it is exact.
        held = wrap(Ranged.of(Mux(first, 0, register)), bits - 1, is_signed=False)
        heap.add_number(held.value, shift=1)
        heap.add_number(Mux(last, given.sum, 0))
        # The top bit of a zero point counts negative: what is added is negated with it. A chosen term t is
        # added as (t ^ negate) + negate, sign bits included.
        for term, chosen, subtracted in (
            (given.weight_term, x_bit, False),
            (given.activation_sum, w_bit, True),
        ):
            negate = Signal(name=f"negate_{'activations' if subtracted else 'weights'}")
            m.d.comb += negate.eq(chosen & (~first if subtracted else first))
            picked = Signal(term.shape(), name=f"picked_{'activations' if subtracted else 'weights'}")
            # The exclusive or of a signed and an unsigned value is a bit wider than they: a copy of the sign.
            flipped = wrap(Ranged.of(term ^ negate.replicate(len(term))), len(term), is_signed=False)
            m.d.comb += picked.eq(Mux(chosen, flipped.value, 0))
            heap.add_number(picked)
            heap.add_number(negate)
        # Outside the condition, which would otherwise gate the inputs of every adder.
        total = heap.sum(m)
        with m.If(go):
            m.d.sync += register.eq(total)
        m.d.comb += self.result.payload.eq(register)
        return m
