"""Kept results: found again by content, and only whole ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from anda.kept import Kept, sources_sha256


def test_a_result_is_found_by_all_it_depends_on(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "results")
    assert kept.get({"a": 1}) is None
    kept.put({"a": 1, "b": [2]}, {"area": 3.5})
    assert Kept(tmp_path / "results").get({"b": [2], "a": 1}) == {"area": 3.5}
    assert kept.get({"a": 1}) is None
    assert kept.get({"a": 1, "b": [3]}) is None


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", b"no gzip at all"])
def test_a_damaged_result_counts_as_missing(tmp_path: Path, damage: bytes) -> None:
    kept = Kept(tmp_path)
    kept.put({"a": 1}, [1, 2])
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)
    assert kept.get({"a": 1}) is None
    kept.put({"a": 1}, [1, 2])
    assert kept.get({"a": 1}) == [1, 2]


def test_sources_differ_by_module() -> None:
    assert sources_sha256("anda.kept") != sources_sha256("anda.files")
    assert sources_sha256("anda.ptq") == sources_sha256("anda.ptq")
    with pytest.raises(ValueError, match="no_such_module"):
        sources_sha256("no_such_module")
