"""Where simulations are built: one place for all tests, kept from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def sim_work() -> Path:
    return Path(__file__).parents[2] / "build" / "sim"
