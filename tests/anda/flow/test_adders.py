from __future__ import annotations

from pathlib import Path

import pytest

from anda.flow.adders import kept_adders, technology_map, wasteful_adders
from anda.flow.library import Library
from anda.flow.yosys import run_yosys

from .samples import ADDERS, BASIC, INVERTING, PLAIN, gate, library


def netlist(library: Library, body: str) -> list[str]:
    """Wasteful instances of a module with inputs a..d and outputs y, z."""
    kept = " ".join(adder.name for adder in kept_adders(library))
    run = run_yosys(
        [
            "read_verilog design.v",
            f"setattr -mod -set keep_hierarchy 1 {kept}",
            "hierarchy -top m",
            "proc; flatten; opt_clean; write_json out.json",
        ],
        inputs={"design.v": f"{ADDERS} module m(input a, b, c, d, output y, z); wire s, k; {body} endmodule"},
    )
    return sorted(name for found in wasteful_adders(run.netlists["out"], library).values() for name in found)


def test_map_is_accepted_by_yosys_and_uses_inverters_for_the_other_polarity(tmp_path: Path):
    text = technology_map(library(tmp_path, BASIC, INVERTING))
    assert text.count("$_NOT_") == 4
    assert technology_map(library(tmp_path, BASIC, PLAIN)).count("$_NOT_") == 4
    run_yosys(["read_verilog -icells map.v"], inputs={"map.v": text})


def test_no_map_without_cells(tmp_path: Path):
    assert technology_map(library(tmp_path, BASIC)) == ""
    only_full = library(tmp_path, BASIC, gate("fa", 4, "ABC", S="A ^ B ^ C", K="A B + B C + A C"))
    assert [adder.name for adder in kept_adders(only_full)] == ["anda_full_adder", "anda_full_adder_inv"]


@pytest.mark.parametrize(
    ("body", "wasteful"),
    [
        # Everything is used.
        ("anda_full_adder u(.a(a), .b(b), .c(c), .sum(y), .carry(z));", []),
        # A constant input.
        ("anda_full_adder u(.a(a), .b(1'b1), .c(c), .sum(y), .carry(z));", ["m/u"]),
        # The carry goes nowhere: two exclusive ORs (5) cost more than the cell (4), one does not (2.5 > 2).
        ("anda_full_adder u(.a(a), .b(b), .c(c), .sum(y), .carry(k));", []),
        ("anda_half_adder u(.a(a), .b(b), .sum(y), .carry(k));", []),
        # The sum goes nowhere: a NAND (1) is smaller than the half adder.
        ("anda_half_adder u(.a(a), .b(b), .sum(s), .carry(z));", ["m/u"]),
        # Read by another adder only.
        (
            "anda_half_adder u(.a(a), .b(b), .sum(s), .carry(k));"
            "anda_full_adder v(.a(s), .b(k), .c(c), .sum(y), .carry(z));",
            [],
        ),
    ],
)
def test_wasteful_adders(tmp_path: Path, body: str, wasteful: list[str]):
    assert netlist(library(tmp_path, BASIC, PLAIN), body) == wasteful


def test_lone_outputs_depend_on_the_library(tmp_path: Path):
    body = "anda_full_adder u(.a(a), .b(b), .c(c), .sum(y), .carry(k));"
    cheap_xor = gate("xor", 1.5, "AB", Y="!A B + A !B")
    assert netlist(library(tmp_path, BASIC, PLAIN, cheap_xor), body) == ["m/u"]
    body = "anda_full_adder u(.a(a), .b(b), .c(c), .sum(s), .carry(y));"
    assert netlist(library(tmp_path, BASIC, PLAIN), body) == []
    majority = gate("maj", 3, "ABC", Y="A B + B C + A C")
    assert netlist(library(tmp_path, BASIC, PLAIN, majority), body) == ["m/u"]
