"""The figures of real weights are measured as the page says, and the page's sentences hold in its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from anda import weight_tables
from anda.tensors import TensorFile, open_tensors
from anda.weight_tables import measure_formats, measure_profiles, profile_rows, quantize_rows
from golden import formats

DATA = Path(__file__).resolve().parents[2] / "docs" / "data"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TensorFile:
    rng = np.random.default_rng(2)
    tensors: dict[str, Any] = {
        "blk.0.a": rng.standard_t(3, (64, 128)),
        "blk.1.a": rng.standard_t(3, (64, 128)),
        "out": rng.standard_normal((64, 128)),
    }
    np.savez(tmp_path / "tiny.npz", **tensors)
    file = open_tensors(tmp_path / "tiny.npz")
    monkeypatch.setattr(weight_tables, "MODELS", {"tiny": ()})
    monkeypatch.setattr(weight_tables, "TENSORS", (("tiny", "out"), ("tiny", "blk.1.a")))
    monkeypatch.setattr(weight_tables, "_open", lambda model: file)
    return file


def test_profiles_become_a_row_for_each_kind_of_layer(tiny: TensorFile) -> None:
    told: list[str] = []
    data = json.loads(json.dumps(measure_profiles(told.append)))
    assert told == ["tiny blk.0.a", "tiny blk.1.a", "tiny out"]
    assert data["evidence"] == "computed"
    assert {"anda", "numpy", "scipy"} < set(data["tools"])
    headers, rows = profile_rows(data)
    assert [row[:2] for row in rows] == [
        ["tiny, `blk.N.a`", "2"],
        ["tiny, `out`", "1"],
        ["**tiny, mean**", "3"],
    ]
    assert all(len(row) == len(headers) for row in rows)
    heavy = [layer["nu"] for layer in data["models"][0]["layers"][:2]]
    assert rows[0][2] == f"{np.mean(heavy):.2f}"
    # Heavy tails favour SF4, normal weights NF4.
    assert float(rows[0][-1]) > 0.3
    assert float(rows[1][-1]) < -0.5


def test_formats_become_rows_in_the_order_of_their_noise(tiny: TensorFile) -> None:
    data = json.loads(json.dumps(measure_formats(lambda _: None)))
    headers, rows = quantize_rows(data)
    assert headers[4:6] == ["`out`, F64, dB", "`blk.1.a`, F64, dB"]
    assert all(len(row) == len(headers) for row in rows)
    noise = [float(row[4]) for row in rows]
    assert noise == sorted(noise, reverse=True)
    (sf4,) = (row for row in rows if row[0] == "`sf4`")
    assert sf4[1:4] == ["128", "FP32", "4.250"]
    assert sf4[-2:] == ["16/16", "0"]


def test_models_that_are_missing_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps silero-vad==6\.2\.3"):
        weight_tables._open("silero-vad")


def test_what_the_page_says_about_the_language_model_is_in_the_data() -> None:
    layers = json.loads((DATA / "profile.json").read_text())["models"][0]["layers"]
    nu = np.array([layer["nu"] for layer in layers])
    within = np.array([layer["nu_within_blocks"] for layer in layers])
    gain = np.array([layer["sf4_db"] - layer["nf4_db"] for layer in layers])
    assert len(layers) == 211
    assert all(layer["ks_gain"] > 0 for layer in layers)
    assert (round(nu.mean(), 1), round(float(np.median(nu)), 1)) == (14.1, 10.9)
    assert (round(within.mean()), round(float(np.median(within)))) == (41, 32)
    assert (gain < 0).sum() == 208
    assert ((nu < 7).sum(), (gain[nu < 7] < 0).sum()) == (51, 48)
    assert ((within < 7).sum(), (gain[within < 7] > 0).sum()) == (6, 2)
    assert (gain[within >= 10] < 0).all()
    assert stats.spearmanr(nu, gain).statistic == pytest.approx(-0.66, abs=0.005)
    assert stats.spearmanr(within, gain).statistic == pytest.approx(-0.86, abs=0.005)


def test_every_4_bit_format_has_its_row() -> None:
    tensors = json.loads((DATA / "quantize.json").read_text())["tensors"]
    four = {name for name, form in formats.catalogue().items() if form.code_bits == 4}
    assert [{row["format"] for row in tensor["formats"]} for tensor in tensors] == [four] * 3
