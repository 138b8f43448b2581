"""Every data file of the documentation says with what it was measured, and what kind of evidence it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from anda.html_report.provenance import TIERS, Source

FILES = sorted((Path(__file__).resolve().parents[2] / "docs" / "data").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tools_and_tier_of_evidence(path: Path) -> None:
    data = json.loads(path.read_text())
    assert data["evidence"], "expected a tier of evidence"
    assert {tier for tier, _ in Source(path.stem, data, "").evidence} <= set(TIERS)
    assert data["tools"], "expected tools"
    for tool, version in data["tools"].items():
        # A version, or the name of a recipe or of what `simulator` was.
        assert re.match(r"[0-9]+\.|[a-z]", str(version)), tool
