"""Registers behind AXI4-Lite, generated from their description."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out, Signature

from .modules import NamedComponent
from .registers import DATA_BITS, Field, Register, RegisterMap

__all__ = ["OKAY", "SLVERR", "AxiLiteRegisters", "axi_lite_signature"]

#: Answers of AXI4-Lite: done, and refused.
OKAY, SLVERR = 0, 2


def axi_lite_signature(address_bits: int) -> Signature:
    """AXI4-Lite of 32 bits as its manager drives it (AMBA AXI protocol specification, AXI4-Lite)."""
    return Signature(
        {
            "awaddr": Out(address_bits),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(DATA_BITS),
            "wstrb": Out(DATA_BITS // 8),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_bits),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(DATA_BITS),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )


class AxiLiteRegisters(NamedComponent):
    """The registers of a map for software, their fields for hardware.

    A write takes effect with all of its strobed bytes or is refused (SLVERR) without any effect: outside the
    map, or with a one among the reserved bits of its register, so that no value is cut silently. Reads
    outside the map are refused as well. No output follows an input in the same cycle.

    Parameters
    ----------
    registers : RegisterMap

    Members
    -------
    s_axil : In(axi_lite_signature(address_bits))
    hold : In(1)
        Writes wait; the next one is taken when it falls.
    *port of a field*
        "rw": Out, its value. "ro": In, what is read; constants have no port. "w1c": In, what is read, and
        `..._clear`, Out, ones for one cycle after they were written. "wo": Out, what was written for one
        cycle after, else 0.
    """

    s_axil: Any
    hold: Signal

    def __init__(self, registers: RegisterMap):
        self.registers = registers
        members = {"s_axil": In(axi_lite_signature(registers.address_bits)), "hold": In(1)}
        for register, field in registers.fields:
            if field.is_constant:
                continue
            name = register.port(field)
            members[name] = In(field.bits) if field.access in ("ro", "w1c") else Out(field.bits)
            if field.access == "w1c":
                members[f"{name}_clear"] = Out(field.bits)
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """The name of the map."""
        return f"anda_{self.registers.name}"

    def build(self) -> Module:
        """Handshakes, decoding, and the registers."""
        m = Module()
        bus = self.s_axil
        accept = Signal(name="accept_write")
        m.d.comb += [accept.eq(bus.awready), bus.wready.eq(bus.awready)]
        # Address and data are taken together, in the cycle after both are there.
        free = ~bus.bvalid | bus.bready
        m.d.sync += bus.awready.eq(bus.awvalid & bus.wvalid & ~bus.awready & free & ~self.hold)
        with m.If(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        chosen = [self._chosen(bus.awaddr, register) for register in self.registers.registers]
        strobes = Cat(bus.wstrb[bit // 8] for bit in range(DATA_BITS))
        refused = Signal(name="refused_write")
        reserved = [
            Mux(select, ~Const(register.writable, DATA_BITS), 0)
            for select, register in zip(chosen, self.registers.registers, strict=True)
        ]
        data = bus.wdata & strobes
        m.d.comb += refused.eq(~Cat(chosen).any() | (data & reduce(or_, reserved)).any())
        with m.If(accept):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(refused, SLVERR, OKAY))]
        for select, register in zip(chosen, self.registers.registers, strict=True):
            for field in register.fields:
                self._field(m, register, field, accept & select & ~refused, data, strobes)
        self._read(m)
        return m

    def _chosen(self, address: Value, register: Register) -> Value:
        """Whether a byte address is within a register."""
        return address[2:] == register.offset // 4

    def _field(
        self, m: Module, register: Register, field: Field, write: Value, data: Value, strobes: Value
    ) -> None:
        """One field's state, or the pulse that a write of it is."""
        if field.access == "ro":
            return
        place = slice(field.low, field.high + 1)
        if field.access == "rw":
            name = register.port(field)
            kept = Signal(field.bits, name=f"{name}_kept", init=field.reset or 0)
            m.d.comb += getattr(self, name).eq(kept)
            with m.If(write):
                m.d.sync += kept.eq((kept & ~strobes[place]) | data[place])
            return
        name = register.port(field) + ("_clear" if field.access == "w1c" else "")
        m.d.sync += getattr(self, name).eq(Mux(write, data[place], 0))

    def _read(self, m: Module) -> None:
        """The words to read, one of them into the answer."""
        bus = self.s_axil
        m.d.sync += bus.arready.eq(bus.arvalid & ~bus.arready & (~bus.rvalid | bus.rready))
        with m.If(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
        chosen = [self._chosen(bus.araddr, register) for register in self.registers.registers]
        words = [self._word(register) for register in self.registers.registers]
        word = Signal(DATA_BITS, name="word_read")
        m.d.comb += word.eq(reduce(or_, (Mux(s, w, 0) for s, w in zip(chosen, words, strict=True))))
        with m.If(bus.arready):
            m.d.sync += [
                bus.rvalid.eq(1),
                bus.rdata.eq(word),
                bus.rresp.eq(Mux(Cat(chosen).any(), OKAY, SLVERR)),
            ]

    def _word(self, register: Register) -> Value:
        """What a read of a register gives."""
        parts: list[Value] = []
        position = 0
        for field in register.fields:
            parts.append(Const(0, field.low - position))
            if field.is_constant or field.access == "wo":
                parts.append(Const(field.reset or 0, field.bits))
            else:
                parts.append(getattr(self, register.port(field)))
            position = field.high + 1
        return Cat(*parts, Const(0, DATA_BITS - position))
