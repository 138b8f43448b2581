"""FP16 activations times INT4 levels, each product rounded into an FP32 sum; scales once a group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_add
from golden.fp16 import require_finite, require_fp16

__all__ = ["fp_int_product", "partial_sums", "scaled_sums"]


def partial_sums(x: NDArray[np.float16], levels: NDArray[Any], lanes: int = 4) -> NDArray[np.float32]:
    """What each lane has of a group: `G <- round_fp32(G + x * level)` over every `lanes`-th element.

    Products have at most 15 significant bits: exact in float64.

    Parameters
    ----------
    x : float16 array [..., group]
        Finite values.
    levels : integer array [..., group]
        -8 to 7; broadcasts.
    lanes : int
        Divides the group.

    Returns
    -------
    float32 array [..., lanes]

    Raises
    ------
    ValueError
        When `x` is not finite float16, levels are no integers of four bits, or lanes do not divide the group.
    """
    require_finite(require_fp16(x, "an FP-INT multiplier"))
    if levels.dtype.kind not in "iu" or (levels.size and not -8 <= levels.min() <= levels.max() <= 7):
        raise ValueError(f"levels must be integers from -8 to 7, not {levels}")
    if x.shape[-1] % lanes:
        raise ValueError(f"{lanes} lanes do not divide a group of {x.shape[-1]}")
    products = x.astype(np.float64) * levels
    split = products.reshape(*products.shape[:-1], -1, lanes)
    sums = np.zeros((*products.shape[:-1], lanes), np.float32)
    for step in range(split.shape[-2]):
        fused_add(sums, split[..., step, :].copy())
    return sums


def scaled_sums(sums: NDArray[np.float32], scales: NDArray[np.float16]) -> NDArray[np.float32]:
    """`A <- round_fp32(A + G * scale)` over the last axis, in ascending order.

    Products of 24 and 11 significant bits are exact in float64.

    Parameters
    ----------
    sums : float32 array [..., n]
        Finite values.
    scales : float16 array [..., n]
        Finite values; broadcasts.

    Returns
    -------
    float32 array [...]

    Raises
    ------
    ValueError
        When a scale is not finite float16.
    """
    if scales.dtype != np.float16 or not np.isfinite(scales).all():
        raise ValueError(f"scales must be finite float16 values, but came as {scales.dtype}: {scales}")
    products = sums.astype(np.float64) * scales.astype(np.float64)
    lead = products.shape[:-1]
    total = np.zeros(int(np.prod(lead)), np.float32)
    for column in np.ascontiguousarray(products.reshape(len(total), -1).T):
        fused_add(total, column)
    return total.reshape(lead)


def fp_int_product(
    x: NDArray[np.float16], levels: NDArray[Any], scales: NDArray[np.float16], lanes: int = 4
) -> NDArray[np.float32]:
    """The element: sums of all groups of a row; in a group those of lane 0, 1 and so on are scaled in turn.

    Parameters
    ----------
    x : float16 array [..., groups, group]
    levels : integer array [..., groups, group]
        Broadcasts.
    scales : float16 array [..., groups]
        Broadcasts.
    lanes : int
        As for `partial_sums`.

    Returns
    -------
    float32 array [...]
    """
    sums = partial_sums(x, levels, lanes)
    wide = np.broadcast_to(scales[..., np.newaxis], sums.shape)
    return scaled_sums(sums.reshape(*sums.shape[:-2], -1), wide.reshape(*sums.shape[:-2], -1))
