# amaranth: UnusedElaboratable=no
"""Areas of binary elements: what is recorded, and that one synthesis stands for all that are the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anda.abq_area import KINDS, elements, read_rows, same_hardware
from anda.abq_tables import ABQ_TABLES, plot_abq_area
from anda.flow import synth
from anda.flow.library import Library
from hdl.binary import BinaryElement, BinaryParameters
from hdl.emit import emit_verilog

PATH = Path(__file__).resolve().parents[2] / "docs" / "data" / "abq_area.json"
DATA = json.loads(PATH.read_text())


def nameless(parameters: BinaryParameters) -> str:
    return emit_verilog(BinaryElement(parameters)).replace(parameters.name, "element")


@pytest.mark.parametrize(("kind", "pair"), [("serial", (3, 4)), ("unit", (3, 2))])
def test_one_element_stands_for_those_with_the_same_sum(kind: str, pair: tuple[int, int]) -> None:
    mine, standing = elements(kind, *pair), same_hardware(kind, *pair)
    assert mine.name != standing.name
    assert mine.sum_bits == standing.sum_bits
    if kind == "serial":
        assert nameless(mine) == nameless(standing)


def test_cycles_and_areas_of_every_pair_are_recorded() -> None:
    assert DATA["evidence"] == "synthesized"
    rows = read_rows(DATA, "generic")
    pairs = {(w, a) for _, w, a in rows}
    assert set(rows) == {(kind, *pair) for kind in KINDS for pair in pairs}
    for (kind, w, a), row in rows.items():
        p = elements(kind, w, a)
        assert (row.lanes, row.accumulator_bits) == (p.lanes, p.sum_bits)
        assert row.cycles == {"serial": w * a, "weights parallel": a}.get(kind, 1)
        assert row.area_per_mac == pytest.approx(row.area * row.cycles / row.lanes)
    # A binary product is where planes are at their best, eight by eight where they are at their worst.
    assert rows["serial", 1, 1].area_per_mac < rows["unit", 1, 1].area_per_mac / 10
    assert rows["weights parallel", 8, 8].area_per_mac < rows["serial", 8, 8].area_per_mac


def test_a_recorded_area_is_of_the_verilog_as_it_is_generated_now() -> None:
    p = elements("unit", 1, 1)
    found = synth.area(emit_verilog(BinaryElement(p)), p.name, Library.generic())
    assert found.area == read_rows(DATA, "generic")["unit", 1, 1].area


def test_tables_and_plot(tmp_path: Path) -> None:
    _, render = ABQ_TABLES["abq-area"]
    headers, body = render(DATA)
    assert all(len(row) == len(headers) for row in body)
    assert {row[0] for row in body} >= {"W1A1", "W8A8"}
    assert all(any("**" in cell for cell in row) for row in body)
    _, parts = ABQ_TABLES["abq-parts"]
    assert all(len(row) == 2 for row in parts(DATA)[1])
    plot_abq_area(DATA, tmp_path / "area.svg")
    assert (tmp_path / "area.svg").read_text().startswith("<?xml")
