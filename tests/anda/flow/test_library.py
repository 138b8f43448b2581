from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from anda.flow.liberty import LibertyError
from anda.flow.library import Library

from .samples import BASIC, INVERTING, PLAIN, gate, library


def test_generic_library_has_plain_adders():
    generic = Library.generic()
    assert generic.adder_style == "plain"
    assert (generic.area_unit, generic.time_unit) == ("NAND2", "tau")
    assert generic.full_adder is not None
    assert (generic.full_adder.name, generic.full_adder.inverters(inverted=False)) == ("ge_fa", 0)


def test_adders_are_found_by_function_not_by_name(tmp_path: Path):
    cells = gate("x17", 6, "PQR", U="P Q + Q R + P R", V="P ^ Q ^ R") + gate(
        "x18", 3, "PQ", U="P Q", V="P ^ Q"
    )
    found = library(tmp_path, BASIC, cells)
    assert found.full_adder is not None
    assert (found.full_adder.name, found.full_adder.sum, found.full_adder.carry) == ("x17", "V", "U")
    assert found.half_adder is not None
    assert (found.half_adder.name, found.half_adder.sum, found.half_adder.carry) == ("x18", "V", "U")


def test_inverted_outputs_are_recognised(tmp_path: Path):
    found = library(tmp_path, BASIC, INVERTING)
    assert found.adder_style == "inverting"
    assert found.full_adder is not None
    assert found.full_adder.sum_inverted
    assert found.full_adder.carry_inverted
    assert found.full_adder.inverters(inverted=False) == 2
    assert found.full_adder.inverters(inverted=True) == 0


def test_one_inverted_output_is_not_the_inverting_style(tmp_path: Path):
    found = library(tmp_path, BASIC, gate("fa", 4, "ABC", S="A ^ B ^ C", CN="!(A B + B C + A C)"))
    assert found.adder_style == "plain"
    assert found.full_adder is not None
    assert found.full_adder.inverters(inverted=False) == 1


def test_smallest_adder_wins(tmp_path: Path):
    found = library(tmp_path, BASIC, PLAIN, gate("small", 3, "ABC", S="A ^ B ^ C", K="A B + B C + A C"))
    assert found.full_adder is not None
    assert found.full_adder.name == "small"


@pytest.mark.parametrize("cell", ["tiny", "lib__probe_1", "lib__lpflow_fa_1"])
def test_cells_not_to_use_are_left_out(tmp_path: Path, cell: str):
    mark = "dont_use : true;" if cell == "tiny" else ""
    adder = gate(cell, 1, "ABC", mark, S="A ^ B ^ C", K="A B + B C + A C")
    found = library(tmp_path, BASIC, PLAIN, adder)
    assert found.full_adder is not None
    assert found.full_adder.name == "fa"
    assert found.unusable == [cell]


def test_users_exclude_cells_by_pattern(tmp_path: Path):
    path = library(tmp_path, BASIC, PLAIN).files[0]
    found = Library.from_files([path], dont_use=["f?"])
    assert found.full_adder is None
    assert found.adder_style == "none"
    assert found.half_adder is not None


def test_near_misses_are_no_adders(tmp_path: Path):
    found = library(
        tmp_path,
        BASIC,
        gate("sum_only", 2, "ABC", S="A ^ B ^ C", X="A B C"),
        gate("carry_only", 2, "ABC", K="A B + B C + A C", X="A + B + C"),
        gate("inverted_input", 2, "ABC", S="A ^ B ^ !C", K="A B + B !C + A !C"),
        gate("too_wide", 2, "ABCD", S="A ^ B ^ C", K="A B + B C + A C"),
    )
    assert found.full_adder is None


def test_several_files_are_one_library(tmp_path: Path):
    one = library(tmp_path, BASIC, name="one")
    two = library(tmp_path, PLAIN, gate("inv", 9, "A", Y="!A"), name="two")
    found = Library.from_files([*one.files, *two.files])
    assert found.name == "one"
    assert found.full_adder is not None
    assert found.cells["inv"].area == 0.5
    digest = hashlib.sha256(two.files[0].read_bytes()).hexdigest()
    assert found.sha256["two.lib"] == digest


def test_gate_finds_the_smallest_in_any_pin_order(tmp_path: Path):
    found = library(
        tmp_path, BASIC, gate("mux_a", 4, "SAB", Y="A !S + B S"), gate("mux_b", 3, "ABS", Y="A !S + B S")
    )
    mux = found.gate("a !c + b c", "abc")
    assert mux is not None
    assert mux.name == "mux_b"
    assert found.gate("a b + c", "abc") is None


def test_errors_name_the_file(tmp_path: Path):
    with pytest.raises(LibertyError, match="at least one Liberty file"):
        Library.from_files([])
    with pytest.raises(LibertyError, match=r"missing\.lib, got: No such file"):
        Library.from_files([tmp_path / "missing.lib"])
    (tmp_path / "text.lib").write_text("hello")
    with pytest.raises(LibertyError, match=r"text\.lib, line 1: expected a Liberty statement"):
        Library.from_files([tmp_path / "text.lib"])
