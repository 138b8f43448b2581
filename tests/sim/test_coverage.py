"""Functional coverage: bins, ranges, crosses, merging."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from golden.interval import Interval
from sim.coverage import Coverage


def declared() -> Coverage:
    coverage = Coverage()
    coverage.point("planes", range(2, 5))
    coverage.point("distance", [0, Interval(1, 3), Interval(4, 40)])
    coverage.point("tie", [True, False])
    coverage.cross("planes & tie", ("planes", "tie"))
    return coverage


def test_values_fall_into_their_bins() -> None:
    coverage = declared()
    coverage.hit({"planes": 3, "tie": True})
    coverage.hit({"distance": 2})
    coverage.hit({"distance": 40})
    coverage.hit({"distance": 0})
    assert coverage.counts("planes") == {"2": 0, "3": 1, "4": 0}
    assert coverage.counts("distance") == {"0": 1, "1..3": 1, "4..40": 1}
    assert coverage.counts("planes & tie")["3 & yes"] == 1
    assert coverage.percent("planes") == pytest.approx(100 / 3)
    assert coverage.percent("distance") == 100
    assert coverage.unreached("tie") == ["no"]
    assert coverage.percent() == pytest.approx((100 / 3 + 100 + 50 + 100 / 6) / 4)


def test_a_value_outside_every_bin_is_an_error() -> None:
    coverage = declared()
    with pytest.raises(ValueError, match="'distance' has no bin for 41"):
        coverage.hit({"distance": 41})
    with pytest.raises(ValueError, match="'plane' is not a coverage point; there are planes, distance"):
        coverage.hit({"plane": 1})
    with pytest.raises(ValueError, match="needs at least one bin"):
        coverage.point("empty", [])
    with pytest.raises(ValueError, match="needs the point 'sign' to be declared"):
        coverage.cross("x", ("planes", "sign"))


def test_runs_merge_through_files(tmp_path: Path) -> None:
    total = Coverage()
    for planes in (2, 4, 4):
        coverage = declared()
        coverage.hit({"planes": planes, "tie": planes == 4})
        coverage.save(tmp_path / "c.json")
        total.merge(Coverage.load(tmp_path / "c.json"))
    assert total.counts("planes") == {"2": 1, "3": 0, "4": 2}
    assert total.unreached("planes & tie") == ["2 & yes", "3 & yes", "3 & no", "4 & no"]
    assert list(total) == ["planes", "distance", "tie", "planes & tie"]


def test_the_table_lists_what_was_not_met() -> None:
    coverage = declared()
    coverage.hit({"planes": 3, "tie": True})
    console = Console(width=100, file=StringIO())
    with console.capture() as shown:
        console.print(coverage.table())
    text = shown.get()
    assert "planes & tie" in text
    assert "2, 4" in text
    assert "33.3" in text
