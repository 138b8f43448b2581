"""Encoding and decoding activations, beside NumPy's own conversion of FP16 to FP32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.measure import Measurement, seconds
from golden.anda import AndaCodec

TARGET = 30.0

CODECS = (
    AndaCodec(planes=7, encoding="twos-complement", rounding="nearest"),
    AndaCodec(planes=7, encoding="sign-magnitude", rounding="truncate"),
    AndaCodec(planes=12, encoding="twos-complement", rounding="nearest"),
    AndaCodec(planes=17, encoding="sign-magnitude", rounding="nearest", group=8),
)


def measure(side: int) -> Iterator[Measurement]:
    """Rates on a matrix of `side * side` activations, in million elements a second."""
    x = np.random.default_rng(1).standard_normal((side, side)).astype(np.float16)
    for codec in CODECS:
        name = f"{codec.encoding}, {codec.rounding}, {codec.planes} x {codec.group}"
        for verb, run, given in (("encode", codec.encode, x), ("decode", codec.decode, codec.encode(x))):
            peer = x.size / seconds(x.astype, np.float32) / 1e6
            rate = x.size / seconds(run, given) / 1e6
            yield Measurement(f"{verb}: {name}", "Melement/s", rate, TARGET, "FP16 to FP32", peer)
