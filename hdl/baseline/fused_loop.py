"""FP32 accumulation of one exact product a lane and cycle: the loop that floating-point peers share.

The arithmetic is that of this project's accumulator (`hdl.fused_add`): the peers get the adder that our own
elements get, with a register in its middle, so that both run at one clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from hdl.float32 import EXPONENT_BITS, WORD_BITS
from hdl.fused_add import AlignedSum, RoundedWord
from hdl.modules import NamedComponent
from hdl.slots import selected, slot_field, store
from hdl.window import Window

__all__ = ["CutWindow", "FusedLoop", "ProductWindow", "products_layout", "words_layout"]


@dataclass(frozen=True)
class ProductWindow(Window):
    """The window of the adder for products that are not those of a group's sum.

    Parameters
    ----------
    largest : int
        Magnitude of the largest product, in units of its last bit.
    lack : int
        How far below the top bit of the largest product the leading bit of any other may be: the `slack` of
        the argument in `hdl.window`.
    """

    sum_bits: int = field(init=False, default=0)
    max_planes: int = field(init=False, default=2)
    largest: int
    lack: int

    @property
    def product(self) -> Interval:
        """A product in units of its last bit, of either sign."""
        return Interval(-self.largest, self.largest)

    @property
    def slack(self) -> int:
        """How far below the top of the window a nonzero product's leading bit may be."""
        return self.lack


@dataclass(frozen=True)
class CutWindow(Window):
    """The window for sums of products, whose leading bit may be anywhere in it; it is no wider than they are.

    What the smaller operand has below the window is cut off, and nothing remembers it: the loop adds two
    integers exactly and rounds their sum, which may be any integer, -1 too.

    Parameters
    ----------
    width : int
        Of the window and of a sum of products, sign included: 26 to 63.
    """

    sum_bits: int = field(init=False, default=0)
    max_planes: int = field(init=False, default=2)
    width: int

    @property
    def product(self) -> Interval:
        """Every sum of products."""
        return Interval.of_bits(self.width, signed=True)

    @property
    def slack(self) -> int:
        """The whole of it."""
        return self.width - 2

    @property
    def bits(self) -> int:
        """That of the sums."""
        return self.width

    @property
    def total_steps(self) -> list[int]:
        """Down to the lowest bit, and one place more for -1."""
        return [1 << k for k in reversed(range(self.width.bit_length()))]


def products_layout(window: Window, lanes: int, slot_bits: int) -> data.StructLayout:
    """A product for each lane with the exponent field of its top bit, whose accumulators they go to, and
    where sums begin and end.
    """
    return data.StructLayout(
        {
            "products": data.ArrayLayout(signed(window.product.bits), lanes),
            "fields": data.ArrayLayout(EXPONENT_BITS, lanes),
            **slot_field(slot_bits),
            "first": 1,
            "last": 1,
        }
    )


def words_layout(lanes: int, slot_bits: int) -> data.StructLayout:
    """An ordered word (`hdl.float32`) for each lane, and whose they are."""
    return data.StructLayout({"words": data.ArrayLayout(WORD_BITS, lanes), **slot_field(slot_bits)})


class FusedLoop(NamedComponent):
    """`A <- round_fp32(A + product)` in every lane, rounded once, to nearest even.

    All lanes step together. Products of different slots are taken one a cycle, those of one slot two cycles
    apart. Products with `last` hold the input back for two cycles more, and then until the sums are taken:
    they wait in the accumulators. With `registered` sums wait in registers of their own and hold nothing back
    but the next products with `last`.

    Parameters
    ----------
    window : Window
    lanes : int
        Adders.
    slots : int
        Accumulators of each.
    registered : bool
        Registers for the sums that leave.

    Members
    -------
    products : In(stream.Signature(products_layout(window, lanes, slot_bits)))
        As `hdl.scaled_sum.ScaledSum` gives them. `first` starts at +0.
    sums : Out(stream.Signature(words_layout(lanes, slot_bits)))
        Three cycles after the products with `last`; without a slot if registered.
    """

    products: stream.Interface
    sums: stream.Interface

    def __init__(self, window: Window, lanes: int, slots: int, *, registered: bool = False):
        self.registered = registered
        self.window = window
        self.lanes = lanes
        self.slots = slots
        self.slot_bits = (slots - 1).bit_length()
        super().__init__(
            {
                "products": In(stream.Signature(products_layout(window, lanes, self.slot_bits))),
                "sums": Out(stream.Signature(words_layout(lanes, 0 if registered else self.slot_bits))),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `baseline_fused_loop_23_30_4x2`."""
        w = self.window
        suffix = "_registered" if self.registered else ""
        return f"baseline_fused_loop_{w.product.bits}_{w.bits}_{self.lanes}x{self.slots}{suffix}"

    def build(self) -> Module:
        """Control for all lanes, and each lane's adder between its registers."""
        m = Module()
        given = self.products.payload
        adding, rounding, leaving = (Signal(name=name) for name in ("adding", "rounding", "leaving"))
        adding_first, adding_last, rounding_last = (
            Signal(name=name, reset_less=True) for name in ("adding_first", "adding_last", "rounding_last")
        )
        adding_slot, rounding_slot = (
            Signal(self.slot_bits, name=name, reset_less=True) for name in ("adding_slot", "rounding_slot")
        )
        accept, same_slot, ending, finishing, held, blocked = (
            Signal(name=name) for name in ("accept", "same_slot", "ending", "finishing", "held", "blocked")
        )
        m.d.comb += [
            same_slot.eq(adding & (adding_slot == given.slot) if self.slot_bits else adding),
            finishing.eq(rounding & rounding_last),
            ending.eq((adding & adding_last) | finishing),
            held.eq(leaving & ~self.sums.ready),
            blocked.eq(ending | held),
            self.products.ready.eq(~(same_slot | (blocked & given.last if self.registered else blocked))),
            accept.eq(self.products.valid & self.products.ready),
            self.sums.valid.eq(leaving),
        ]
        m.d.sync += [
            adding.eq(accept),
            adding_first.eq(given.first),
            adding_last.eq(given.last),
            rounding.eq(adding),
            rounding_last.eq(adding_last),
            leaving.eq(finishing | held),
        ]
        if self.slot_bits:
            m.d.sync += rounding_slot.eq(adding_slot)
        if self.slot_bits and self.registered:
            m.d.sync += adding_slot.eq(given.slot)
        elif self.slot_bits:
            # While sums leave, nothing is added: the accumulators are read for one or for the other.
            m.d.sync += adding_slot.eq(Mux(finishing, rounding_slot, Mux(held, adding_slot, given.slot)))
            m.d.comb += self.sums.payload.slot.eq(adding_slot)
        for lane in range(self.lanes):
            current, new = self._lane(m, lane, adding_first, rounding, rounding_slot, adding_slot)
            if self.registered:
                current = Signal(WORD_BITS, name=f"leaving_{lane}", reset_less=True)
                with m.If(finishing):
                    m.d.sync += current.eq(new)
            m.d.comb += self.sums.payload.words[lane].eq(current)
        return m

    def _lane(
        self, m: Module, lane: int, first: Value, write: Value, to: Value, read: Value
    ) -> tuple[Value, Value]:
        """The registers and the adder of one lane; its accumulator of the slot `read`, and the next one."""
        window, given = self.window, self.products.payload
        cut = isinstance(window, CutWindow)
        m.submodules[f"aligned_{lane}"] = aligned = AlignedSum(window, cut=cut)
        m.submodules[f"rounded_{lane}"] = rounded = RoundedWord(window)
        product = Signal(signed(window.product.bits), name=f"product_{lane}", reset_less=True)
        product_field = Signal(EXPONENT_BITS, name=f"product_field_{lane}", reset_less=True)
        total = Signal(signed(window.total.bits), name=f"total_{lane}", reset_less=True)
        total_field = Signal(EXPONENT_BITS, name=f"total_field_{lane}", reset_less=True)
        inexact: Value = Const(0, 1)
        if not cut:
            inexact = Signal(name=f"inexact_{lane}", reset_less=True)
        words = [Signal(WORD_BITS, name=f"word_{lane}_{i}", reset_less=True) for i in range(self.slots)]
        store(m, words, rounded.word, write, to)
        current = Signal(WORD_BITS, name=f"word_{lane}")
        m.d.comb += [
            current.eq(selected(words, read)),
            aligned.word.eq(current),
            aligned.first.eq(first),
            aligned.product.eq(product),
            aligned.product_field.eq(product_field),
            rounded.total.eq(total),
            rounded.field.eq(total_field),
            rounded.inexact.eq(inexact),
        ]
        m.d.sync += [
            product.eq(given.products[lane]),
            product_field.eq(given.fields[lane]),
            total.eq(aligned.total),
            total_field.eq(aligned.field),
        ]
        if not cut:
            m.d.sync += inexact.eq(aligned.inexact)
        return current, rounded.word
