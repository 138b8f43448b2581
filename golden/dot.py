"""The exact dot product of one group, and its exact range (contract, sections 5 and 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.interval import Interval

__all__ = ["group_dot", "group_dot_range"]


def group_dot(q: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """`T_g = sum_i q_i * level_i`, exact: what a processing element hands over (contract, section 5).

    Parameters
    ----------
    q : integer array [..., group]
        Integers of `AndaCodec.quantize`.
    levels : integer array [..., group]
        Weight levels of at most 8 bits; the axes in front broadcast against those of `q`.

    Returns
    -------
    int64 array [...]
        `group_dot_range` has the exact range: from -2^31 to 2^31 over all formats.

    Raises
    ------
    ValueError
        When either is not an integer array, or the groups are not of one size.
    """
    for name, array in (("q", q), ("levels", levels)):
        if array.dtype.kind not in "iu":
            raise ValueError(
                f"a dot product is exact in integers only, but {name} is an array of {array.dtype}"
            )
    if q.ndim == 0 or levels.ndim == 0 or q.shape[-1] != levels.shape[-1]:
        raise ValueError(
            f"q and levels must have equally many lanes on their last axis, "
            f"but their shapes are {q.shape} and {levels.shape}"
        )
    total: NDArray[np.int64] = np.einsum("...i,...i->...", q.astype(np.int64), levels.astype(np.int64))
    return np.asarray(total)


def group_dot_range(q: Interval, levels: Interval, group: int) -> Interval:
    """Every value `T_g` can take and, plane after plane, every value on the way to it.

    After `p` of the planes a two's-complement lane counts `floor(q / 2^(P-p))`, an integer of `p` bits,
    and a sign-magnitude lane `sign * floor(m / 2^(M-p))`: both are among `AndaCodec.levels`. So a sum
    over lanes never leaves the range of the final sum (contract, section 5).

    Parameters
    ----------
    q, levels : Interval
        `AndaCodec.levels`, and the range of the weight levels.
    group : int
        Lanes.
    """
    return (q * levels).times(group)
