import copy
from pathlib import Path
from typing import Any

import pytest

from anda import fpga_table
from anda.flow.place import PlacementReport, Use
from anda.fpga_table import PLACED, fpga_rows, measure_fpga
from anda.kept import Kept
from anda.placement import PlacedComponent


def placed(role: str, device: str) -> PlacedComponent:
    uses = {kind: Use(used=50, available=200) for kind in ("luts", "flops", "memories", "multipliers")}
    report = PlacementReport(
        top="anda_x_on_pins",
        device=device,
        uses=uses,
        harness_flops=7,
        harness_luts=3,
        clock_hz=40e6,
        asked_hz=100e6,
        seed=1,
        verilog_sha256="0" * 64,
        tools={},
    )
    rates = {} if role == "compressor" else {4: 0.64, 6: 0.43, 8: 0.32}
    return PlacedComponent(role, "anda_x", report, rates, None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def place_design(design: Any, device: str, *, roles: list[str], **_: Any) -> list[PlacedComponent]:
        found.append(f"{design.name} {roles[0]}")
        return [placed(roles[0], device)]

    monkeypatch.setattr(fpga_table, "place_design", place_design)
    return found


def test_everything_is_placed_once(tmp_path: Path, calls: list[str]) -> None:
    data = measure_fpga(Kept(tmp_path), lambda _: None)
    assert calls == [f"{preset} {role}" for preset, role, _, _ in PLACED]
    again = measure_fpga(Kept(tmp_path), lambda _: None)
    assert again == data
    assert len(calls) == len(PLACED)


def test_a_row_shows_what_was_placed(tmp_path: Path, calls: list[str]) -> None:
    data = measure_fpga(Kept(tmp_path), lambda _: None)
    headers, body = fpga_rows(data)
    assert {len(row) for row in body} == {len(headers)}
    assert body[0][:4] == ["`published` pe", "ecp5-25k", "50 (25%)", "50 (25%)"]
    assert body[0][4:] == ["3 and 7", "50", "40.0", "0.64", "0.43", "0.32"]
    [compressor] = [row for row in body if "compressor" in row[0]]
    assert compressor[-3:] == ["-", "-", "-"]
    slower = copy.deepcopy(data)
    slower["rows"][0]["clock_hz"] = 20e6
    assert fpga_rows(slower)[1][0] != body[0]
