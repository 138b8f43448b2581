from __future__ import annotations

from pathlib import Path

import pytest

from anda.flow.delays import Table, read_delays
from anda.flow.liberty import LibertyError

HEADER = """library (slow) {
  time_unit : "1ns"; capacitive_load_unit (1, pf);
  lu_table_template (grid) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0, 1"); index_2 ("0, 0.1"); }
  lu_table_template (turned) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0, 0.1"); index_2 ("0, 1"); }
  lu_table_template (line) { variable_1 : total_output_net_capacitance; index_1 ("0, 0.1"); }
"""


def cell(delay: str, sense: str = "negative_unate") -> str:
    return (
        f"{HEADER} cell (g) {{ pin (A) {{ direction : input; capacitance : 0.002; }}"
        f'pin (Y) {{ direction : output; timing () {{ related_pin : "A"; timing_sense : {sense};'
        f"cell_rise {delay} cell_fall {delay} }} }} }} }}"
    )


def read(folder: Path, text: str):
    path = folder / "slow.lib"
    path.write_text(text)
    return read_delays([path], ["g", "absent"])


def test_interpolates_and_extends_linearly():
    table = Table((0.0, 10.0, 20.0), (0.0, 1.0), ((0.0, 1.0), (10.0, 12.0), (40.0, 44.0)))
    assert table(0, 0) == 0
    assert table(5, 0.5) == pytest.approx((0.5 + 11) / 2)
    assert table(20, 1) == 44
    assert table(30, 2) == pytest.approx(70 + (76 - 70) * 2 - 0)
    assert table(-10, 0) == -10


@pytest.mark.parametrize(
    ("delay", "slope", "load", "expected"),
    [
        ('(grid) { values ("1, 2", "3, 4"); }', 0, 100, 2000),
        ('(grid) { values ("1, 2", "3, 4"); }', 1000, 0, 3000),
        ('(turned) { values ("1, 3", "2, 4"); }', 1000, 0, 3000),
        ('(grid) { index_2 ("0, 0.2"); values ("1, 2", "3, 4"); }', 0, 200, 2000),
        ('(line) { values ("1, 2"); }', 500, 50, 1500),
        ('(scalar) { values ("7"); }', 5, 5, 7000),
    ],
)
def test_tables_of_every_shape_in_picoseconds_and_femtofarads(
    tmp_path: Path, delay: str, slope: float, load: float, expected: float
):
    found = read(tmp_path, cell(delay))["g"]
    assert found.capacitance["A"] == pytest.approx(2)
    assert found.outputs == {"Y"}
    assert found.arcs[0].delay(slope, load) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sense", "edges"),
    [
        ("negative_unate", {("fall", "rise"), ("rise", "fall")}),
        ("positive_unate", {("rise", "rise"), ("fall", "fall")}),
        ("non_unate", {(a, b) for a in ("rise", "fall") for b in ("rise", "fall")}),
    ],
)
def test_senses(tmp_path: Path, sense: str, edges: set[tuple[str, str]]):
    found = read(tmp_path, cell('(scalar) { values ("1"); }', sense))["g"]
    assert {(arc.source_edge, arc.target_edge) for arc in found.arcs} == edges


def test_missing_cells_are_not_there(tmp_path: Path):
    assert set(read(tmp_path, cell('(scalar) { values ("1"); }'))) == {"g"}


def test_errors(tmp_path: Path):
    with pytest.raises(LibertyError, match=r"table of 2 rows of 2 values in cell_rise \(grid\)"):
        read(tmp_path, cell('(grid) { values ("1, 2"); }'))
    with pytest.raises(LibertyError, match="Expected a unit among fs, ps, ns, us, got '1h'"):
        read(tmp_path, cell('(scalar) { values ("1"); }').replace("1ns", "1h"))
