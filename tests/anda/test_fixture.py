from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import anda.fixture
from anda.fixture import FILE, Projection, data_directory, load, save

LENGTHS = {"qkv": 576, "o": 576, "up_gate": 576, "down": 1536}


def test_the_fixture_holds_what_its_page_says() -> None:
    block = load()
    assert {name: projection.x.shape[1] for name, projection in block.items()} == LENGTHS
    assert list(block) == list(LENGTHS)
    for name, projection in block.items():
        assert projection.x.dtype == np.float16
        assert projection.x.shape[0] == 64
        assert np.isfinite(projection.x).all()
        assert np.count_nonzero(projection.x) > 0.99 * projection.x.size
        assert projection.levels.dtype == np.int8
        assert projection.levels.shape == (32, LENGTHS[name])
        assert projection.levels.min() == -7
        assert projection.levels.max() == 7
        assert projection.scales.dtype == np.float16
        assert projection.scales.shape == (32, -(-LENGTHS[name] // 128))
        assert np.isfinite(projection.scales).all()
        assert (projection.scales > 0).all()


@pytest.mark.parametrize("name", [FILE, "gettysburg.txt"])
def test_hashes_are_those_of_the_page(name: str) -> None:
    page = (data_directory() / "README.md").read_text(encoding="utf-8")
    stated = re.search(rf"^ +([0-9a-f]{{64}})  {re.escape(name)}$", page, re.MULTILINE)
    assert stated is not None
    assert hashlib.sha256((data_directory() / name).read_bytes()).hexdigest() == stated[1]


def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path: Path) -> None:
    save(load(), tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == (data_directory() / FILE).read_bytes()


def test_saved_arrays_come_back_whatever_their_memory_layout(tmp_path: Path) -> None:
    x = np.arange(12, dtype=">f2").reshape(3, 4).T
    levels, scales = np.ones((1, 3), dtype=np.int8), np.ones((1, 1), dtype=np.float16)
    save({"qkv": Projection(x, levels, scales)}, tmp_path / "a.npz")
    back = load(tmp_path / "a.npz")["qkv"]
    assert np.array_equal(back.x, x)
    assert back.x.flags.c_contiguous


def test_without_a_checkout_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(anda.fixture, "__file__", str(tmp_path / "anda" / "fixture.py"))
    with pytest.raises(ValueError, match="run from a clone of the repository"):
        load()
