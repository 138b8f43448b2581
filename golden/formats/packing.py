"""Codes of three and five levels in memory, without the bits that they do not fill (contract, section 8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORDS", "pack", "unpack"]

WORDS = {3: (5, 8), 5: (3, 7)}
"""For a number of levels: digits in a word, and bits of the word. 3^5 <= 2^8, 5^3 <= 2^7."""


def pack(digits: NDArray[np.uint8], levels: int) -> NDArray[np.uint8]:
    """Digits along the last axis as words `digit_0 + levels * digit_1 + ...`.

    Parameters
    ----------
    digits : uint8 array [..., K]
        0 to `levels - 1`: the codes of `w1-star` and `w2-star`, or the levels of their symmetric kinds
        counted from the least. The last word is filled up with zeros.
    levels : int
        3 or 5.

    Returns
    -------
    uint8 array [..., ceil(K / digits per word)]

    Raises
    ------
    ValueError
        When a digit or the number of levels is out of its range.
    """
    count = _digits_per_word(levels)
    if digits.size and digits.max() >= levels:
        raise ValueError(f"digits of {levels} levels are from 0 to {levels - 1}, not {digits.max()}")
    length = digits.shape[-1]
    padded = np.zeros((*digits.shape[:-1], -(-length // count) * count), dtype=np.uint8)
    padded[..., :length] = digits
    places = np.array([levels**place for place in range(count)], dtype=np.uint8)
    return np.asarray((padded.reshape(*padded.shape[:-1], -1, count) * places).sum(axis=-1, dtype=np.uint8))


def unpack(words: NDArray[np.uint8], levels: int, length: int) -> NDArray[np.uint8]:
    """The `length` digits that `pack` put into words.

    Raises
    ------
    ValueError
        When the words are not as many as `length` needs, or one of them is no such word.
    """
    count = _digits_per_word(levels)
    if words.shape[-1] != -(-length // count):
        raise ValueError(
            f"{length} digits of {levels} levels fill {-(-length // count)} words, not {words.shape[-1]}"
        )
    if words.size and words.max() >= levels**count:
        raise ValueError(f"words of {levels} levels are below {levels**count}, not {words.max()}")
    digits = np.stack([words // levels**place % levels for place in range(count)], axis=-1)
    return digits.reshape(*words.shape[:-1], -1)[..., :length]


def _digits_per_word(levels: int) -> int:
    if levels not in WORDS:
        raise ValueError(f"codes of {' or '.join(map(str, WORDS))} levels are packed, not of {levels!r}")
    return WORDS[levels][0]
