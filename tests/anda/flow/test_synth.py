from __future__ import annotations

import hashlib
import json
import os
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from anda.flow import synth
from anda.flow.library import Library
from anda.flow.recipe import cells_of, map_to_library
from anda.flow.report import AreaReport
from anda.flow.yosys import YosysError

from .samples import ADDERS, BASIC, FLOP, INVERTING, PLAIN, RIPPLE, RIPPLE_INVERTED, Circuit, library

#: Kept whole, the halves are modules of their own.
TWICE = (
    ADDERS
    + """
module half(a, b, s, k); input a, b; output s, k;
  anda_half_adder u(.a(a), .b(b), .sum(s), .carry(k));
endmodule
module twice(clk, p, q, r, y); input clk, p, q, r; output reg [1:0] y; wire s, k, t, l;
  half one(.a(p), .b(q), .s(s), .k(k)); half two(.a(s), .b(r), .s(t), .k(l));
  always @(posedge clk) y <= {k | l, t};
endmodule
"""
)


@pytest.fixture(scope="module")
def generic() -> AreaReport:
    return synth.area(RIPPLE, "ripple")


def test_adder_modules_become_adder_cells(generic: AreaReport):
    assert generic.adders == {"ge_fa": 2, "ge_ha": 1}
    assert (generic.flops, generic.flop_area) == (4, 34.0)
    # Nothing but adders and enable flip-flops is left.
    assert generic.area == 2 * 7 + 3.5 + 34
    assert generic.cell_count == 7
    assert generic.flop_share == pytest.approx(34 / 51.5)


def test_report_says_what_it_was_made_of_and_with(generic: AreaReport):
    assert generic.evidence == "synthesized"
    assert generic.verilog_sha256 == hashlib.sha256(RIPPLE.encode()).hexdigest()
    assert set(generic.library.sha256) == {"generic.lib"}
    assert generic.library.full_adder == "ge_fa"
    assert generic.tools["pyosys"] == "0.70"
    assert generic.tools["abc"]
    assert generic.recipe == f"area-2: {next(iter(generic.alternatives))}"
    assert set(generic.alternatives) == {
        f"{mapper}{flops}" for mapper in ("nf", "amap") for flops in ("", ", without enable flip-flops")
    }
    assert min(generic.alternatives.values()) == generic.area


def test_longest_path_runs_through_the_adders(generic: AreaReport):
    path = generic.longest_path
    assert path is not None
    assert path.unit == "tau"
    assert path.start in ("x[0]", "y[0]")
    assert path.cells == ["ge_ha", "ge_fa", "ge_fa"]
    half, full = 2 + 2 * (1 + 2 / 3) + 1, 4 + 2 * 2 + 1
    # Half adder's carry into a full adder's, into the sum of the last; loads 3.5, 3.5 and a flop's 2.
    assert path.delay == pytest.approx(half + 3.5 + full + 3.5 + 16 + 2 + 5, abs=1e-2)


def test_json_and_table(generic: AreaReport):
    assert AreaReport.model_validate_json(generic.model_dump_json()) == generic
    assert json.loads(generic.model_dump_json())["kind"] == "area"
    console = Console(width=100, record=True, file=StringIO())
    console.print(generic.table(rows=1))
    text = console.export_text()
    assert "ripple on generic" in text
    assert "2 other types" in text
    assert "longest path" in text


LIBRARIES = {"plain": (BASIC, PLAIN), "inverting": (BASIC, INVERTING), "none": (BASIC,)}


@pytest.mark.parametrize("design", [RIPPLE, RIPPLE_INVERTED], ids=["plain outputs", "inverted outputs"])
@pytest.mark.parametrize("style", LIBRARIES)
def test_mapped_netlist_computes_the_design(tmp_path: Path, design: str, style: str):
    cells = library(tmp_path, *LIBRARIES[style])
    assert cells.adder_style == style
    netlist = map_to_library(design, "ripple", cells, flatten=True).flat
    used = [cell["type"] for cell in netlist["modules"]["ripple"]["cells"].values()]
    assert used.count("fa") + used.count("fa_n") == (0 if style == "none" else 2)
    circuit = Circuit(netlist, "ripple", cells)
    for x in range(8):
        for y in range(8):
            circuit.clock(clk=0, en=1, x=x, y=y)
            assert circuit.outputs(clk=0, en=0, x=0, y=0) == {"z": x + y}
            circuit.clock(clk=0, en=0, x=7 - x, y=y)
            assert circuit.outputs(clk=0, en=0, x=0, y=0) == {"z": x + y}


def test_matching_polarity_needs_no_inverters(tmp_path: Path):
    cells = library(tmp_path, *LIBRARIES["inverting"])
    plain = synth.area(RIPPLE, "ripple", cells)
    inverted = synth.area(RIPPLE_INVERTED, "ripple", cells)
    assert inverted.adders == plain.adders == {"fa_n": 2, "ha_n": 1}
    assert inverted.area < plain.area + 3.5


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=20, max_size=20))
def test_dissolved_adders_and_words_keep_their_meaning(pairs: list[tuple[int, int]]):
    # Constant inputs, dropped carries, and arithmetic for Yosys itself, all into the generic library.
    design = (
        ADDERS
        + """
module mix(clk, x, y, z); input clk; input [7:0] x, y; output [9:0] z; wire [8:0] c; wire [7:0] s;
  assign c[0] = 1'b1;
  genvar i; generate for (i = 0; i < 8; i = i + 1) begin : bits
    anda_full_adder u(.a(x[i]), .b(~y[i]), .c(c[i]), .sum(s[i]), .carry(c[i + 1]));
  end endgenerate
  assign z = {x < y, 9'd0} + s * 2'd3 + {9'd0, c[8]};
endmodule
"""
    )
    cells = Library.generic()
    circuit = Circuit(map_to_library(design, "mix", cells, flatten=True).flat, "mix", cells)
    for x, y in pairs:
        difference = (x - y) % 256
        expected = ((x < y) * 512 + difference * 3 + (x >= y)) % 1024
        assert circuit.outputs(clk=0, x=x, y=y) == {"z": expected}


def test_hierarchy_gives_the_area_of_each_module():
    report = synth.area(TWICE, "twice", flatten=False)
    assert not report.flat
    assert report.modules["half"].count == 2
    assert report.modules["half"].area == 2 * 3.5
    assert sum(use.area for use in report.modules.values()) == pytest.approx(report.area)
    assert report.longest_path is not None
    assert report.longest_path.cells[:2] == ["ge_ha", "ge_ha"]
    flat = synth.area(TWICE, "twice")
    assert set(flat.modules) == {"twice"}
    assert flat.area <= report.area


def test_a_library_without_buffer_still_maps(tmp_path: Path):
    cells = BASIC.replace("cell (buf)", "cell (unused__probe_buf)")
    report = synth.area(RIPPLE, "ripple", library(tmp_path, cells))
    assert report.recipe == "area-2: amap"


def test_a_library_without_flip_flops_is_refused_by_name(tmp_path: Path):
    cells = library(tmp_path, BASIC.replace(FLOP, ""))
    with pytest.raises(YosysError, match="ripple has flip-flops, and sample should have a cell for them"):
        synth.area(RIPPLE, "ripple", cells)


def test_a_changed_library_is_read_again(tmp_path: Path):
    # Yosys' own cache tells files apart by their times, which here are the same.
    cells = library(tmp_path, BASIC)
    times = (cells.files[0].stat().st_atime_ns, cells.files[0].stat().st_mtime_ns)
    first = synth.area(RIPPLE, "ripple", cells)
    other = library(tmp_path, BASIC.replace("nand2", "other"))
    os.utime(other.files[0], ns=times)
    second = synth.area(RIPPLE, "ripple", other)
    assert first.cells["nand2"] == second.cells["other"]


def test_cells_outside_the_library_are_named():
    netlist = {"modules": {"m": {"cells": {"u": {"type": "mystery"}}}}}
    with pytest.raises(
        YosysError, match="every cell of m to be in the library generic, it has none for mystery"
    ):
        cells_of(netlist, "m", Library.generic())


def test_reads_files(tmp_path: Path):
    path = tmp_path / "with space" / "ripple.v"
    path.parent.mkdir()
    path.write_text(RIPPLE)
    assert synth.read_verilog(path) == synth.read_verilog(str(path)) == RIPPLE
    with pytest.raises(YosysError, match=r"Expected a Verilog file at .*missing\.v, got: No such file"):
        synth.area(tmp_path / "missing.v", "ripple")


@pytest.mark.parametrize(
    ("design", "top", "message"),
    [
        (
            "module m(input a, output b); assign b = ; endmodule",
            "m",
            "Yosys refused the design: .*syntax error",
        ),
        ("module m(input a, output b); assign b = a; endmodule", "n", "Yosys refused the design: .*n"),
        ("module m(input a, output b); assign b = a; endmodule", "m; shell", "name of a Verilog module"),
        (
            "module m(input a, e, output reg q); always @* if (e) q = a; endmodule",
            "m",
            "Yosys refused the design: .* D latches are not supported",
        ),
    ],
)
def test_bad_designs_give_one_sentence(design: str, top: str, message: str):
    with pytest.raises(YosysError, match=message) as caught:
        synth.area(design, top)
    assert "\n" not in str(caught.value)
