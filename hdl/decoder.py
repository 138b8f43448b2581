"""Weight codes to integer levels: a table in gates, derived from the format itself (contract, section 4)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format
from golden.interval import Interval

from .modules import NamedComponent
from .ranges import Ranged, assign, extend
from .weights import WeightBuffer, levels_layout

__all__ = [
    "MAX_DECODED_BITS",
    "FormatWeights",
    "LevelDecoder",
    "codes_shape",
    "require_decodable",
    "verilog_name",
]

#: Widest code that is decoded by a table.
MAX_DECODED_BITS = 8


def require_decodable(format: Format, level_bits: int | None = None) -> int:
    """The width of the format's levels, if it has integer ones, codes that a table can decode, and they fit.

    Raises
    ------
    ValueError
        Says which of them is missing.
    """
    if format.level_bits is None:
        raise ValueError(
            f"format {format.name} has real levels, which no integer decoder gives; "
            "its hardened variants have integer ones"
        )
    if format.code_bits > MAX_DECODED_BITS:
        raise ValueError(
            f"a decoder takes codes of at most {MAX_DECODED_BITS} bits, but those of "
            f"{format.name} have {format.code_bits}"
        )
    if level_bits is not None and level_bits < format.level_bits:
        raise ValueError(f"levels of {format.name} need {format.level_bits} bits, not {level_bits}")
    return format.level_bits


def codes_shape(lanes: int, format: Format) -> data.Layout | int:
    """A set of codes, lane 0 in the least significant bits; with zero points, the zero of all of them too."""
    codes = lanes * format.code_bits
    if format.scaling != "zero-point":
        return codes
    return data.StructLayout({"codes": codes, "zero": format.code_bits})


def verilog_name(format: Format) -> str:
    """The name of a format as a part of a Verilog name."""
    return format.name.replace("-", "_").replace(".", "_")


class LevelDecoder(NamedComponent):
    """The signed integer level of a code, combinational.

    `level = format.integer_levels[code]`, or `code - zero` for formats with zero points. The level is exact:
    `format.level_range` holds it, and so does the width of the output. A reserved code, which no quantizer
    gives, counts as 0.

    Parameters
    ----------
    format : Format
        With integer levels and codes of at most 8 bits. Block scales are not decoded here: an E8M0 scale is
        a power of two and joins the exponent of the group, any other scale goes to the accumulator.

    Members
    -------
    code : In(format.code_bits)
    zero : In(format.code_bits)
        Formats with zero points only: the code that means zero.
    level : Out(signed(format.level_bits))

    Raises
    ------
    ValueError
        The format has no integer levels, or its codes are too wide.
    """

    clocked = False
    code: Signal
    zero: Signal
    level: Signal

    def __init__(self, format: Format):
        bits = require_decodable(format)
        self.format = format
        self.subtracts_zero = format.scaling == "zero-point"
        ports = {"code": In(format.code_bits)}
        if self.subtracts_zero:
            ports["zero"] = In(format.code_bits)
        super().__init__(ports | {"level": Out(signed(bits))})

    @property
    def module_name(self) -> str:
        """For instance `anda_decode_e2m1_sp`."""
        return f"anda_decode_{verilog_name(self.format)}"

    def build(self) -> Module:
        """A subtraction, or a table with one case for each code."""
        m = Module()
        interval = self.format.level_range
        levels = self.format.integer_levels
        assert interval is not None
        assert levels is not None
        target = Ranged(self.level, interval.hull(Interval(-1, 0)))
        if self.subtracts_zero:
            codes = Interval(0, len(levels) - 1)
            codes_held = Interval.of_bits(self.format.code_bits, signed=False)
            if codes == codes_held:
                m.d.comb += assign(target, Ranged(self.code, codes) - Ranged(self.zero, codes))
                return m
            used, zero = (
                self._limited(m, port, codes, name)
                for port, name in ((self.code, "used"), (self.zero, "base"))
            )
            m.d.comb += assign(target, used - zero)
            return m
        if all(level == _plain(code, self.format.code_bits) for code, level in enumerate(levels)):
            m.d.comb += self.level.eq(self.code.as_signed())
            return m
        with m.Switch(self.code):
            for code, level in enumerate(levels):
                if level:
                    with m.Case(code):
                        m.d.comb += assign(target, Ranged.constant(level))
        return m

    def _limited(self, m: Module, port: Signal, codes: Interval, name: str) -> Ranged:
        """A code that exists: the reserved ones count as 0."""
        limited = Ranged.signal(codes, name)
        with m.If(port <= codes.max):
            m.d.comb += limited.value.eq(port)
        return limited


def _plain(code: int, bits: int) -> int:
    """A code read as a two's-complement number."""
    return code - (1 << bits) if code >> (bits - 1) else code


class FormatWeights(NamedComponent):
    """Double-buffered weight codes with a decoder for each lane: levels for processing elements.

    What `WeightBuffer` is for levels; the registers hold codes, which are narrower.

    Parameters
    ----------
    lanes : int
        Codes in a set.
    format : Format
        See `LevelDecoder`.
    level_bits : int or None
        Width of the levels given out; that of the format by default.

    Members
    -------
    load : In(stream.Signature(codes_shape(lanes, format)))
        Sets of codes in the order of the groups they belong to.
    levels, valid, retire
        As `WeightBuffer`.
    """

    load: stream.Interface
    levels: data.View[data.ArrayLayout]
    valid: Signal
    retire: Signal

    def __init__(self, *, lanes: int, format: Format, level_bits: int | None = None):
        self.lanes = lanes
        self.format = format
        self.level_bits = level_bits or require_decodable(format)
        require_decodable(format, self.level_bits)
        self.has_zero = format.scaling == "zero-point"
        super().__init__(
            {
                "load": In(stream.Signature(codes_shape(lanes, format))),
                "levels": Out(levels_layout(lanes, self.level_bits)),
                "valid": Out(1),
                "retire": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_weights_64_e2m1_sp_to_5`."""
        return f"anda_weights_{self.lanes}_{verilog_name(self.format)}_to_{self.level_bits}"

    def build(self) -> Module:
        """The registers of the codes, the zero beside them, and the decoders behind."""
        m = Module()
        bits = self.format.code_bits
        stored = self.lanes + self.has_zero
        m.submodules.codes = codes = WeightBuffer(lanes=stored, level_bits=bits)
        given = self.load.payload
        m.d.comb += [
            codes.load.payload.as_value().eq(given.as_value() if self.has_zero else given),
            codes.load.valid.eq(self.load.valid),
            self.load.ready.eq(codes.load.ready),
            codes.retire.eq(self.retire),
            self.valid.eq(codes.valid),
        ]
        held = codes.levels.as_value()
        for lane in range(self.lanes):
            m.submodules[f"lane_{lane}"] = decoder = LevelDecoder(self.format)
            m.d.comb += decoder.code.eq(held.word_select(lane, bits))
            if self.has_zero:
                m.d.comb += decoder.zero.eq(held.word_select(self.lanes, bits))
            m.d.comb += self.levels[lane].eq(extend(decoder.level, self.level_bits))
        return m
