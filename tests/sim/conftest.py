"""Where simulations run: a directory for each test, and one place for all compiled simulations."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def sim_work(tmp_path: Path) -> Path:
    shared = Path(__file__).parents[2] / "build" / "sim" / "cache"
    shared.mkdir(parents=True, exist_ok=True)
    work = tmp_path / "sim"
    work.mkdir()
    (work / "cache").symlink_to(shared)
    return work
