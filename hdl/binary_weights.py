"""Weights of five levels from packed memory: three in 7 bits, and the planes of all of them (contract, 8)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from golden.binary_packing import DIGITS, WORD_BITS

from .modules import NamedComponent

__all__ = ["PLANES", "BalancedPlanes", "BaseFiveDecoder", "packed_bits"]

#: Planes of a weight of five levels.
PLANES = 3


def packed_bits(lanes: int) -> int:
    """Bits of packed memory that `lanes` weights of five levels take."""
    return -(-lanes // DIGITS) * WORD_BITS


class BaseFiveDecoder(NamedComponent):
    """Three digits from 0 to 4 out of 7 bits, combinational: the code of `golden.binary_packing`.

    The three words that the code does not use give three 4s.

    Members
    -------
    word : In(7)
    digits : Out(9)
        Three bits a digit, `d0` lowest.
    """

    clocked = False
    word: Signal
    digits: Signal

    def __init__(self) -> None:
        super().__init__({"word": In(WORD_BITS), "digits": Out(DIGITS * PLANES)})

    @property
    def module_name(self) -> str:
        """The same for all."""
        return "anda_base_five_decoder"

    def build(self) -> Module:
        """Where the 4s are, and which two bits belong to each other digit."""
        m = Module()
        a, b, c = (self.word[2 * place : 2 * place + 2] for place in range(DIGITS))
        some = self.word[6]
        two = Signal()  # or three
        is_four = [Signal(name=f"is_four_{place}") for place in range(DIGITS)]
        m.d.comb += two.eq(some & (c == 3))
        for place, flag in enumerate(is_four):
            m.d.comb += flag.eq((some & (c == place)) | (two & (b != place)))
        # Digit 0 is always a. Digit 1 is b, but for a word of two 4s; digit 2 has the place of a digit of 4.
        second = Mux(two, a, b)
        third = Mux(some, Mux(c[0] & ~c[1], b, a), c)
        for place, bits in enumerate((a, second, third)):
            digit = Cat(*(bit & ~is_four[place] for bit in bits), is_four[place])
            m.d.comb += self.digits.word_select(place, PLANES).eq(digit)
        return m


class BalancedPlanes(NamedComponent):
    """The three plane words of weights that lie packed in memory, combinational.

    Parameters
    ----------
    lanes : int
        Weights: as `BinaryOperand.packed` has them, three to a word, the last word filled up.

    Members
    -------
    packed : In(packed_bits(lanes))
    planes : Out(3 * lanes)
        Plane words, the least significant plane lowest.
    """

    clocked = False
    packed: Signal
    planes: Signal

    def __init__(self, lanes: int):
        if lanes < 1:
            raise ValueError(f"there is at least 1 lane, not {lanes}")
        self.lanes = lanes
        super().__init__({"packed": In(packed_bits(lanes)), "planes": Out(PLANES * lanes)})

    @property
    def module_name(self) -> str:
        """For instance `anda_balanced_planes_64`."""
        return f"anda_balanced_planes_{self.lanes}"

    def build(self) -> Module:
        """A decoder for every three lanes, and their bits sorted by planes."""
        m = Module()
        digits: list[Value] = []
        for number in range(-(-self.lanes // DIGITS)):
            m.submodules[f"decoder_{number}"] = decoder = BaseFiveDecoder()
            m.d.comb += decoder.word.eq(self.packed.word_select(number, WORD_BITS))
            digits += [decoder.digits.word_select(place, PLANES) for place in range(DIGITS)]
        kept = digits[: self.lanes]
        m.d.comb += self.planes.eq(Cat(*(digit[plane] for plane in range(PLANES) for digit in kept)))
        return m
