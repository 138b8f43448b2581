"""Three weights of five levels in 7 bits, coded so that a few gates decode them (contract, section 8).

A digit from 0 to 3 is two bits as they are; a 4 has none, it is told by where it stands. This is how densely
packed decimal stores digits (M. Cowlishaw, "Densely packed decimal encoding", IEE Proceedings - Computers and
Digital Techniques 149(3), 2002), for digits to base 5. With digits `d0`, `d1`, `d2`, bit 6 first:

| bits      | digits                                              |
|-----------|-----------------------------------------------------|
| 0 cc bbaa | `d2 = c`, `d1 = b`, `d0 = a`                        |
| 1 00 bbaa | `d0 = 4`, `d1 = b`, `d2 = a`                        |
| 1 01 bbaa | `d1 = 4`, `d2 = b`, `d0 = a`                        |
| 1 10 bbaa | `d2 = 4`, `d1 = b`, `d0 = a`                        |
| 1 11 ttaa | digit `t` is `a`, both others are 4; `t = 3`: all 4 |

The word `d0 + 5 d1 + 25 d2` of `golden.formats.packing` is as short, but to take it apart costs a comparison
with each multiple of 25, and a table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIGITS", "WORD_BITS", "pack_five", "unpack_five"]

DIGITS = 3
"""Digits in a word."""
WORD_BITS = 7


def _word(d0: int, d1: int, d2: int) -> int:
    match [place for place, digit in enumerate((d0, d1, d2)) if digit == 4]:
        case []:
            return d2 << 4 | d1 << 2 | d0
        case [0]:
            return 1 << 6 | d1 << 2 | d2
        case [1]:
            return 1 << 6 | 1 << 4 | d2 << 2 | d0
        case [2]:
            return 1 << 6 | 2 << 4 | d1 << 2 | d0
        case [_, _, _]:
            return 0b1111100
    (small,) = (place for place, digit in enumerate((d0, d1, d2)) if digit < 4)
    return 0b1110000 | small << 2 | (d0, d1, d2)[small]


#: Word of each triple, by `d0 + 5 d1 + 25 d2`; and triples of each word, 255 where there is none.
_WORDS = np.array([_word(n % 5, n // 5 % 5, n // 25) for n in range(125)], dtype=np.uint8)
_TRIPLES = np.full((1 << WORD_BITS, DIGITS), 255, dtype=np.uint8)
_TRIPLES[_WORDS] = [(n % 5, n // 5 % 5, n // 25) for n in range(125)]


def pack_five(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Digits [..., K] from 0 to 4 as words [..., ceil(K / 3)] of 7 bits; the last is filled up with zeros.

    Raises
    ------
    ValueError
        A digit is above 4.
    """
    if digits.size and digits.max() > 4:
        raise ValueError(f"digits to base 5 are from 0 to 4, not {digits.max()}")
    length = digits.shape[-1]
    padded = np.zeros((*digits.shape[:-1], -(-length // DIGITS) * DIGITS), dtype=np.uint8)
    padded[..., :length] = digits
    triples = padded.reshape(*padded.shape[:-1], -1, DIGITS)
    return np.asarray(_WORDS[triples @ np.array([1, 5, 25], dtype=np.uint8)])


def unpack_five(words: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """The `length` digits that `pack_five` put into words.

    Raises
    ------
    ValueError
        The words are not as many as `length` needs, or one of them is none that `pack_five` gives.
    """
    if words.shape[-1] != -(-length // DIGITS):
        raise ValueError(
            f"{length} digits to base 5 fill {-(-length // DIGITS)} words, not {words.shape[-1]}"
        )
    known = words < 1 << WORD_BITS
    triples = _TRIPLES[np.where(known, words, 0)]
    if not known.all() or (triples == 255).any():
        raise ValueError("a word of three digits to base 5 was expected, but one of the words is none")
    return triples.reshape(*words.shape[:-1], -1)[..., :length]
