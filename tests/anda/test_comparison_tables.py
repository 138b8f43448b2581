"""Tables and plots of the comparison, from small made data."""

from __future__ import annotations

from typing import Any

import pytest

from anda.comparison_paper import PAPER_ELEMENTS, PAPER_TABLES, name_rows, paper_rows
from anda.comparison_plot import plot_ablation, plot_efficiency
from anda.comparison_tables import (
    COMPARISON_TABLES,
    PAPER_ANDA,
    PAPER_PEERS,
    ablation_rows,
    accumulator_rows,
    bound_rows,
    converter_rows,
    element_rows,
    energy_rows,
    format_rows,
    pairs_rows,
    planes_rows,
    ratio_rows,
    target_rows,
)


def row(name: str, accounting: str, planes: int, area: float, fj: float | None = None) -> dict[str, Any]:
    return {
        "library": "real",
        "name": name,
        "title": name.upper(),
        "kind": {"fp-fp": "peer", "figna": "peer", "figna-x16": "peer", "fp32-own": "accumulator"}.get(
            name, "ours"
        ),
        "accounting": accounting,
        "planes": planes,
        "mantissa_bits": planes - (name == "published") if planes else 0,
        "macs_per_cycle": 4.0,
        "area": 4 * area,
        "area_per_mac": area,
        "delay": 12.5,
        "delay_unit": "ns",
        "mhz": 80.0,
        "meets_clock": True,
        "energy": None
        if fj is None
        else {"total_fj": fj, "clock_fj": fj / 2, "glitch_fj": fj * 2, "power_w": fj / 100},
        "command": f"anda compare --only {name}",
    }


DATA: dict[str, Any] = {
    "libraries": {"real": {"area_unit": "um2", "clock_mhz": 50.0}},
    "rows": [
        row("fp-fp", "own", 0, 1200.0, 800.0),
        row("fp-fp", "shared", 0, 1000.0),
        row("figna", "own", 0, 300.0, 200.0),
        row("figna", "shared", 0, 200.0),
        row("figna-x16", "shared", 0, 400.0),
        row("published", "own", 7, 600.0, 400.0),
        row("published", "shared", 7, 500.0),
        row("twos-complement", "own", 6, 480.0),
        row("heap", "own", 6, 400.0),
        row("exact-width", "own", 6, 320.0),
        row("exact-width", "shared", 6, 160.0),
        row("compact", "own", 6, 240.0, 100.0),
        row("compact", "shared", 6, 100.0),
        row("compact-13", "own", 11, 240.0),
        row("compact-2x3", "shared", 6, 80.0),
        row("compact-pairs-2x3", "shared", 6, 64.0),
        row("compact-pairs-2x3", "shared", 6, 64.0, 50.0),
        row("fp32-own", "shared", 6, 25.0),
        row("bfp6", "shared", 0, 50.0),
    ],
    "converters": [
        {
            "library": "real",
            "title": "FIGNA",
            "converter": "aligner, one a row",
            "area": 5000.0,
            "share_of_array": 0.25,
        }
    ],
}


def test_ratios_are_over_fp_fp() -> None:
    """Of the same accounting; `compact` above ten bits is the element for 13 planes."""
    headers, body = ratio_rows(DATA, measure="area", accounting="own")
    assert headers == ["", "paper", "real: peer or `published`", "real: `compact`", "real: gain"]
    found = {cells[0]: cells[1:] for cells in body}
    assert found["FP-FP"] == ["1.00", "1.00", "", ""]
    assert found["FIGNA"] == ["5.58", "4.00", "", ""]
    assert found["Anda, M = 6"] == ["9.92", "2.00", "5.00", "2.50"]
    assert found["Anda, M = 11"] == ["5.79", "-", "5.00", "-"]
    assert len(found) == 6 + len(PAPER_ANDA)
    energy = {cells[0]: cells[1:] for cells in ratio_rows(DATA, measure="energy", accounting="own")[1]}
    assert energy["FIGNA"] == ["5.87", "4.00", "", ""]
    assert energy["Anda, M = 6"] == ["11.48", "2.00", "8.00", "4.00"]
    shared = {cells[0]: cells[1:] for cells in ratio_rows(DATA, measure="area", accounting="shared")[1]}
    assert shared["Anda, M = 6"] == ["9.92", "2.00", "10.00", "5.00"]


def test_paper_anda_follows_its_cycles() -> None:
    """Efficiencies times M + 1 are constant: a group costs a cycle for the signs and one for each bit."""
    for bits, (area, energy) in PAPER_ANDA.items():
        assert area * (bits + 1) == pytest.approx(69.45, abs=0.06)
        assert energy * (bits + 1) == pytest.approx(80.34, abs=0.07)


def test_ablation_multiplies_up() -> None:
    headers, body = ablation_rows(DATA)
    assert headers[1:] == ["real, µm² per MAC/cycle", "factor"]
    assert [cells[1] for cells in body[:-1]] == ["600", "480", "400", "320", "160", "100"]
    assert [cells[2] for cells in body] == ["", "1.25", "1.20", "1.25", "2.00", "1.60", "**6.00**"]
    missing = {**DATA, "rows": [r for r in DATA["rows"] if r["name"] != "heap"]}
    assert [cells[2] for cells in ablation_rows(missing)[1]][2:4] == ["-", "-"]


def test_targets_name_their_accounting() -> None:
    found = {cells[0]: cells[1] for cells in target_rows(DATA)[1]}
    assert found["`compact` over `published`, each as designed"] == "6.00"
    assert list(found.values())[:6] == ["6.00", "5.00", "2.50", "12.00", "10.00", "5.00"]
    assert found["`compact` over FIGNA, registers shared in both"] == "2.00"
    assert found["`compact` over FIGNA with accumulators shared by 16"] == "4.00"
    assert found["`compact` over FP-FP-dot, registers shared in both"] == "-"
    assert found["`dense` over FP-FP, registers shared in both"] == "15.62"
    energy = {cells[0]: cells[1] for cells in target_rows(DATA, measure="energy")[1]}
    assert energy["`compact` over `published`, own registers in both"] == "4.00"


def test_the_papers_elements_beside_ours() -> None:
    """Area and power of an element; power and efficiency of the paper are each other's inverse for peers."""
    ten = [row("published", "own", 11, 600.0, 400.0), row("compact", "own", 10, 240.0, 100.0)]
    headers, body = paper_rows({**DATA, "rows": DATA["rows"] + ten})
    assert headers == ["", "paper: area", "power", "real: area", "real: power"]
    found = {cells[0]: cells[1:] for cells in body}
    assert found["FIGNA"] == ["0.18", "0.17", "0.25", "0.25"]
    assert found["Anda: `published`"] == ["0.23", "0.20", "0.50", "0.50"]
    assert found["`compact`"] == ["", "", "0.20", "0.12"]
    assert found["`published` over FIGNA"] == ["1.28", "1.18", "2.00", "2.00"]
    assert found["iFPU"] == ["0.26", "0.28", "-", "-"]
    for name, (_, *ratios) in PAPER_PEERS.items():
        for ratio, element in zip(ratios, PAPER_ELEMENTS[name], strict=True):
            # Both are rounded, the one to two places and the other to two digits.
            assert 1 / ratio == pytest.approx(element, abs=0.006)


def test_every_row_is_named() -> None:
    _, body = name_rows(DATA)
    assert ["`compact`", "COMPACT", "ours", "6 to 6"] in body
    assert {cells[0] for cells in body} == {f"`{r['name']}`" for r in DATA["rows"]}


def test_energies_and_what_is_in_them() -> None:
    found = {cells[0]: cells[1:] for cells in energy_rows(DATA)[1]}
    assert found["`compact`, own registers"] == ["100", "50", "200"]
    assert found["`fp-fp`, shared registers"] == ["-", "-", "-"]


def test_other_tables() -> None:
    found = {tuple(cells[:3]): cells[3:] for cells in planes_rows(DATA)[1]}
    assert found["1", "4", "6"] == ["100", "12.5 ns, 80 MHz", "10.00"]
    assert found["2", "3", "6"] == ["80", "12.5 ns, 80 MHz", "12.50"]
    assert found["4", "2", "8"] == ["-", "-", "-"]
    headers, body = pairs_rows(DATA)
    found = {tuple(cells[1:4]): cells[4:] for cells in body}
    path = "12.5 ns, 80 MHz"
    assert found["2", "3", "6"] == ["80", "64", "1.25", "15.62", "-", "50", "-", "-", path, path]
    assert found["1", "4", "6"] == ["100", "-", "-", "-", "-", "-", "-", "-", path, "-"]
    assert len(headers) == len(body[0])
    assert headers[4] == "area per MAC/cycle (µm² on real): lanes"
    assert accumulator_rows(DATA)[1] == [["FP32-OWN", "100"]]
    assert bound_rows(DATA)[1][2] == ["6", "50", "100", "2.00"]
    assert converter_rows(DATA) == (
        ["", "converter", "real, µm²", "of the array"],
        [["FIGNA", "aligner, one a row", "5,000", "25.0%"]],
    )


def test_every_element_says_how_to_measure_it_again() -> None:
    _, body = element_rows(DATA, on="real")
    assert [cells[0] for cells in body] == ["PUBLISHED, M = 6", "COMPACT, M = 6", "FP-FP", "FIGNA"]
    assert body[0] == [
        "PUBLISHED, M = 6",
        "4",
        "500",
        "-",
        "600",
        "400",
        "12.5 ns, 80 MHz",
        "met",
        "`anda compare --only published`",
    ]
    assert element_rows(DATA, on="another")[1] == []


def test_formats_are_over_int4() -> None:
    rows = [
        {"on": "real", "format": name, "sqnr_db": 15.0, "level_bits": 4, "element_total": 64.0 * (i + 1)}
        for i, name in enumerate(("int4", "e2m1", "nf4-int5", "sf4-int5", "anda4"))
    ]
    data = {"libraries": {"real": {"area_unit": "um2"}}, "rows": rows}
    assert format_rows(data)[1][1] == ["`e2m1`", "15.00", "4", "12", "2.00"]


def test_tables_have_their_data() -> None:
    assert {source for source, _ in COMPARISON_TABLES.values()} == {"comparison", "mac"}
    for source, rows in (*COMPARISON_TABLES.values(), *PAPER_TABLES.values()):
        if source == "comparison":
            headers, body = rows(DATA)
            assert all(len(cells) == len(headers) for cells in body)


def test_plots_are_whole_and_reproducible() -> None:
    plots = plot_efficiency(DATA) | plot_ablation(DATA)
    assert list(plots) == [
        "comparison.svg",
        "comparison.png",
        "comparison-ablation.svg",
        "comparison-ablation.png",
    ]
    assert plots["comparison.svg"] == plot_efficiency(DATA)["comparison.svg"]
    assert b"real" in plots["comparison-ablation.svg"]
