"""FP16 words for the benches of peers that take them as they are."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["halves", "random_halves", "random_scales"]

Words = NDArray[np.uint16]


def halves(words: NDArray[Any]) -> NDArray[np.float16]:
    """Words read as FP16."""
    return words.astype(np.uint16).view(np.float16)


def random_halves(rng: np.random.Generator, random: Random, shape: tuple[int, ...]) -> Words:
    """Values of one kind: any, finite, ordinary, small, or powers of two, which end in ties."""
    kind = random.choice(("any", "finite", "finite", "ordinary", "subnormal", "powers"))
    words = rng.integers(0, 1 << 16, shape)
    if kind == "ordinary":
        return rng.normal(0, 1, shape).astype(np.float16).view(np.uint16)
    if kind == "subnormal":
        words &= 0x83FF
    if kind == "powers":
        words = words & 0x8000 | rng.integers(1, 31, shape) << 10
    if kind == "finite":
        words &= 0xBFFF
    return words.astype(np.uint16)


def random_scales(rng: np.random.Generator, random: Random, count: int) -> Words:
    """Scales of any kind, ordinary ones more often."""
    if random.random() < 0.5:
        return rng.uniform(0.001, 0.1, count).astype(np.float16).view(np.uint16)
    return rng.integers(0, 1 << 16, count).astype(np.uint16)
