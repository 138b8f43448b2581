# amaranth: UnusedElaboratable=no
"""The Verilog: human ports, every module once, equal bytes, nothing widened implicitly."""

from __future__ import annotations

import re

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hdl.cells import FullAdder, HalfAdder
from hdl.column import PeColumn
from hdl.emit import emit_rtlil, emit_verilog
from hdl.modules import NamedComponent
from hdl.pe import PeParameters, ProcessingElement
from hdl.plain import spell_out

SMALL = PeParameters(lanes=8, level_bits=3, max_planes=4)


def modules(text: str) -> dict[str, str]:
    found = re.findall(r"^module (\w+)\(.*?^endmodule$", text, flags=re.M | re.S)
    return {name: re.search(rf"^module {name}\(.*?^endmodule$", text, re.M | re.S)[0] for name in found}


def test_ports_have_human_names_in_order_of_declaration() -> None:
    text = emit_verilog(ProcessingElement(SMALL))
    ports = re.search(r"module anda_pe_8x3_tc4_p1_heap_woutside_a10\((.*?)\);", text)[1].split(", ")
    assert ports == [
        *("clk", "rst"),
        *("planes_words", "planes_first", "planes_last", "planes_valid", "planes_ready"),
        "levels",
        *("result_payload", "result_valid", "result_ready"),
    ]
    assert "\\" not in text


def test_every_module_is_printed_once_with_the_top_first() -> None:
    text = emit_verilog(PeColumn(SMALL, rows=5))
    names = re.findall(r"^module (\w+)", text, flags=re.M)
    assert names[0] == f"{SMALL.name}_x5"
    assert sorted(names[1:]) == sorted({"anda_weights_8x3", SMALL.name, "anda_full_adder"})
    assert len(re.findall(rf"^  {SMALL.name} row_\d ", modules(text)[names[0]], flags=re.M)) == 5


def test_equal_designs_give_equal_bytes() -> None:
    assert emit_verilog(ProcessingElement(SMALL)) == emit_verilog(ProcessingElement(SMALL))


def test_registers_have_no_initial_value() -> None:
    for text in (emit_verilog(PeColumn(SMALL, rows=1)), emit_rtlil(PeColumn(SMALL, rows=1))):
        assert not re.search(r"initial|init |reg .*=", text)


def test_no_carry_of_an_adder_cell_is_left_open() -> None:
    text = emit_verilog(ProcessingElement(SMALL))
    cells = re.findall(r"anda_full_adder \w+ \((.*?)\);", text, flags=re.S)
    assert cells
    assert all(re.search(r"\.carry\(\S+\)", cell) for cell in cells)


@pytest.mark.parametrize("inverted", [False, True])
def test_adder_cells_add(inverted: bool) -> None:
    from amaranth.sim import Simulator

    full, half = FullAdder(inverted=inverted), HalfAdder(inverted=inverted)
    m = Module()
    m.submodules += [full, half]

    async def bench(ctx) -> None:
        for bits in range(8):
            a, b, c = bits & 1, bits >> 1 & 1, bits >> 2
            for cell, operands in ((full, {"a": a, "b": b, "c": c}), (half, {"a": a, "b": b})):
                for name, value in operands.items():
                    ctx.set(getattr(cell, name), value)
                total, carry = (ctx.get(out) ^ inverted for out in cell.outputs)
                assert total + 2 * carry == sum(operands.values())

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    names = (
        {"anda_full_adder_inv", "anda_half_adder_inv"} if inverted else {"anda_full_adder", "anda_half_adder"}
    )
    assert {full.module_name, half.module_name} == names


class _Mixed(NamedComponent):
    """Structured payloads in both directions and operands of unequal widths."""

    module_name = "mixed"
    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        layout = data.StructLayout({"a": signed(3), "b": signed(6)})
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def build(self) -> Module:
        m = Module()
        held = Signal(signed(6), reset_less=True)
        m.d.sync += held.eq(self.i.payload.a + self.i.payload.b)
        m.d.comb += [
            self.o.payload.a.eq(self.i.payload.a),
            self.o.payload.b.eq(held),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        return m


def test_operands_are_widened_in_so_many_words() -> None:
    text = emit_verilog(_Mixed())
    assert re.search(r"\$signed\(\{ \{3\{\w+\[2\]\}\}, \w+ \}\) \+ \$signed\(\w+\)", text) or re.search(
        r"\$signed\(\{ i_a\[2\], i_a\[2\], i_a\[2\], i_a \}\) \+ \$signed\(i_b\)", text
    )
    assert "i_a, i_b, i_valid, i_ready, o_a, o_b, o_valid, o_ready" in text


def test_a_cell_without_its_operand_is_an_error() -> None:
    broken = "  cell $add $1\n    parameter \\A_WIDTH 2\n    parameter \\B_WIDTH 3\n  end\n"
    with pytest.raises(ValueError, match=r"cell \$1 of kind add lacks its operand A"):
        spell_out(broken)


class _Impostor(_Mixed):
    """Another interface under a name that is taken."""

    module_name = "anda_full_adder"


def test_two_components_cannot_share_a_name() -> None:
    class Both(_Mixed):
        module_name = "both"

        def build(self) -> Module:
            m = super().build()
            m.submodules += [FullAdder(), _Impostor()]
            return m

    with pytest.raises(
        ValueError, match="two different components want to be the Verilog module `anda_full_adder`"
    ):
        emit_verilog(Both())
