"""What elements see that take products of pairs, worked out from lanes (their layouts: `hdl.pairs`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .replay_data import Bits, integers_to_bits

__all__ = ["pair_levels", "pair_lines"]


def pair_lines(bits: Bits) -> Bits:
    """Of neighbouring lanes: whether the first alone is set, whether the second alone, and whether both.

    Parameters
    ----------
    bits : bool array [..., lanes]
        Of one plane or several, one after the other.

    Returns
    -------
    bool array [..., 3 * lanes / 2]
    """
    first, second = bits[..., 0::2], bits[..., 1::2]
    told = np.stack([first > second, second > first, first & second], axis=-1)
    return told.reshape(*bits.shape[:-1], -1)


def pair_levels(levels: NDArray[Any], level_bits: int) -> Bits:
    """Of neighbouring lanes: the levels of the first and of the second, and their sum with one bit more.

    Parameters
    ----------
    levels : integer array [..., lanes]
    level_bits : int

    Returns
    -------
    bool array [..., lanes / 2 * (3 * level_bits + 1)]
    """
    first, second = levels[..., 0::2].astype(np.int64), levels[..., 1::2].astype(np.int64)
    numbers = ((first, level_bits), (second, level_bits), (first + second, level_bits + 1))
    bits = np.concatenate([integers_to_bits(values, width) for values, width in numbers], axis=-1)
    return bits.reshape(*levels.shape[:-1], -1)
