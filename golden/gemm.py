"""The whole product `[N, K] x [K, C]`: Anda activations by integer weights, every bit as the hardware has it.

Floating point is used for speed only, where it is provably exact: products and their partial sums are
integer multiples of one power of two, so a matrix product in any order of summation is exact as long as
the sum of the magnitudes stays below `2^53` (float64) or `2^24` (float32) of that unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_add
from golden.anda import AndaBlock, AndaCodec
from golden.fp16 import FloatArray16, fields
from golden.weights import IntegerWeights

__all__ = ["Accumulate", "gemm", "integer_gemm"]

Accumulate = Literal["fp32", "fixed", "integer"]

_CHANNELS = 1024
"""Channels whose float64 weights are held at a time."""

_SIDE = 64
"""Side of the square products that a tile is made of: too small for BLAS to split among its threads,
whose waiting for each other would cost more than the product on a machine that does anything else."""


def gemm(
    activations: AndaBlock | FloatArray16,
    weights: IntegerWeights,
    codec: AndaCodec,
    accumulate: Accumulate = "fp32",
) -> NDArray[Any]:
    """Multiply Anda activations by integer weights (contract, sections 5 and 6).

    | `accumulate` | result                                                                           |
    |--------------|----------------------------------------------------------------------------------|
    | `fp32`       | float32: `A <- round(A + T_g * scale_g * 2^k_g)`, group after group, from +0     |
    | `fixed`      | float32: `round(sum_g T_g * scale_g * 2^k_g)`, the exact sum rounded once        |
    | `integer`    | int64: `sum_g T_g`, exact; unit and scale are the caller's                       |

    Parameters
    ----------
    activations : float16 array [..., K], or AndaBlock
        Values to encode, or what `codec.encode` made of them.
    weights : IntegerWeights
        [C, K]; a scale block must hold whole groups, or all of K.
    codec : AndaCodec
        The format of the activations.
    accumulate : str
        "fp32", "fixed" or "integer".

    Returns
    -------
    float32 or int64 array [..., C]

    Raises
    ------
    ValueError
        When K or the blocks do not fit, an activation is not finite, or, for `integer`, the exponents of
        a row differ or the weights have more than one scale per channel.
    """
    if accumulate not in get_args(Accumulate):
        raise ValueError(f"accumulate must be one of {', '.join(get_args(Accumulate))}, not {accumulate!r}")
    if isinstance(activations, AndaBlock):
        length, q, exponents = activations.length, codec.integers(activations), activations.exponents
    else:
        q, exponents = codec.quantize(activations)
        length = activations.shape[-1]
    if length != weights.length:
        raise ValueError(
            f"the activations have K = {length} elements, but the weights have K = {weights.length}"
        )
    several_blocks = weights.scales.shape[1] > 1
    if several_blocks and weights.block % codec.group:
        raise ValueError(
            f"a scale block must hold whole groups of {codec.group} elements, but it has {weights.block}"
        )
    lead = q.shape[:-2]
    q, exponents = q.reshape(-1, *q.shape[-2:]), exponents.reshape(-1, exponents.shape[-1])
    result: NDArray[Any]
    if accumulate == "integer":
        if several_blocks or (exponents != exponents[:, :1]).any():
            wrong = "several scales per channel" if several_blocks else "rows whose exponents differ"
            raise ValueError(f"the integer kind adds plain integers along K, so it cannot take {wrong}")
        result = integer_gemm(q.reshape(-1, q.shape[1] * q.shape[2])[:, :length], weights.levels)
    else:
        operands = _Operands(q, exponents, weights, codec)
        result = operands.fp32() if accumulate == "fp32" else operands.fixed()
    return result.reshape((*lead, weights.channels))


def integer_gemm(x: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """Exact `x @ levels.T` of integer matrices, at the speed of a floating-point product.

    Parameters
    ----------
    x : integer array [N, K]
    levels : integer array [C, K]

    Returns
    -------
    int64 array [N, C]

    Raises
    ------
    ValueError
        When the shapes or types do not fit, or a sum might reach `2^53`.
    """
    if x.dtype.kind not in "iu" or levels.dtype.kind not in "iu":
        raise ValueError(f"an integer product takes integers, not {x.dtype} and {levels.dtype}")
    if x.ndim != 2 or levels.ndim != 2 or x.shape[1] != levels.shape[1]:
        raise ValueError(f"the shapes must be [N, K] and [C, K], not {x.shape} and {levels.shape}")
    bound = _largest(x) * _largest(levels) * x.shape[1]
    if bound >= 1 << 53:
        raise ValueError(f"an integer sum must stay below 2^53, but one may reach {bound}")
    exact: type[np.floating] = np.float32 if bound < 1 << 24 else np.float64
    total: NDArray[np.floating] = np.matmul(x.astype(exact), levels.astype(exact).T)
    return total.astype(np.int64)


def _largest(a: NDArray[Any]) -> int:
    return max(int(a.max()), -int(a.min())) if a.size else 0


@dataclass(frozen=True, eq=False)
class _Operands:
    """What is multiplied, with the bounds that tell where float64 is exact."""

    q: NDArray[np.int32]
    """[N, groups, group]"""
    exponents: NDArray[np.uint8]
    """[N, groups]"""
    weights: IntegerWeights
    codec: AndaCodec

    def fp32(self) -> NDArray[np.float32]:
        """One rounding per group. [N, C]"""
        weights, group = self.weights, self.codec.group
        out = np.empty((len(self.q), weights.channels), dtype=np.float32)
        row_ratio, scale_ratio = self._row_ratio(), self._scale_ratio()
        rows = min(_SIDE, _SIDE * 64 // group)
        for c in range(0, weights.channels, _CHANNELS):
            channels = slice(c, c + _CHANNELS)
            w = _squares(weights.decode(channels))
            for r in range(0, len(out), rows):
                x = self._values(slice(r, r + rows), np.float64)
                accumulator = np.zeros((len(w), len(x), _SIDE), dtype=np.float32)
                product = np.empty(accumulator.shape)
                # All that is added are multiples of the row's smallest unit times the channel's smallest
                # scale bit. Where their magnitudes sum to less than 2^52 of these, no sum, rounding
                # included, needs more than 53 bits.
                bound = row_ratio[r : r + rows].max() * scale_ratio[channels].max()
                for k in range(0, weights.length, group):
                    # A product of 32 + 11 bits, exact. `x` meets every square of channels.
                    np.matmul(x[:, k : k + group], w[:, k : k + group], out=product)
                    fused_add(accumulator, product, sum_is_exact=bool(bound < 2.0**52))
                tile = out[r : r + rows, channels]
                tile[...] = accumulator.transpose(1, 0, 2).reshape(len(x), -1)[:, : tile.shape[1]]
        return out

    def fixed(self) -> NDArray[np.float32]:
        """One rounding in all. [N, C]"""
        weights, everything = self.weights, slice(None)
        out = np.empty((len(self.q), weights.channels), dtype=np.float32)
        row_ratio, scale_ratio = self._row_ratio(), self._scale_ratio()
        if weights.scales.shape[1] == 1 and row_ratio.max(initial=0.0) < 2.0**24:
            np.matmul(self._values(everything, np.float32), weights.levels.T.astype(np.float32), out=out)
            # Exact sums times scales in float32: that product is the one rounding.
            return np.multiply(out, weights.scales.T.astype(np.float32), out=out)
        x = self._values(everything, np.float64)
        for c in range(0, weights.channels, _CHANNELS):
            channels = slice(c, c + _CHANNELS)
            out[:, channels] = x @ weights.decode(channels).T
        for n in np.flatnonzero(row_ratio * scale_ratio.max() >= 2.0**53):
            out[n] = self._row_in_integers(int(n))
        return out

    def _values(self, rows: slice, kind: type[np.floating]) -> NDArray[Any]:
        """Activations, exact, [rows, K]."""
        units = np.ldexp(kind(1), self.codec.ulp_exponents(self.exponents[rows]))
        values = np.multiply(self.q[rows], units[..., np.newaxis], dtype=kind)
        return values.reshape(-1, values.shape[1] * values.shape[2])[:, : self.weights.length]

    def _row_ratio(self) -> NDArray[np.float64]:
        """For each row, its largest possible sum of magnitudes over its smallest unit, without scales.

        Groups of zeros have a small unit but add nothing: they do not count. Only `E = 1` can be one.
        """
        empty = self.exponents == 1
        empty[empty] = ~self.q[empty].any(axis=1)
        units = np.ldexp(1.0, self.codec.ulp_exponents(self.exponents))
        levels = self.weights.level_range
        largest = -self.codec.levels.min * max(levels.max, -levels.min) * self.codec.group
        sums = np.where(empty, 0.0, units * largest).sum(axis=1)
        return np.asarray(sums / np.where(empty, np.inf, units).min(axis=1))

    def _scale_ratio(self) -> NDArray[np.float64]:
        """For each channel, its largest scale over the last bit of its smallest, scales of 0 left out."""
        _, exponent, significand = fields(self.weights.scales)
        last_bit = np.where(significand == 0, np.inf, np.ldexp(1.0, exponent - 25))
        largest = np.abs(self.weights.scales.astype(np.float64)).max(axis=1)
        return np.asarray(largest / last_bit.min(axis=1))

    def _row_in_integers(self, n: int) -> NDArray[np.float32]:
        """One `fixed` row in Python integers, slowly: its activations are too far apart for float64."""
        exponents = self.codec.ulp_exponents(self.exponents[n])
        unit = int(exponents.min())
        shifts = np.repeat((exponents - unit).astype(object), self.codec.group)
        x = (self.q[n].reshape(-1).astype(object) << shifts)[: self.weights.length]
        # An FP16 scale is an integer times 2^-24.
        scales = np.ldexp(self.weights.scales.astype(np.float64), 24).astype(np.int64).astype(object)
        sums = np.zeros(self.weights.channels, dtype=object)
        for block, k in enumerate(range(0, self.weights.length, self.weights.block)):
            part = slice(k, k + self.weights.block)
            sums += (self.weights.levels[:, part].astype(object) @ x[part]) * scales[:, block]
        return np.array([_nearest_fp32(total, unit - 24) for total in sums], dtype=np.float32)


def _squares(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights [C, K] as [squares, K, side], channels of zeros behind the last."""
    squares = -(-len(w) // _SIDE)
    padded = np.zeros((squares * _SIDE, w.shape[1]))
    padded[: len(w)] = w
    return np.ascontiguousarray(padded.reshape(squares, _SIDE, -1).transpose(0, 2, 1))


def _nearest_fp32(total: int, exponent: int) -> float:
    """`total * 2^exponent` with 24 bits, rounded to nearest even as Python rounds a fraction."""
    excess = max(total.bit_length() - 24, 0)
    return float(np.ldexp(float(round(Fraction(total, 1 << excess))), exponent + excess))
