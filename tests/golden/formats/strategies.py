"""Weights chosen to hurt: ties, zeros of both signs, equal elements, lone extremes, numbers near the ends."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from golden import formats

SCALED = [name for name in formats.names() if formats.get(name).scaling != "none"]


@st.composite
def weights(draw: st.DrawFn, max_length: int = 70) -> NDArray[np.float32]:
    """A few rows of a palette of drawn numbers under one power of two."""
    rows, length = draw(st.integers(1, 3)), draw(st.integers(1, max_length))
    number = st.one_of(
        # Few bits: quotients are often exactly half way between levels.
        st.builds(lambda n, k: n / 2**k, st.integers(-48, 48), st.integers(0, 5)),
        st.floats(-8, 8, width=32),
        st.sampled_from([0.0, -0.0, 7.9999995, 6.0, -6.0, 1.0000001, 0.99999994]),
    )
    palette = np.array(draw(st.lists(number, min_size=1, max_size=10)), dtype=np.float32)
    exponent = draw(st.sampled_from([0, 0, 0, 1, -3, -14, -24, 10, 100, 121, -100, -126, -140]))
    order = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    w = np.ldexp(palette, exponent)[order.integers(0, len(palette), (rows, length))]
    if draw(st.booleans()):  # blocks of very different size
        w = np.ldexp(w, order.integers(-12, 1, w.shape).astype(np.int32) * (np.arange(length) >= 16))
    return w.astype(np.float32)
