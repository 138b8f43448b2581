from __future__ import annotations

from importlib import resources

from anda.flow.generic import GATES, liberty_text
from anda.flow.library import Library


def test_file_is_what_the_module_prints():
    assert (resources.files("anda.flow") / "data" / "generic.lib").read_text() == liberty_text()


def test_areas_are_transistors_over_four():
    cells = Library.generic().cells
    assert set(cells) == {gate.name for gate in GATES}
    assert all(cells[gate.name].area == gate.transistors / 4 for gate in GATES)
    assert cells["ge_nand2"].area == 1


def test_flops_and_logic_are_told_apart():
    cells = Library.generic().cells
    assert {name for name, cell in cells.items() if cell.sequential} == {"ge_dff", "ge_dffe"}
    assert all(cell.tables() for cell in cells.values() if not cell.sequential)
