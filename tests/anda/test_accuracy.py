from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from anda.accuracy import compare_encodings, sqnr_db
from anda.fixture import load
from anda.report import plot_accuracy


def test_sqnr_of_known_errors() -> None:
    exact = np.array([3.0, 4.0])
    assert sqnr_db(exact, 1.1 * exact) == pytest.approx(20)
    assert sqnr_db(exact, exact) == math.inf
    with pytest.raises(ValueError, match=r"one shape, not \(2,\) and \(1,\)"):
        sqnr_db(exact, exact[:1])
    with pytest.raises(ValueError, match="every exact value is zero"):
        sqnr_db(np.zeros(2), exact)


def test_a_plane_less_costs_at_most_seven_tenths_of_a_decibel_on_real_activations() -> None:
    rows = compare_encodings(load(), range(4, 11))
    assert [(row.projection, row.length) for row in rows] == [
        (name, length) for name in ("qkv", "o", "up_gate", "down") for length in range(4, 11)
    ]
    # The promise of the format: within 0.7 dB with one plane fewer.
    assert min(row.difference_db for row in rows) >= -0.7
    for row in rows:
        assert row.difference_db == row.compact_db - row.published_db
        # Roughly 6 dB a bit: neither column is a copy of the other or of another length.
        assert row.published_db == pytest.approx(6 * row.length - 11.5, abs=4)


def test_the_plot_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    rows = compare_encodings(load(), range(5, 8))
    first, second = plot_accuracy(rows, tmp_path / "a"), plot_accuracy(rows, tmp_path / "b")
    assert [path.name for path in first] == ["a.svg", "a.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    text = first[0].read_text()
    for label in ("planes per group", "signal to quantization noise, dB", "input of up_gate"):
        assert label in text
