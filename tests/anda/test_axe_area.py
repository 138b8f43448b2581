"""Points of the area of accumulators, and what the recorded areas say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from anda.axe_area import Point, area_rows, points, sharing_rows
from golden.interval import Interval
from golden.multistage import Stage
from hdl.emit import emit_verilog
from hdl.multistage import MultiStageAccumulator
from hdl.pe import ProcessingElement

DATA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "data" / "axe_area.json").read_text())


def test_points_reach_from_promises_to_any_weights() -> None:
    needed = {(p.activation_bits, p.tile): p.inner_bits for p in points() if not p.promised}
    # K * 2^(N-1) * 2^(M-1) itself is a sum, so that it takes a bit more than its logarithm.
    assert needed == {
        (planes, tile): 3 + planes - 1 + (tile or 2048).bit_length() + 1
        for planes in (8, 4)
        for tile in (32, 64, 128, None)
    }
    assert all(p.inner_bits < needed[p.activation_bits, p.tile] for p in points() if p.promised)


def test_tiles_are_put_together_from_elements_and_stages() -> None:
    small = Point(8, 32, 14, promised=True)
    assert (small.element.lanes, small.elements, small.element.sum_bits) == (32, 2, 14)
    assert small.stages(8).stages == (Stage(20, 64),)
    large = Point(8, 128, 16, promised=True)
    assert large.element.certified == Interval(-(1 << 15), (1 << 15) - 1)
    assert large.stages(8).stages == (Stage(16, 2), Stage(20, 16))
    assert large.one_stage(8).stages == (Stage(20, 32),)
    assert large.one_stage(8).result_range == Interval.of_bits(20, signed=True)
    whole = Point(8, None, 20, promised=True)
    assert whole.element.certified is None
    assert whole.stages(1).stages == (Stage(20, 32),)
    assert Point(8, None, 23, promised=False).stages(1).stages == (Stage(23, 32),)


def find(library: str, tile: int | None, bits: int, component: str, planes: int = 8) -> float:
    (row,) = (
        row
        for row in DATA["rows"]
        if (row["library"], row["activation_bits"], row["tile"], row["inner_bits"], row["component"])
        == (library, planes, tile, bits, component)
    )
    return float(row["area"])


def test_every_point_is_recorded_with_its_parts() -> None:
    assert DATA["evidence"] == "synthesized"
    for library, parts in DATA["parts"].items():
        rows = [row for row in DATA["rows"] if row["library"] == library]
        assert len(rows) == sum(5 if point.tile == 128 else 3 for point in points())
        for row in rows:
            total = sum(parts[name]["area"] * count for name, count in row["made_of"].items())
            assert row["area"] == pytest.approx(total, abs=1e-2)


@pytest.mark.parametrize("library", ["generic", "sky130"])
def test_narrow_accumulators_are_smaller_and_shared_ones_too(library: str) -> None:
    for tile, wide in ((32, 17), (64, 18), (128, 19), (None, 23)):
        for component in ("element", "core", "array element"):
            assert find(library, tile, 12, component) < find(library, tile, wide, component)
        assert find(library, tile, 12, "array element") < find(library, tile, 12, "core")
    for component in ("core", "array element"):
        assert find(library, 128, 16, f"{component}, one stage") < find(library, 128, 16, component)


def test_the_recorded_areas_are_of_the_verilog_as_it_is_generated_now() -> None:
    point = Point(8, 128, 16, promised=True)
    for component in (ProcessingElement(point.element), MultiStageAccumulator(point.stages(8))):
        digest = hashlib.sha256(emit_verilog(component).encode()).hexdigest()
        assert digest == DATA["parts"]["sky130"][component.module_name]["verilog_sha256"]


def test_tables_have_a_row_a_point() -> None:
    headers, body = area_rows(DATA)
    assert len(body) == sum(1 + (point.tile == 128) for point in points())
    assert {len(row) for row in body} == {len(headers)}
    headers, body = sharing_rows(DATA)
    assert len(body) == 3
    assert {len(row) for row in body} == {len(headers)}
