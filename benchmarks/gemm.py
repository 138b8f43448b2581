"""The whole product with every kind of accumulator, beside a float32 BLAS product of the same shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Measurement, seconds
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.weights import IntegerWeights

FP32_TARGET = 1.0
MOST_TIMES_SLOWER = 4.0


def measure(side: int) -> Iterator[Measurement]:
    """Rates of `[side, side] x [side, side]`, in 10^9 multiply-accumulates a second."""
    rng = np.random.default_rng(2)
    reals = rng.standard_normal((2, side, side)).astype(np.float32)
    codec = AndaCodec(planes=7)
    x = reals[0].astype(np.float16)
    integers = np.copysign(rng.integers(16, 32, (side, side)), reals[0]).astype(np.float16)  # one exponent
    far = x.copy()
    far[:, : codec.group] *= np.float16(2**-14)
    far[:, -codec.group :] *= np.float16(2**13)
    blocks = IntegerWeights.quantize(reals[1])
    channels = IntegerWeights.quantize(reals[1], block=side)
    for name, activations, weights, kind in (
        ("fp32, a scale per 128", x, blocks, "fp32"),
        ("fp32, activations 2^27 apart", far, blocks, "fp32"),
        ("fixed, a scale per channel", x, channels, "fixed"),
        ("fixed, a scale per 128", x, blocks, "fixed"),
        ("integer", integers, channels, "integer"),
    ):
        peer = side**3 / seconds(np.matmul, reals[0], reals[1].T) / 1e9
        rate = side**3 / seconds(gemm, activations, weights, codec, kind, repeats=3) / 1e9
        target = FP32_TARGET if kind == "fp32" else peer / MOST_TIMES_SLOWER
        yield Measurement(f"GeMM: {name}", "GMAC/s", rate, target, "float32 BLAS", peer)
