from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.anda import AndaCodec
from golden.dot import group_dot, group_dot_range
from golden.interval import Interval
from tests.golden import slow_model
from tests.golden.strategies import codecs


@settings(max_examples=200, deadline=None)
@given(codec=codecs(), bits=st.integers(1, 8), seed=st.integers(0, 2**32 - 1), extreme=st.booleans())
def test_planes_in_series_reach_the_dot_product_inside_its_range(
    codec: AndaCodec, bits: int, seed: int, extreme: bool
) -> None:
    """Contract 5: the total is exact, and so narrow a register holds every value on the way."""
    rng = np.random.default_rng(seed)
    weights = Interval.of_bits(bits, signed=True)
    if extreme:  # all lanes at one end
        q = np.full(codec.group, rng.choice([codec.levels.min, codec.levels.max]))
        levels = np.full(codec.group, rng.choice([weights.min, weights.max]))
    else:
        q = rng.integers(codec.levels.min, codec.levels.max + 1, codec.group)
        levels = rng.integers(weights.min, weights.max + 1, codec.group)
    planes = slow_model.planes_of(q.tolist(), codec.planes, codec.encoding)
    history = slow_model.serial_dot(planes, levels.tolist(), codec.encoding)
    allowed = group_dot_range(codec.levels, weights, codec.group)
    assert allowed.contains(Interval(min(history), max(history)))
    total = group_dot(q, levels)
    assert total.dtype == np.int64
    assert int(total) == history[-1] == sum(a * b for a, b in zip(q.tolist(), levels.tolist(), strict=True))


@pytest.mark.parametrize("encoding", ["sign-magnitude", "twos-complement"])
def test_the_range_is_reached_at_both_ends(encoding: str) -> None:
    codec = AndaCodec(7, "sign-magnitude" if encoding == "sign-magnitude" else "twos-complement")
    weights = Interval(-8, 7)
    found = [
        int(group_dot(np.full(64, q), np.full(64, level)))
        for q in (codec.levels.min, codec.levels.max)
        for level in (weights.min, weights.max)
    ]
    allowed = group_dot_range(codec.levels, weights, 64)
    assert (min(found), max(found)) == (allowed.min, allowed.max)


def test_the_width_of_dot_products() -> None:
    assert group_dot_range(AndaCodec(17, group=256).levels, Interval(-128, 127), 256).bits == 33
    assert group_dot_range(AndaCodec(7).levels, Interval(-8, 7), 64).bits == 17


def test_rows_meet_channels_by_broadcasting() -> None:
    rng = np.random.default_rng(1)
    q = rng.integers(-64, 64, (3, 1, 4, 64))
    levels = rng.integers(-8, 8, (5, 4, 64)).astype(np.int8)
    got = group_dot(q, levels)
    assert got.shape == (3, 5, 4)
    assert got[2, 4, 3] == int(q[2, 0, 3] @ levels[4, 3].astype(np.int64))


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="but levels is an array of float64"):
        group_dot(np.zeros(8, dtype=np.int8), np.zeros(8))
    with pytest.raises(ValueError, match=r"shapes are \(8,\) and \(16,\)"):
        group_dot(np.zeros(8, dtype=np.int8), np.zeros(16, dtype=np.int8))
