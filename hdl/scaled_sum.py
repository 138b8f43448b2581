"""A group's sum times its scale, ready for the FP32 accumulator (contract, section 6)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .float32 import EXPONENT_BITS
from .heap import AdderCells, BitHeap
from .held import as_it_is, registers
from .modules import NamedComponent
from .multiplier import signed_product
from .normalise import normalise
from .ranges import Ranged, assign
from .window import SIGNIFICANDS, Window

__all__ = ["ScaledSum"]


class ScaledSum(NamedComponent):
    """`T * scale`, exact, its leading bit near the top, and the FP32 exponent field of the top.

    A scale that is not finite is replaced as contract 1 says: an infinity by the largest finite value of its
    sign, a NaN by zero.

    Parameters
    ----------
    window : Window
    cells : AdderCells
        The adder cells to build from.
    registered : bool
        Build registers in front of the product; `nonfinite` and `planes` do without.

    Members
    -------
    sum : In(signed(sum_bits))
        `T`.
    exponent : In(5)
        The group's shared exponent `E`.
    scale : In(16)
        Bits of an FP16 value.
    planes : In(bits of max_planes)
        Words that a group occupies, from 2.
    product : Out(signed)
        `T * scale * 2^k` is `product * 2^(field - 127)`, with the binary point below the top bit and the
        sign.
    field : Out(8)
    nonfinite : Out(1)
        The scale was replaced.
    """

    resettable = False
    sum: Signal
    exponent: Signal
    scale: Signal
    planes: Signal
    product: Signal
    field: Signal
    nonfinite: Signal

    def __init__(self, window: Window, cells: AdderCells = AdderCells.PLAIN, *, registered: bool = False):
        self.clocked = registered
        self.window = window
        self.cells = cells
        super().__init__(
            {
                "sum": In(signed(window.sum_bits)),
                "exponent": In(5),
                "scale": In(16),
                "planes": In(window.planes.bits),
                "product": Out(signed(window.product.bits)),
                "field": Out(EXPONENT_BITS),
                "nonfinite": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_scaled_sum_20_p10`."""
        suffix = ("_inv" if self.cells is AdderCells.INVERTING else "") + "_registered" * self.clocked
        return f"anda_scaled_sum_{self.window.sum_bits}_p{self.window.max_planes}{suffix}"

    def build(self) -> Module:
        """Unpack the scale, multiply, normalise, count."""
        m = Module()
        window = self.window
        significand, effective = self._unpack(m)
        total, total_taken = normalise(m, self.sum, window.sum_steps, "sum")
        factor, scale_taken = normalise(m, significand, window.scale_steps, "scale")
        held = registers(m) if self.clocked else as_it_is
        product = signed_product(
            m,
            Ranged(held(total, "total_late"), Interval.of_bits(window.sum_bits, signed=True)),
            Ranged(held(factor, "factor_late"), SIGNIFICANDS),
            held(self.scale[15], "scale_sign_late"),
            self.cells,
        )
        # Modulo 2^8, which holds the whole range: E + e - planes + offset - distances.
        heap = BitHeap(EXPONENT_BITS, self.cells, prefix="field_")
        heap.add_number(held(self.exponent, "exponent_late"))
        heap.add_number(held(effective, "effective_late"))
        heap.add_number(self.planes, subtract=True)
        for name, taken, last in (
            ("sum", total_taken, window.sum_steps[-1]),
            ("scale", scale_taken, window.scale_steps[-1]),
        ):
            distance = held(Cat(*reversed(taken)), f"{name}_distance_late")
            heap.add_number(distance, last.bit_length() - 1, subtract=True)
        heap.constant += window.offset
        m.d.comb += [
            assign(Ranged(self.product, window.product), product),
            assign(Ranged.of(self.field), Ranged(heap.sum(m), window.field)),
        ]
        return m

    def _unpack(self, m: Module) -> tuple[Value, Value]:
        """Significand and effective exponent of the scale."""
        fraction, field = self.scale[:10], self.scale[10:15]
        normal, nan, infinite = (Signal(name=name) for name in ("normal", "nan", "infinite"))
        m.d.comb += [
            normal.eq(field.any()),
            self.nonfinite.eq(field.all()),
            nan.eq(self.nonfinite & fraction.any()),
            infinite.eq(self.nonfinite & ~fraction.any()),
        ]
        significand = Signal(11)
        m.d.comb += significand.eq(
            Cat((fraction | infinite.replicate(10)) & ~nan.replicate(10), normal & ~nan)
        )
        # 1 for a subnormal's field of 0, 30 for a field of 31.
        effective = Cat((field[0] & ~self.nonfinite) | ~normal, field[1:])
        return significand, effective
