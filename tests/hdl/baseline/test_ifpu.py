# amaranth: UnusedElaboratable=no
"""iFPU: parameters, ranges, lint."""

from __future__ import annotations

import re
from typing import Any

import pytest

from golden.interval import Interval
from hdl.baseline.ifpu import Ifpu, IfpuParameters
from hdl.heap import AdderCells

from .clean import assert_clean


def test_ranges_and_throughput() -> None:
    p = IfpuParameters()
    most = (1 << 40) - 1
    assert p.sum_range == Interval(-64 * 8 * most, 64 * 8 * most)
    assert p.window.total.contains(p.sum_range)
    assert p.macs_per_cycle == 4
    for bits in range(11, 41):
        narrow = IfpuParameters(mantissa_bits=bits)
        assert narrow.window.total.contains(narrow.sum_range)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mantissa_bits": 10}, "mantissa_bits must be from 11 to 40, not 10"),
        ({"lanes": 12}, "lanes must be 4, 8, 16 or 32, not 12"),
        ({"weights": "beside"}, "weights must be outside or inside, not 'beside'"),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        IfpuParameters(**wrong)


@pytest.mark.parametrize(
    "component",
    [
        Ifpu(IfpuParameters(lanes=4, mantissa_bits=13, weights="inside", adder_cells=AdderCells.INVERTING)),
        pytest.param(Ifpu(IfpuParameters()), marks=pytest.mark.nightly),
    ],
    ids=lambda component: component.module_name,
)
def test_verilog_is_lint_clean(component: Any, tmp_path: Any) -> None:
    assert_clean(component, tmp_path)
