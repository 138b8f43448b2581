from __future__ import annotations

import pytest

from anda.flow import fpga
from anda.flow.yosys import YosysError

COUNTER = """
module counter(clk, en, q); input clk, en; output reg [7:0] q;
  always @(posedge clk) if (en) q <= q + 8'd1;
endmodule
"""


@pytest.mark.parametrize(("family", "carries"), [("ice40", (6, 7)), ("ecp5", (4, 5)), ("xc7", (2, 2))])
def test_counter(family: str, carries: tuple[int, int]):
    report = fpga.luts(COUNTER, "counter", family)
    assert (report.family, report.flops, report.multipliers, report.memories) == (family, 8, 0, 0)
    assert carries[0] <= report.carries <= carries[1]
    assert report.luts <= 10
    assert report.evidence == "synthesized"
    assert fpga.FpgaReport.model_validate_json(report.model_dump_json()) == report
    assert report.table().row_count == 5


def test_multipliers_are_counted():
    design = "module mul(input signed [15:0] a, b, output signed [31:0] y); assign y = a * b; endmodule"
    report = fpga.luts(design, "mul", "ice40")
    assert (report.multipliers, report.flops) == (1, 0)


def test_unknown_family():
    with pytest.raises(YosysError, match="family among ice40, ecp5, xc7, got 'virtex'"):
        fpga.luts(COUNTER, "counter", "virtex")
