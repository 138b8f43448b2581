from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from anda.files import write_all


def test_files_are_written_into_a_new_directory(tmp_path: Path) -> None:
    paths = write_all(tmp_path / "a" / "b", {"x.v": "module\n", "x.json": "{}\n"})
    assert [path.read_text() for path in paths] == ["module\n", "{}\n"]
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["x.json", "x.v"]


def test_an_error_leaves_the_old_files_and_nothing_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path, {"x.v": "old"})
    write_text = Path.write_text

    def full_disk(path: Path, text: str, **options: Any) -> int:
        if text == "second":
            write_text(path, "sec", **options)
            raise OSError(28, "No space left on device", str(path))
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_all(tmp_path, {"x.v": "first", "x.json": "second"})
    assert os.listdir(tmp_path) == ["x.v"]
    assert (tmp_path / "x.v").read_text() == "old"
