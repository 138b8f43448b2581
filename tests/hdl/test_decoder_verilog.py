# amaranth: UnusedElaboratable=no
"""Every decoder as printed: its truth table, taken from the Verilog, is the format's own table."""

from __future__ import annotations

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from anda.flow.yosys import run_yosys
from golden import formats
from golden.formats import Format
from hdl.decoder import MAX_DECODED_BITS, LevelDecoder, require_decodable
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent

#: A table over code and zero has the square of as many rows.
DECODABLE = [
    f
    for f in map(formats.get, formats.names())
    if f.level_bits is not None and f.code_bits <= (5 if f.scaling == "zero-point" else MAX_DECODED_BITS)
]


class Bank(NamedComponent):
    """All decoders side by side, so that they are printed in one go."""

    clocked = False
    module_name = "bank"

    def __init__(self) -> None:
        outputs = {f"level_{i}": Out(require_decodable(f)) for i, f in enumerate(DECODABLE)}
        super().__init__({"code": In(8), "zero": In(8)} | outputs)

    def build(self) -> Module:
        m = Module()
        for i, f in enumerate(DECODABLE):
            m.submodules[f"decoder_{i}"] = decoder = LevelDecoder(f)
            m.d.comb += [decoder.code.eq(self.code), getattr(self, f"level_{i}").eq(decoder.level)]
            if decoder.subtracts_zero:
                m.d.comb += decoder.zero.eq(self.zero)
        return m


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[tuple[int, ...], int]]:
    """For each format the level of every code, and of every pair of code and zero, from the Verilog."""
    inputs = ["code,zero" if f.scaling == "zero-point" else "code" for f in DECODABLE]
    names = [LevelDecoder(f).module_name for f in DECODABLE]
    evaluate = [f"eval -table {i} -show level {name}" for i, name in zip(inputs, names, strict=True)]
    found = run_yosys(["read_verilog bank.v", "proc", *evaluate], inputs={"bank.v": emit_verilog(Bank())})
    parts = found.log.split("Executing EVAL pass")[1:]
    return {f.name: read_table(part) for f, part in zip(DECODABLE, parts, strict=True)}


def read_table(text: str) -> dict[tuple[int, ...], int]:
    rows = {}
    for line in text.splitlines():
        numbers = re.findall(r"(\d+)'([01]+)", line)
        if numbers:
            *inputs, (width, level) = numbers
            value = int(level, 2)
            rows[tuple(int(bits, 2) for _, bits in inputs)] = value - (
                value >> (int(width) - 1) << int(width)
            )
    return rows


@pytest.mark.parametrize("f", DECODABLE, ids=lambda f: f.name)
def test_the_verilog_is_the_table(f: Format, tables: dict[str, dict[tuple[int, ...], int]]) -> None:
    zero_points = f.scaling == "zero-point"
    # Codes that are no power of two in number leave some over; those count as 0, like reserved ones.
    levels = [*(level or 0 for level in f.integer_levels), *[0] * ((1 << f.code_bits) - len(f.values))]
    codes = range(1 << f.code_bits)
    if zero_points:
        assert tables[f.name] == {(c, z): levels[c] - levels[z] for c in codes for z in codes}
    else:
        assert tables[f.name] == {(c,): levels[c] for c in codes}
