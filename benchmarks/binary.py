"""Products of any bits by any bits on packed planes, beside the same integers by BLAS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Measurement, seconds
from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_product import code_product, packed_product

PAIRS = ((1, 1), (2, 2), (4, 4), (2, 8))
MOST_TIMES_SLOWER = 1.5
"""For each pair of planes."""


def measure(side: int) -> Iterator[Measurement]:
    """Rates of `[side / 4, side] x [side, side]` in 10^9 multiply-accumulates a second, packing left out."""
    rng = np.random.default_rng(4)
    for weight_bits, activation_bits in PAIRS:
        x, w = (
            BinaryOperand(rng.integers(0, 1 << bits, (rows, side)), BinaryFormat(bits))
            for bits, rows in ((activation_bits, side // 4), (weight_bits, side))
        )
        macs = x.rows * w.rows * side
        _ = x.words, w.words  # packed here, not in the measurement
        peer = macs / seconds(code_product, x, w, repeats=3) / 1e9
        rate = macs / seconds(packed_product, x, w, repeats=2) / 1e9
        name = f"binary: W{weight_bits}A{activation_bits} on packed planes"
        target = peer / (MOST_TIMES_SLOWER * weight_bits * activation_bits)
        yield Measurement(name, "GMAC/s", rate, target, "the same by BLAS", peer)
