"""Groups of FP16 values that are hard on a compressor."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np

__all__ = ["activations", "as_words"]


def activations(rng: random.Random, group: int, *, finite: bool = False) -> np.ndarray:
    """`group` FP16 values whose exponents lie a random distance apart, subnormals and zeros of both signs."""
    top = rng.randint(0, 30)
    span = rng.choice([0, 1, 2, 5, 12, 30])
    fraction = rng.choice([lambda: rng.getrandbits(10), lambda: rng.choice(_CORNERS)])
    sign = rng.choice([lambda: 0, lambda: 1, lambda: rng.getrandbits(1)])
    words = [sign() << 15 | max(top - rng.randint(0, span), 0) << 10 | fraction() for _ in range(group)]
    words[rng.randrange(group)] = sign() << 15 | top << 10 | fraction()
    for i in range(group):
        if rng.random() < 0.05:
            words[i] &= 0x8000
        if not finite and rng.random() < 0.03:
            words[i] |= 0x7C00
        if not finite and rng.random() < 0.01:
            words[i] = rng.getrandbits(1) << 15 | 0x7C00
    return np.array(words, dtype=np.uint16).view(np.float16)


#: Nothing, everything, and the ties and their neighbours at every place.
_CORNERS = [0, 1, 1023, *(1 << j for j in range(10)), *(1023 ^ (1023 >> j) for j in range(10)), 511, 513]


def as_words(words: Iterable[int], bits: int) -> int:
    """Words side by side in one integer, the first one lowest."""
    return sum(int(word) << (i * bits) for i, word in enumerate(words))
