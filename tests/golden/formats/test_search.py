from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from golden import formats
from golden.formats.search import best_integers, lloyd_max, profile

ROOT = Path(__file__).parents[3]
RECORD: dict[str, Any] = json.loads((ROOT / "docs" / "data" / "codebooks.json").read_text(encoding="utf-8"))
T5 = np.random.default_rng(1).standard_t(5, (128, 4096)).astype(np.float32)


def brute_error(w: NDArray[np.float32], levels: list[float], signed: bool) -> float:
    """Noise to signal of levels in units of a block's extreme, straight from the data."""
    blocks = w.reshape(-1, 128).astype(np.float64)
    largest, least = blocks.max(axis=1), blocks.min(axis=1)
    extreme = np.where(largest >= -least, largest, least if signed else -least)[:, np.newaxis]
    errors = np.min([np.square(blocks - extreme * level) for level in levels], axis=0)
    return float(errors.sum() / np.square(blocks).sum())


@pytest.mark.parametrize("signed", [True, False])
def test_a_profile_tells_the_error_of_any_levels(signed: bool) -> None:
    shape = profile(T5, signed=signed)
    for levels in (
        [-1.0, 0.0, 1.0],
        [-0.7, -0.2, 0.1, 0.4, 1.0],
        [level / 13 for level in range(-13, 14, 2)],
    ):
        assert shape.error(levels) == pytest.approx(brute_error(T5, levels, signed), rel=3e-6)


def test_a_profile_leaves_out_what_has_no_scale() -> None:
    w = np.concatenate([T5[:, :128], np.zeros((128, 128), np.float32), T5[:, 128:200]], axis=1)
    assert profile(w).sqnr([-0.5, 0, 1]) == pytest.approx(profile(T5[:, :128]).sqnr([-0.5, 0, 1]), abs=1e-9)


def test_formats_reach_what_their_profile_says() -> None:
    for name, signed in (("anda4", True), ("e2m1-sr-signed", True), ("sf4", False), ("e2m1", False)):
        form = formats.get(name)
        expected = profile(T5, signed=signed).sqnr([v / form.top for v in form.values])
        assert form.quantize(T5).sqnr(T5) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("count", "least", "top"), [(2, -4, 4), (3, -5, 4), (4, -6, 6), (5, -3, 5)])
def test_the_search_is_exhaustive(count: int, least: int, top: int) -> None:
    shape = profile(T5)
    inside = range(max(least, -top), top)
    every = [(*chosen, top) for chosen in itertools.combinations(inside, count - 1)]
    best = min(every, key=lambda levels: shape.error([level / top for level in levels]))
    assert best_integers(shape, count, least, top) == best


def test_more_and_finer_levels_are_better_and_never_beat_the_bound() -> None:
    shape = profile(T5)
    bound = shape.sqnr(lloyd_max(shape, 16))
    found = [shape.sqnr([n / top for n in best_integers(shape, 16, -top, top)]) for top in (15, 31, 127)]
    assert found == sorted(found)
    assert bound - 0.05 < found[-1] <= bound + 1e-6
    assert bound > profile(T5, signed=False).sqnr(lloyd_max(profile(T5, signed=False), 16))


def test_impossible_searches_are_refused() -> None:
    shape = profile(T5[:1])
    with pytest.raises(ValueError, match="16 levels cannot be chosen from -4 to 4"):
        best_integers(shape, 16, -4, 4)
    with pytest.raises(ValueError, match="1 levels cannot be chosen"):
        best_integers(shape, 1, -4, 4)


@pytest.mark.parametrize("name", ["anda4", "anda4-t", "anda4-n", "anda4-w"])
def test_formats_are_the_recorded_result(name: str) -> None:
    form, found = formats.get(name), RECORD["search"][name]
    assert form.integer_levels == tuple(found["levels"])
    rows = found["by_largest_level"]
    assert min(rows, key=lambda row: float(row["below_bound_db"]))["levels"] == found["levels"]
    assert (form.code_bits, form.level_bits) == (4, 5)


@pytest.mark.parametrize(("name", "law"), [("anda4-t", "t5"), ("anda4-n", "normal")])
def test_the_search_finds_them_again(name: str, law: str) -> None:
    rng = np.random.default_rng(12)
    w = rng.standard_t(5, 1 << 21) if law == "t5" else rng.standard_normal(1 << 21)
    shape = profile(w.astype(np.float32).reshape(64, -1))
    form = formats.get(name)
    assert best_integers(shape, 16, -16, int(form.top)) == form.integer_levels
    ours = shape.sqnr([value / form.top for value in form.values])
    assert ours == pytest.approx(RECORD["sqnr_db"][name][law], abs=0.05)


def test_what_the_codebooks_gain() -> None:
    """The claims of docs/formats.md."""
    sqnr = RECORD["sqnr_db"]
    for law in ("t5", "laplace", "projections", "embedding"):
        assert sqnr["anda4-t"][law] > max(sqnr[name][law] for name in ("sf4", "e2m1-sr", "sf4-int7", "mxfp4"))
    assert all(
        sqnr["anda4"][law] > sqnr["sf4"][law] for law in ("t5", "normal", "laplace", "uniform", "projections")
    )
    assert all(sqnr["anda4-n"][law] > sqnr["nf4"][law] for law in ("normal", "projections"))
    assert formats.get("anda4").accumulator_bits(256) == formats.get("e2m1").accumulator_bits(256)
    assert formats.get("anda4-n").accumulator_bits(256) == formats.get("int4").accumulator_bits(256)


@pytest.mark.parametrize("bits", [5, 6, 7])
def test_multipliers_of_hardened_codebooks(bits: int) -> None:
    for name in ("sf4", "nf4"):
        form = formats.get(f"{name}-int{bits}")
        rows = RECORD["multipliers"][form.name]["sqnr_db"]
        assert rows[str(int(form.top))] >= max(rows.values()) - 0.012
