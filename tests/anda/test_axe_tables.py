"""Tables and plots of accumulator-aware quantization, from small made data and from the recorded ones."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from anda.axe_plot import pareto, plot_area, plot_methods
from anda.axe_tables import cell_rows, joined_areas, method_errors, method_rows, ratio_rows, width_rows
from anda.ptq.problems import SYNTHETIC


def cell(problem: str, bits: int, tile: int | None, ours: float, peer: float) -> dict[str, Any]:
    return {
        "problem": problem,
        "inner_bits": bits,
        "tile": tile,
        "ours": {"best": ours, "gptq": 1.0},
        "peer": {"gptq": peer, "gpfq": 2 * peer},
        "ratio": ours / peer,
    }


def method(name: str, error: float, overflow: float = 0.0, problem: str = "a") -> dict[str, Any]:
    return {
        "problem": problem,
        "inner_bits": 12,
        "tile": None,
        "method": name,
        "error": error,
        "overflow": overflow,
    }


def width(bits: int, tile: int | None, inner: int, outer: int, error: float) -> dict[str, Any]:
    return {
        "problem": "a",
        "activation_bits": bits,
        "tile": tile,
        "inner_bits": inner,
        "outer_bits": outer,
        "error": error,
    }


DATA: dict[str, Any] = {
    "cells": [
        cell("a", 12, None, 0.4, 0.8),
        cell("a", 14, None, 0.2, 0.25),
        cell("b", 12, None, 0.2, 0.1),
        cell("b", 14, None, 0.1, 0.2),
    ],
    "methods": [
        method("axe", 0.4),
        method("naive", 0.5),
        method("wrap", 0.9, 0.25),
        method("saturate", 0.6, 0.25),
        method("joint", 0.2),
        method("joint", 0.8, problem="b"),
    ],
    "widths": [width(8, 64, 14, 17, 0.2), width(8, 64, 16, 19, 0.1), width(4, 64, 10, 13, 0.15)],
}


def area(bits: int, inner: int, outer: int, size: float) -> dict[str, Any]:
    return {
        "activation_bits": bits,
        "tile": 64,
        "inner_bits": inner,
        "outer_bits": outer,
        "component": "core",
        "library": "generic",
        "area": size,
    }


AREA: dict[str, Any] = {
    "parts": {"generic": {"part": {"library": {"area_unit": "GE"}}}},
    "rows": [area(8, 14, 16, 90.0), area(8, 14, 18, 100.0), area(8, 14, 24, 130.0), area(8, 16, 19, 120.0)],
}


def test_ratios_are_means_over_layers_with_the_worst_beside() -> None:
    headers, rows = ratio_rows(DATA)
    assert headers == ["tile", "12 bits", "14 bits"]
    assert rows == [["none", "1.000, **2.000**", "0.632, 0.800"]]


def test_cells_show_our_error_and_mark_the_worst_one() -> None:
    _, rows = cell_rows(DATA)
    assert rows[0] == ["`a`", "none", "0.4000, 0.500", "0.2000, 0.800"]
    assert rows[1] == ["`b`", "none", "0.2000, **2.000**", "0.1000, 0.500"]


def test_methods_are_compared_on_the_layers_that_have_them() -> None:
    errors = method_errors(DATA)
    assert errors[None, 12, "joint"] == pytest.approx(0.4)
    # The lower one of the peer's two solvers, on both layers.
    assert errors[None, 12, "peer"] == pytest.approx((0.8 * 0.1) ** 0.5)
    headers, rows = method_rows(DATA)
    (row,) = rows
    found = dict(zip(headers, row, strict=True))
    assert found["sums that overflow"] == "25.0%"
    assert found["no guarantee: W4A8, wraps"] == "0.900"
    assert [name for name, text in found.items() if text.startswith("**")] == ["Brevitas, better of two"]


def test_widths_have_a_row_for_each_format_and_tile() -> None:
    headers, rows = width_rows(DATA)
    assert headers[3:] == ["10 bits", "14 bits", "16 bits"]
    assert rows == [
        ["`a`", "W4A8", "64", "", "0.200", "0.100"],
        ["`a`", "W4A4", "64", "0.150", "", ""],
    ]


def test_areas_are_those_of_the_nearest_outer_register() -> None:
    joined = joined_areas(DATA, AREA)
    assert [(row["inner_bits"], row["outer_bits"], row["area"], row["error"]) for row in joined] == [
        (14, 17, 90.0, 0.2),
        (16, 19, 120.0, 0.1),
    ]


def test_the_front_leaves_out_what_something_beats_in_both() -> None:
    points = [(3.0, 0.1), (1.0, 0.5), (2.0, 0.6), (2.5, 0.2), (4.0, 0.0995)]
    assert pareto(points) == [(1.0, 0.5), (2.5, 0.2), (3.0, 0.1)]


def test_plots_name_what_they_show(tmp_path: Path) -> None:
    plot_methods(DATA, tmp_path / "axe.svg")
    drawn = (tmp_path / "axe.svg").read_text()
    assert "narrower formats" in drawn
    assert "bits of the inner register" in drawn
    both = AREA["rows"] + [{**row, "component": "array element"} for row in AREA["rows"]]
    plot_area(DATA, {**AREA, "rows": both}, tmp_path / "area.svg", "a")
    drawn = (tmp_path / "area.svg").read_text()
    assert "W4A8, tile 64" in drawn
    assert "area of 64 lanes, GE" in drawn
    assert "W4A4" not in drawn


def test_a_plot_without_areas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="areas of cores for the registers of layer b were expected"):
        plot_area(DATA, AREA, tmp_path / "area.svg", "b")
    with pytest.raises(ValueError, match="areas of array elements for the registers of layer a"):
        plot_area(DATA, AREA, tmp_path / "area.svg", "a")


RECORDED = json.loads((Path(__file__).parents[2] / "docs" / "data" / "axe.json").read_text())


def test_every_cell_is_recorded() -> None:
    problems = [row["problem"] for row in RECORDED["problems"]]
    assert {*SYNTHETIC} < {*problems}
    assert sum(name.startswith("smollm2") for name in problems) == 4
    expected = product(problems, (None, 128, 64), (12, 14, 16, 18, 20))
    assert [(c["problem"], c["tile"], c["inner_bits"]) for c in RECORDED["cells"]] == list(expected)


@pytest.mark.parametrize(
    "recorded", RECORDED["cells"], ids=lambda c: f"{c['problem']}-{c['inner_bits']}-{c['tile']}"
)
def test_our_best_solver_is_certified_and_at_least_as_good_as_the_peer(recorded: dict[str, Any]) -> None:
    assert recorded["ours_certified"]
    assert recorded["ours"]["best"] <= min(recorded["peer"].values())
    # Both sides solve one problem: where they follow one algorithm, they find the same.
    assert recorded["ours"]["gpfq"] == pytest.approx(recorded["peer"]["gpfq"], rel=0.01)


def test_searched_widths_are_the_best_of_what_cannot_overflow() -> None:
    errors = method_errors(RECORDED)
    for tile, width in {(tile, width) for tile, width, _ in errors}:
        safe = {name: errors.get((tile, width, name), 1.0) for name in ("naive", "peer", "axe", "joint")}
        assert min(safe, key=lambda name: safe[name]) == "joint"
