"""Products of binary operands: AND and popcount of packed planes, or a floating-point matrix product, the
same integers; then zero points, and scales with one rounding (contract, section 8)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.binary import BinaryOperand
from golden.gemm import integer_gemm
from golden.interval import Interval

__all__ = ["Path", "Result", "binary_gemm", "code_product", "packed_product", "result_range"]

Path = Literal["blas", "packed"]
Result = Literal["integer", "fp32", "fp16"]

_TILE = 1 << 13
"""Words that are counted at a time: they stay in a cache."""


def binary_gemm(
    x: BinaryOperand, w: BinaryOperand, result: Result = "integer", path: Path = "blas"
) -> NDArray[Any]:
    """`sum_k (x - zx)(w - zw)` of every token and channel, exact, and scaled if asked for.

    | `result`  | what it is                                                                                |
    |-----------|-------------------------------------------------------------------------------------------|
    | `integer` | the exact sum: int32 where the data types and zero points keep it there, int64 otherwise  |
    | `fp32`    | `round_fp32(sum * scale_x * scale_w)`, to nearest even: the exact product rounded once    |
    | `fp16`    | that, rounded to FP16 to nearest even, overflow to the largest finite value               |

    Rounded once, because a sum of 32 bits times two significands of 11 bits has 53 bits, which float64 holds.
    The product of two FP16 scales lies between 2^-48 and 2^32: no result is subnormal or infinite in FP32.

    Parameters
    ----------
    x : BinaryOperand
        Activations [N, K], zero point and scale a token.
    w : BinaryOperand
        Weights [C, K], zero point and scale a channel.
    result : str
        "integer", "fp32" or "fp16".
    path : str
        "blas": a floating-point matrix product of the codes. "packed": AND and popcount of planes. The same
        integers.

    Returns
    -------
    int32, int64, float32 or float16 array [N, C]

    Raises
    ------
    ValueError
        K differs, a choice is none, or the exact sum could leave int64, or 32 bits where it is scaled.
    """
    for name, given, choices in (("result", result, get_args(Result)), ("path", path, get_args(Path))):
        if given not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, not {given!r}")
    reached = result_range(x, w)
    if reached.bits > 62:
        raise ValueError(f"a sum must fit 62 bits, but one may reach {reached.min} or {reached.max}")
    narrow = Interval.of_bits(32, signed=True).contains(reached)
    product = code_product(x, w) if path == "blas" else packed_product(x, w)
    # sum (x-zx)(w-zw) = sum xw - zw sum x - zx (sum w - K zw)
    product -= x.sums[:, None] * w.row_zeros
    product -= x.row_zeros[:, None] * (w.sums - x.length * w.row_zeros)
    if result == "integer":
        return product.astype(np.int32) if narrow else product
    if not narrow:
        raise ValueError(
            f"a sum of 32 bits is scaled exactly, but these may reach {reached.min} or {reached.max}"
        )
    scaled = (product * _scales(x)[:, None] * _scales(w)).astype(np.float32)
    return scaled if result == "fp32" else round_fp16(scaled)[0]


def _scales(operand: BinaryOperand) -> NDArray[np.float64]:
    return np.ones(operand.rows) if operand.scales is None else operand.scales.astype(np.float64)


def result_range(x: BinaryOperand, w: BinaryOperand) -> Interval:
    """Every `sum_k (x - zx)(w - zw)` for these formats, zero points and K, whatever the codes are.

    Raises
    ------
    ValueError
        K differs.
    """
    if x.length != w.length:
        raise ValueError(f"the activations have K = {x.length} elements, but the weights have K = {w.length}")
    return (x.level_range * w.level_range).times(x.length)


def code_product(x: BinaryOperand, w: BinaryOperand) -> NDArray[np.int64]:
    """`sum_k x w` of the codes, [N, C], by a floating-point matrix product.

    Codes have 9 bits with their sign at the most, so a product has 16 and a sum of K of them stays below `K *
    2^16`: exact in any order of summation, in float32 up to `2^24` and in float64 up to `2^53`
    (`integer_gemm` chooses).
    """
    return integer_gemm(x.codes, w.codes)


def packed_product(x: BinaryOperand, w: BinaryOperand) -> NDArray[np.int64]:
    """`sum_k x w` of the codes, [N, C]: `sum_ij (+-) 2^(i+j) popcount(X_i AND W_j)` on packed planes."""
    if x.length != w.length:
        raise ValueError(f"the activations have K = {x.length} elements, but the weights have K = {w.length}")
    # A word of all channels at a time: long rows, which a small axis of words at the end would not be.
    of_x, of_w = (np.ascontiguousarray(operand.words.transpose(1, 2, 0)) for operand in (x, w))
    total = np.zeros((x.rows, w.rows), np.int64)
    rows = max(1, _TILE // w.rows)
    both, bits = np.empty((rows, w.rows), np.uint64), np.empty((rows, w.rows), np.uint8)
    counts = np.empty((rows, w.rows), np.uint32)
    for first in range(0, x.rows, rows):
        used = min(rows, x.rows - first)
        for i, counts_x in enumerate(x.format.coefficients):
            for j, counts_w in enumerate(w.format.coefficients):
                counts[:used] = 0
                for word_x, word_w in zip(of_x[i, :, first : first + used], of_w[j], strict=True):
                    np.bitwise_and(word_x[:, None], word_w, out=both[:used])
                    np.bitwise_count(both[:used], out=bits[:used])
                    np.add(counts[:used], bits[:used], out=counts[:used])
                total[first : first + used] += counts_x * counts_w * counts[:used].astype(np.int64)
    return total
