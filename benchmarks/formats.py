"""Quantizing weights, beside NumPy's own conversion of FP32 to FP16: one thread, blocks of 128."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Measurement, seconds
from golden import formats

TARGET = 30.0

NAMES = (
    "int4",
    "int4-zp",
    "nf4",
    "sf4",
    "e2m1",
    "e2m1-sr-signed",
    "apot4",
    "anda4",
    "mxfp4",
    "nvfp4",
    "e4m3",
    "bf16",
)


def measure(side: int) -> Iterator[Measurement]:
    """Rates on a matrix of `side * side` weights, in million weights a second."""
    w = np.random.default_rng(1).standard_t(5, (side, side)).astype(np.float32)
    for name in NAMES:
        form = formats.get(name)
        quantized = form.quantize(w)
        for verb, run, given in (("quantize", form.quantize, (w,)), ("dequantize", quantized.dequantize, ())):
            peer = w.size / seconds(w.astype, np.float16) / 1e6
            rate = w.size / seconds(run, *given) / 1e6
            yield Measurement(f"{verb}: {name}", "Melement/s", rate, TARGET, "FP32 to FP16", peer)
