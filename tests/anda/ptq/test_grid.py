"""Rounding to levels inside an interval, and the grids that formats give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anda.ptq.grid import Rounding, WeightGrid, format_levels
from golden import formats

USABLE = ["int4", "int2-sym", "e2m1", "e2m1-i", "sf4-int7", "anda4", "apot4", "mxfp4", "w2-star-sym", "e4m3"]


def grid(name: str) -> WeightGrid:
    return WeightGrid.of(np.random.default_rng(0).standard_normal((3, 8)), formats.get(name), 0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(USABLE),
    st.sampled_from(["nearest", "zero", "floor", "ceil"]),
    st.floats(-300, 300),
    st.integers(-200, 0),
    st.integers(0, 200),
)
def test_levels_stay_inside_the_interval_in_every_mode(
    name: str, rounding: Rounding, x: float, low: int, high: int
) -> None:
    levels = grid(name).levels
    found = int(grid(name).round(np.array([x]), np.array([low]), np.array([high]), rounding)[0])
    inside = [int(level) for level in levels if low <= level <= high]
    assert found in inside
    if rounding == "nearest":
        # Nearest to x among the levels of the interval, not merely the nearest level clipped.
        assert abs(found - x) == min(abs(level - x) for level in inside)
    elif rounding == "floor":
        assert found == max([level for level in inside if level <= x], default=inside[0])
    elif rounding == "ceil":
        assert found == min([level for level in inside if level >= x], default=inside[-1])
    else:
        assert abs(found) == max(abs(level) for level in inside if level * x >= 0 and abs(level) <= abs(x))


@pytest.mark.parametrize("name", USABLE)
def test_inward_is_the_next_level_toward_zero(name: str) -> None:
    levels = grid(name).levels.tolist()
    for level in levels:
        expected = 0
        if level > 0:
            expected = max(other for other in levels if 0 <= other < level)
        elif level < 0:
            expected = min(other for other in levels if level < other <= 0)
        assert grid(name).inward[level - levels[0]] == expected


def test_every_format_is_taken_or_refused_with_a_sentence() -> None:
    refused = set()
    for name, form in formats.catalogue().items():
        if form.level_bits is None or form.level_bits > 24:
            with pytest.raises(ValueError, match=f"levels.*{name}|{name}.*levels"):
                format_levels(form)
            refused.add(name)
            continue
        levels = format_levels(form)
        assert 0 in levels
        assert (np.diff(levels) > 0).all()
    assert {"nf4", "sf4", "bf16", "fp16", "e5m2"} <= refused
    assert not refused & set(USABLE)


def test_scales_are_used_as_they_are() -> None:
    w = np.random.default_rng(1).standard_normal((4, 12))
    form = formats.get("int4")
    by_group = np.random.default_rng(2).uniform(0.1, 1, (4, 3))
    assert np.array_equal(WeightGrid.of(w, form, by_group).scales, by_group.T)
    assert WeightGrid.of(w, form, by_group).group == 4
    assert np.array_equal(WeightGrid.of(w, form, by_group[:, 0]).scales, by_group[:, :1].T)
    assert np.array_equal(WeightGrid.of(w, form, 0.25).scales, np.full((1, 4), 0.25))
    assert not WeightGrid.of(w, form, np.array([0.0, 1, 1, 1])).inverse[0, 0]
    with pytest.raises(ValueError, match="groups of equal size along 12 inputs"):
        WeightGrid.of(w, form, np.ones((4, 5)))
    with pytest.raises(ValueError, match="should be finite"):
        WeightGrid.of(w, form, np.array([np.inf, 1, 1, 1]))


def test_zero_points_move_the_levels_of_a_group() -> None:
    w = np.random.default_rng(1).uniform(-1, 3, (2, 8))
    form = formats.get("int4-zp")
    own = WeightGrid.of(w, form)
    assert (own.high - own.low == 15).all()
    given = WeightGrid.of(w, form, np.full((2, 2), 0.3), np.array([[0, 15], [4, 7]]))
    assert given.low.tolist() == [[0, -4], [-15, -7]]
    assert given.high.tolist() == [[15, 11], [0, 8]]
    with pytest.raises(ValueError, match="has zero points"):
        WeightGrid.of(w, form, np.full((2, 2), 0.3))
