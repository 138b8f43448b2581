"""Where figures are from."""

from __future__ import annotations

from typing import Any

import pytest

from anda.html_report.provenance import Source, provenance
from tests.anda.html_report.parsed import Element, parse


def shown(name: str, data: dict[str, Any], single: str = "") -> Element:
    return parse(provenance(Source(name, data, "0" * 64), single))


@pytest.mark.parametrize(
    ("name", "evidence", "badges"),
    [
        ("x", "simulated", ["simulated"]),
        ("x", {"areas": "synthesized", "sqnr_db": "computed"}, ["synthesized: areas", "computed: sqnr db"]),
        (
            "x",
            "synthesized; energies simulated on the mapped netlist",
            ["synthesized", "simulated: energies"],
        ),
        ("x", {"speed": "computed from synthesized"}, ["computed: speed"]),
        ("x", {"memories": "claimed by a paper"}, ["paper's claim: memories"]),
        ("x", {"paper": "paper"}, ["paper's claim"]),
        ("area", None, ["synthesized"]),
        ("fpga", None, ["placed"]),
        ("x", None, ["computed"]),
    ],
)
def test_tiers_of_evidence(name: str, evidence: Any, badges: list[str]) -> None:
    page = shown(name, {"evidence": evidence})
    assert [badge.words for badge in page.of_class("badge")] == badges


def test_commands_of_the_table_and_of_a_row() -> None:
    page = shown("x", {"command": "python a.py"}, "anda b")
    assert [code.text for code in page.all("code")] == ["python a.py", "anda b"]
    assert [code.text for code in shown("x", {}).all("code")] == ["make x"]


def test_everything_that_identifies_the_data_is_there() -> None:
    page = shown(
        "x",
        {
            "tools": {"anda": "0.1.0", "pyosys": "0.70"},
            "configuration_sha256": "abc",
            "libraries": {"lib": {"sha256": {"a.lib": "def"}}},
            "model": {"file": "m.gguf", "sha256": "123"},
        },
    )
    facts = dict(zip((e.text for e in page.all("dt")), (e.text for e in page.all("dd")), strict=True))
    assert facts == {
        "data": "docs/data/x.json",
        "SHA-256": "0" * 64,
        "tools": "anda 0.1.0, pyosys 0.70",
        "configuration sha256": "abc",
        "library lib": "a.lib def",
        "model": "m.gguf 123",
    }


def test_rows_that_were_measured_apart_tell_their_own_tools_designs_and_libraries() -> None:
    row = {
        "design": "small",
        "on": "lib",
        "configuration_sha256": "abc",
        "library": {"name": "long name", "sha256": {"a.lib": "def"}},
        "tools": {"pyosys": "0.70"},
    }
    page = shown("area", {"tools": {"anda": "0.1.0"}, "rows": [row, row]})
    facts = [(dt.text, dd.text) for dt, dd in zip(page.all("dt"), page.all("dd"), strict=True)]
    assert facts[2:] == [
        ("tools", "anda 0.1.0, pyosys 0.70"),
        ("configuration of small", "abc"),
        ("library lib", "a.lib def"),
    ]


def test_what_was_measured_for_the_page_names_no_file() -> None:
    page = parse(provenance(Source("design", {}, "0" * 64, recorded=False)))
    assert next(page.all("dd")).text == "measured for this page"
