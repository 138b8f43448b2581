from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from anda.language_check import check_model, check_rows
from anda.tables import read_data

ROOT = Path(__file__).resolve().parents[2]


def test_the_recorded_comparison_agrees() -> None:
    record = read_data(ROOT / "docs" / "data")["llm_check"]
    assert len(record["rows"]) == 2
    for row in record["rows"]:
        assert row["same_tokens"]
        assert row["same_top1"] == row["predicted"] == 2044
        assert row["perplexity"] == pytest.approx(row["peer_perplexity"], rel=1e-3)
        assert row["largest_difference"] < 1e-3


def test_rows_show_what_differs() -> None:
    row = {
        "text": "tales",
        "text_tokens": 12345,
        "peer_text_tokens": 12346,
        "same_tokens": True,
        "predicted": 2044,
        "perplexity": 20.5,
        "peer_perplexity": 20.0,
        "same_top1": 2000,
        "largest_difference": 0.25,
        "largest_score": 40.0,
    }
    headers, body = check_rows({"rows": [row]})
    assert len(headers) == len(body[0])
    assert body[0][1:] == [
        "12,345, 12,346",
        "20.5000",
        "20.0000",
        "2.50000 %",
        "2,000 of 2,044",
        "0.25000 (scores reach 40.0)",
    ]


def test_without_the_extra_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package torch, .* run `pip install -e '\.\[check\]'`"):
        check_model(Path("model.gguf"), {})


@pytest.mark.nightly
def test_the_forward_pass_equals_that_of_transformers(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "check_language_model.py"
    asked = [sys.executable, str(script), "--tokens", "512", "-o", str(tmp_path / "check.json")]
    subprocess.run(asked, check=True)
    for row in json.loads((tmp_path / "check.json").read_text())["rows"]:
        assert row["same_tokens"]
        assert row["same_top1"] == row["predicted"] == 511
        assert row["perplexity"] == pytest.approx(row["peer_perplexity"], rel=1e-3)
