"""How long changes take, as the power sum wants to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from anda.flow.library import Library
from anda.flow.timing import slopes
from tests.anda.flow.test_timing import module

LIBERTY = """
library (tiny) { time_unit : "1ns"; capacitive_load_unit (1, pf);
  lu_table_template (load) { variable_1 : total_output_net_capacitance; index_1 ("0, 0.01"); }
  cell (inv) { area : 1;
    pin (A) { direction : input; capacitance : 0.002; }
    pin (Y) { direction : output; function : "!A";
      timing () { related_pin : "A"; timing_sense : negative_unate;
        cell_rise (load) { values ("1, 1"); } rise_transition (load) { values ("0.1, 0.6"); }
        cell_fall (load) { values ("1, 1"); } fall_transition (load) { values ("0.3, 0.8"); } } } }
}
"""


def test_slopes_follow_the_load(tmp_path: Path) -> None:
    path = tmp_path / "tiny.lib"
    path.write_text(LIBERTY, encoding="utf-8")
    netlist = module(
        {"a": ("input", [2]), "y": ("output", [4]), "z": ("output", [5])},
        {
            "u1": ("inv", {"A": 2, "Y": 3}),
            "u2": ("inv", {"A": 3, "Y": 4}),
            "u3": ("inv", {"A": 3, "Y": 5}),
        },
    )
    found = slopes(netlist, "m", Library.from_files([path]))
    # In ps: the mean of rise and fall, 200 without a load and 200 more for two pins of 2 fF; ports at once.
    assert found == pytest.approx({2: 0.0, 3: 400.0, 4: 200.0, 5: 200.0})
