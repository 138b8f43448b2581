"""What the hypothesis tests of this room draw from: every format, and activations chosen to hurt."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from golden.anda import AndaCodec
from golden.fp16 import FloatArray16

LARGEST, MIN_NORMAL, MAX_SUBNORMAL, TINY = 0x7BFF, 0x0400, 0x03FF, 0x0001


def codecs(groups: tuple[int, ...] = (8, 16, 32, 64, 128, 256)) -> st.SearchStrategy[AndaCodec]:
    return st.builds(
        AndaCodec,
        planes=st.integers(2, 17),
        encoding=st.sampled_from(["sign-magnitude", "twos-complement"]),
        rounding=st.sampled_from(["nearest", "truncate"]),
        group=st.sampled_from(groups),
    )


def finite_bits() -> st.SearchStrategy[int]:
    """One finite FP16 word, the awkward ones often."""
    corners = [0, TINY, MAX_SUBNORMAL, MIN_NORMAL, LARGEST, 0x3C00, 0x3BFF, 0x3C01, 0x5555, 0x2AAA]
    field = st.integers(0, 30)
    magnitude = st.one_of(
        st.sampled_from(corners),
        st.builds(lambda e, f: e << 10 | f, field, st.integers(0, 1023)),
        # Ties: few significant bits, so that the remainder is often exactly half a unit.
        st.builds(lambda e, k, j: e << 10 | (k << j & 1023), field, st.integers(0, 7), st.integers(0, 9)),
    )
    return st.builds(lambda m, s: m | s << 15, magnitude, st.integers(0, 1))


@st.composite
def activations(draw: st.DrawFn, max_length: int = 300) -> FloatArray16:
    """A row of finite activations: a few drawn words, repeated to length, under a common tendency."""
    length = draw(st.integers(1, max_length))
    palette = draw(st.lists(finite_bits(), min_size=1, max_size=12))
    order = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = np.array(palette, dtype=np.uint16)[order.integers(0, len(palette), length)]
    match draw(st.sampled_from(["as drawn", "all negative", "one giant", "all extreme"])):
        case "all negative":
            bits |= np.uint16(0x8000)
        case "one giant":  # every exponent gap up to the largest
            bits[order.integers(0, length)] = LARGEST
        case "all extreme":
            bits[:] = LARGEST | draw(st.integers(0, 1)) << 15
        case _:
            pass
    return bits.view(np.float16)


def words(x: np.ndarray[Any, Any]) -> list[int]:
    """The bit patterns of an array, flat, as Python integers."""
    return [int(b) for b in x.view(np.uint16).reshape(-1)]
