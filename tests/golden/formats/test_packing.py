from __future__ import annotations

import numpy as np
import pytest

from golden import formats
from golden.formats.packing import WORDS, pack, unpack


@pytest.mark.parametrize("levels", WORDS)
def test_digits_come_back(levels: int) -> None:
    count, bits = WORDS[levels]
    digits = np.random.default_rng(levels).integers(0, levels, (3, 4, 101), dtype=np.uint8)
    words = pack(digits, levels)
    assert words.shape == (3, 4, -(-101 // count))
    assert words.max() < 1 << bits
    assert np.array_equal(unpack(words, levels, 101), digits)
    every = np.arange(levels**count, dtype=np.uint8)
    assert np.array_equal(pack(unpack(every, levels, len(every) * count), levels), every)


def test_the_first_digit_counts_one() -> None:
    assert pack(np.array([1, 2, 4, 3], dtype=np.uint8), 5).tolist() == [1 + 5 * 2 + 25 * 4, 3]


@pytest.mark.parametrize(("name", "levels"), [("w1-star", 3), ("w2-star", 5)])
def test_packed_codes_take_the_memory_that_the_format_counts(name: str, levels: int) -> None:
    form = formats.get(name)
    q = form.quantize(np.random.default_rng(0).standard_normal((4, 960)).astype(np.float32))
    words = pack(np.asarray(q.codes, dtype=np.uint8), levels)
    assert words.shape[-1] * WORDS[levels][1] / 960 == form.bits_per_weight("channel")
    assert np.array_equal(unpack(words, levels, 960), q.codes)


def test_what_does_not_fit_is_refused() -> None:
    digits = np.array([0, 1, 5], dtype=np.uint8)
    with pytest.raises(ValueError, match="from 0 to 4, not 5"):
        pack(digits, 5)
    with pytest.raises(ValueError, match="3 or 5 levels are packed, not of 4"):
        pack(digits, 4)
    with pytest.raises(ValueError, match="4 digits of 5 levels fill 2 words, not 3"):
        unpack(digits, 5, 4)
    with pytest.raises(ValueError, match="below 125, not 125"):
        unpack(np.array([125], dtype=np.uint8), 5, 3)
