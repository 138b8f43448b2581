"""The pages say what the data files hold, and the data files are of this design."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from anda.config import load
from anda.generate import generate
from anda.tables import read_data, write_tables
from anda.tops import tops

ROOT = Path(__file__).resolve().parents[2]
DATA = read_data(ROOT / "docs" / "data")
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "<!-- table:" in page.read_text()
]


def test_some_page_has_tables() -> None:
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_hold_the_tables_of_the_data_files(page: Path) -> None:
    assert write_tables(page.read_text(), DATA) == page.read_text()


def test_a_changed_figure_changes_the_page() -> None:
    changed = {
        **DATA,
        "area": {**DATA["area"], "rows": [dict(row, area=row["area"] * 2) for row in DATA["area"]["rows"]]},
    }
    page = ROOT / "README.md"
    assert write_tables(page.read_text(), changed) != page.read_text()


def test_areas_are_those_of_the_presets_as_they_are() -> None:
    hashes = {row["design"]: row["configuration_sha256"] for row in DATA["area"]["rows"]}
    assert hashes == {name: load(name).hash for name in ("compact", "published")}


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="a page names a table 'weather', but there are only area, accuracy"):
        write_tables("<!-- table: weather -->\n<!-- end -->", DATA)


def area(design: str, on: str) -> float:
    (row,) = (r for r in DATA["area"]["rows"] if (r["design"], r["component"], r["on"]) == (design, "pe", on))
    return row["area"]


@pytest.mark.parametrize(("on", "limit"), [("sky130", 8200), ("ASAP7", 119)])
def test_the_recorded_areas_keep_what_the_project_promises(on: str, limit: float) -> None:
    assert area("compact", on) <= limit
    assert area("compact", on) <= 0.24 * area("published", on)


def test_rounding_to_nearest_saves_a_plane_at_equal_accuracy() -> None:
    differences = [row["difference_db"] for row in DATA["accuracy"]["rows"]]
    assert len(differences) >= 4 * 5
    assert min(differences) > -0.7


@pytest.mark.parametrize("preset", ["published", "compact"])
def test_the_recorded_areas_are_of_the_verilog_as_it_is_generated_now(preset: str) -> None:
    design = load(preset)
    recorded = {
        row["component"]: row["verilog_sha256"]
        for row in DATA["area"]["rows"]
        if (row["design"], row["on"]) == (preset, "sky130")
    }
    made = {top.role: top for top in tops(design) if top.role in recorded}
    assert {"pe", "compressor", "accumulator"} <= set(made)
    for role, top in made.items():
        text = generate(design, top).verilog
        assert hashlib.sha256(text.encode()).hexdigest() == recorded[role], f"{role}: run make tables"
