"""The front end of the compressor: FP16 values of a group into what the shift registers start from."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from .compressor_lane import aligned_layout
from .compressor_parameters import SIGNIFICAND_BITS, CompressorParameters
from .compressor_quantizer import Quantizer, lowest_kept
from .fp16 import Fp16Fields
from .held import registers
from .modules import NamedComponent
from .ranges import Ranged, assign

__all__ = ["CompressorFront"]


class CompressorFront(NamedComponent):
    """A group of FP16 values taken apart, its shared exponent found, its elements rounded.

    The largest exponent is found bit by bit from the top: where any element still in the running has a one,
    those with a zero are out. That takes five ORs over the group and no comparator.

    With `exponent_register` what was found is registered, and the elements are rounded in the next cycle. The
    values themselves are not: a producer has to hold them until they are taken. `pipelined` has registers
    within the search as well.

    Parameters
    ----------
    parameters : CompressorParameters

    Members
    -------
    values : In(16 * group)
    skipped : In
        `max_planes - P`.
    valid : In(1)
        With the register: whether there is a group at `values`.
    take : In(1)
        With the register: the group is taken, another one may be there in the next cycle.
    found : Out(1)
        With the register: whether `aligned` belongs to the group at `values`.
    aligned : Out(aligned_layout(parameters))
    nonfinite : Out(1)
        Whether any value was infinite or NaN, and was replaced.
    """

    values: Signal
    skipped: Signal
    valid: Signal
    take: Signal
    found: Signal
    aligned: data.View[data.StructLayout]
    nonfinite: Signal

    def __init__(self, parameters: CompressorParameters):
        self.parameters = p = parameters
        self.clocked = p.exponent_register
        ports = {"values": In(16 * p.group), "skipped": In(p.skipped_range.bits)}
        if p.exponent_register:
            ports |= {"valid": In(1), "take": In(1), "found": Out(1)}
        super().__init__(ports | {"aligned": Out(aligned_layout(p)), "nonfinite": Out(1)})

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_compressor_front_{self.parameters.front_name}"

    def build(self) -> Module:
        """Fields, the largest exponent, and one quantizer for each element."""
        m = Module()
        p = self.parameters
        elements = [Fp16Fields() for _ in range(p.group)]
        quantizers = [Quantizer(p) for _ in range(p.group)]
        for i, fields in enumerate(elements):
            m.submodules[f"fields_{i}"] = fields
            m.d.comb += fields.value.eq(self.values.word_select(i, 16))
        m.d.comb += self.nonfinite.eq(Cat(fields.nonfinite for fields in elements).any())

        largest_field, largest_ones = self._largest(m, [fields.field for fields in elements])
        exponent = Ranged.signal(p.exponent_range, "shared_exponent", reset_less=True)
        base = Ranged.signal(p.base_range, "base", reset_less=True)
        largest = Signal(p.group, reset_less=True)
        domain = m.d.sync if p.exponent_register else m.d.comb
        domain += [
            assign(exponent, largest_field),
            assign(base, largest_field + Ranged(self.skipped, p.skipped_range)),
        ]
        if p.rounded:
            domain += largest.eq(largest_ones)
        if p.exponent_register:
            # The values stay until they are taken, and with them whatever was made of them.
            searched: Value = self.valid
            for bit in p.registered_bits:
                begun = Signal(name=f"searched_{bit}")
                m.d.sync += begun.eq(searched & ~self.take)
                searched = begun
            m.d.sync += self.found.eq(searched & ~self.take)

        kept = self._kept(base)
        for i, (fields, quantizer) in enumerate(zip(elements, quantizers, strict=True)):
            m.submodules[f"quantizer_{i}"] = quantizer
            m.d.comb += [
                quantizer.sign.eq(fields.sign),
                quantizer.field.eq(fields.field),
                quantizer.significand.eq(fields.significand),
                quantizer.base.eq(base.value),
            ]
            if p.rounded:
                m.d.comb += quantizer.largest.eq(largest[i])
            if not p.signed_digits:
                m.d.comb += quantizer.kept.eq(kept)
        m.d.comb += assign(Ranged(self.aligned.exponent, p.exponent_range), exponent)
        self._transpose(m, quantizers)
        return m

    def _transpose(self, m: Module, quantizers: list[Quantizer]) -> None:
        """Bits of equal weight side by side."""
        p = self.parameters
        m.d.comb += self.aligned.tops.eq(Cat(q.top for q in quantizers))
        if p.rounded:
            m.d.comb += self.aligned.early.eq(Cat(q.early for q in quantizers))
        for j in range(p.start_range.bits):
            m.d.comb += self.aligned.starts[j].eq(Cat(q.start[j] for q in quantizers))
        for j in range(p.digits):
            m.d.comb += self.aligned.digits[j].eq(Cat(q.digits[j] for q in quantizers))

    def _largest(self, m: Module, fields: list[Signal]) -> tuple[Ranged, Value]:
        """The shared exponent, and which elements have it as their field."""
        p = self.parameters
        running: Value = Const((1 << p.group) - 1, p.group)
        bits: list[Value] = []
        for b in reversed(range(5)):
            ones, left = Cat(field[b] for field in fields), Signal(p.group, name=f"running_{b}")
            any_one = Signal(name=f"any_{b}")
            m.d.comb += [
                any_one.eq((running & ones).any()),
                left.eq(running & (ones | ~any_one.replicate(p.group))),
            ]
            bits.insert(0, any_one)
            running = left
            if b in p.registered_bits:
                held = registers(m)
                bits = [held(bit, f"found_{b + i}_behind_{b}") for i, bit in enumerate(bits)]
                running = held(running, f"running_behind_{b}")
        # The exponent of subnormals is 1, though their field is 0.
        exponent = Cat(bits[0] | ~Cat(bits[1:]).any(), *bits[1:])
        return Ranged(exponent, p.exponent_range), running

    def _kept(self, base: Ranged) -> Value:
        """Which bits keep a subnormal's magnitude from being 0; all subnormals have the exponent 1."""
        p = self.parameters
        # Bit j counts 1 or more when j >= h and h = base - 1 + 12 - max_planes; half of that when rounded.
        lift = p.max_planes - SIGNIFICAND_BITS + p.rounded
        return Cat(base.value <= j + lift for j in range(lowest_kept(p), SIGNIFICAND_BITS - 1))
