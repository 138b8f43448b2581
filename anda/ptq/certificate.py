"""What certain weights can do to the registers of an accumulator, at most, and the inputs that do it.

A certificate is a JSON file beside integer weights. It promises that no activation of a range can take a
multiplier, a processing element, a tile's register or the outer register out of its width, and gives every
worst case, so that the promise can be checked (`anda.ptq.recheck`) and the hardware proved against it.

Why the ends are enough. Activations lie in [mu, nu], and 0 does too. So the terms `x * q` of a sum are
independent, each takes all of its range, and 0 is in it: over all activations the largest sum is
`nu*pos + mu*neg` and the smallest `mu*pos + nu*neg`, `pos` and `neg` the sums of the positive and of the
negative levels, and every partial sum, in any order, lies between them. The bit-serial sums on the way to
one do as well: `floor(x / 2^s)` is in [mu, nu] whenever `x` is (contract, section 5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import activation_range
from anda.ptq.certificate_format import (
    VERSION,
    WITNESS_RULE,
    ZERO_POINT,
    Bound,
    Certificate,
    CertificateError,
    CertifiedStage,
    StageName,
    Witness,
)
from golden.interval import Interval
from golden.multistage import REGISTER_BITS

__all__ = ["Certificate", "CertificateError", "CertifiedStage", "Witness", "certify"]

Levels = NDArray[np.int64]

_LIMIT = 1 << 61
"""The widest register holds less than this; so does int64, with room for the sum of two."""


def certify(
    levels: NDArray[Any],
    *,
    activation_bits: int,
    activation_signed: bool,
    tile: int | None,
    inner_bits: int | None = None,
    outer_bits: int | None = None,
    group: int = 64,
) -> Certificate:
    """Find the exact worst cases of integer weights and promise widths that hold them.

    Parameters
    ----------
    levels : integer array [channels, inputs]
        Weight levels of at most 32 bits.
    activation_bits : int
        2 to 16.
    activation_signed : bool
        From -2^(bits-1) to 2^(bits-1) - 1, or from 0 to 2^bits - 1.
    tile : int or None
        Inputs of a tile, by their index; None for the whole row.
    inner_bits, outer_bits : int, optional
        Widths to promise; the narrowest that are safe when left out.
    group : int
        Lanes of a processing element. A tile of more inputs is summed group by group.

    Raises
    ------
    ValueError
        When an argument is out of its range, or a width to promise is too narrow: says where.
    """
    array = _checked(levels)
    inputs = array.shape[1]
    codes = activation_range(activation_bits, activation_signed)
    tile = inputs if tile is None else min(_positive("tile", tile), inputs)
    lanes = min(_positive("group", group), tile)
    weights = _Weights(array, codes)
    tiles = np.arange(0, inputs, tile)
    groups = np.concatenate([np.arange(start, min(start + tile, inputs), lanes) for start in tiles])
    product = _Runs(weights, np.arange(inputs), 1)
    group_sums = _Runs(weights, groups, lanes)
    inner = _Runs(weights, tiles, tile)
    outer = _Runs(weights, np.zeros(1, np.int64), inputs)
    stages = [
        product.stage("product", 1, None),
        group_sums.stage("group", lanes, None),
        inner.stage("inner", -(-tile // lanes), inner_bits),
        outer.stage("outer", len(tiles), outer_bits),
    ]
    return Certificate(
        format="anda-certificate",
        version=VERSION,
        weights_sha256=_sha256(array),
        channels=len(array),
        inputs=inputs,
        level_min=weights.levels.min,
        level_max=weights.levels.max,
        activation_bits=int(activation_bits),
        activation_signed=bool(activation_signed),
        activation_min=codes.min,
        activation_max=codes.max,
        zero_point=ZERO_POINT,
        tile=tile,
        inner_bits=stages[2].bits,
        outer_bits=stages[3].bits,
        witness_rule=WITNESS_RULE,
        stages=stages,
        outer_min=outer.low[:, 0].tolist(),
        outer_max=outer.high[:, 0].tolist(),
        inner_min=inner.low.tolist(),
        inner_max=inner.high.tolist(),
    )


@dataclass(frozen=True)
class _Weights:
    """Levels [channels, inputs] and the activations they meet."""

    array: Levels
    codes: Interval

    def __post_init__(self) -> None:
        levels, codes = self.levels, self.codes
        reach = self.array.shape[1] * max(-levels.min, levels.max, 1) * max(-codes.min, codes.max)
        if reach >= _LIMIT:
            raise ValueError(
                f"a certificate is for sums below 2^61, but {self.array.shape[1]} levels from {levels.min} "
                f"to {levels.max} and activations from {codes.min} to {codes.max} could reach {reach}"
            )

    @property
    def levels(self) -> Interval:
        return Interval(int(self.array.min()), int(self.array.max()))


class _Runs:
    """Worst cases of all sums over the inputs from one start to the next, [channels, runs]."""

    def __init__(self, weights: _Weights, starts: NDArray[np.int64], terms: int) -> None:
        self.weights, self.starts, self.terms = weights, starts, terms
        mu, nu = weights.codes.min, weights.codes.max
        # Below 2^61 throughout, as _Weights made sure: int64 is exact.
        pos: Levels = np.add.reduceat(np.maximum(weights.array, 0), starts, axis=1)
        neg: Levels = np.add.reduceat(np.minimum(weights.array, 0), starts, axis=1)
        self.low, self.high = mu * pos + nu * neg, nu * pos + mu * neg
        self.l1 = int((pos - neg).max())

    def stage(self, name: StageName, count: int, bits: int | None) -> CertifiedStage:
        """What the certificate says about this register; `bits` None: the narrowest width."""
        reached = Interval(int(self.low.min()), int(self.high.max()))
        need = _register_bits(reached)
        if bits is None:
            bits = need
        elif isinstance(bits, bool) or not REGISTER_BITS.min <= bits <= REGISTER_BITS.max:
            raise ValueError(f"expected 1 to 62 {name} bits, not {bits!r}")
        elif bits < need:
            raise ValueError(self._too_narrow(name, int(bits), need))
        return CertifiedStage(
            name=name,
            count=count,
            bits=int(bits),
            policy="safe",
            bound=self._bound(int(bits)),
            l1=self.l1,
            min=reached.min,
            max=reached.max,
            lowest=self._witness(int(np.argmin(self.low)), largest=False),
            highest=self._witness(int(np.argmax(self.high)), largest=True),
        )

    def _too_narrow(self, name: str, bits: int, need: int) -> str:
        register = Interval.of_bits(bits, signed=True)
        outside = (self.low < register.min) | (self.high > register.max)
        channel, run = divmod(int(np.argmax(outside)), len(self.starts))
        where = f"channel {channel}" + (f", tile {run}" if name == "inner" else "")
        return (
            f"{name} registers of {bits} bits hold {register.min} to {register.max}, but sums of {where} "
            f"reach from {self.low[channel, run]} to {self.high[channel, run]}; {need} bits are safe for all"
        )

    def _bound(self, bits: int) -> Bound:
        """The most general reason why the width is enough."""
        codes = self.weights.codes
        any_level = Interval.of_bits(_register_bits(self.weights.levels), signed=True)
        if _register_bits((codes * any_level).times(self.terms)) <= bits:
            return "data-type"
        largest = self.l1 * max(-codes.min, codes.max)
        return "l1" if _register_bits(Interval(-largest, largest)) <= bits else "weights"

    def _witness(self, where: int, *, largest: bool) -> Witness:
        channel, run = divmod(where, len(self.starts))
        start = int(self.starts[run])
        levels = self.weights.array[channel, start : start + self.terms]
        if run + 1 < len(self.starts):
            levels = levels[: int(self.starts[run + 1]) - start]
        codes = self.weights.codes
        activations = np.where((levels > 0) == largest, codes.max, codes.min)
        return Witness(channel=channel, start=start, activations=activations.tolist())


def _register_bits(values: Interval) -> int:
    """Width of the narrowest signed register."""
    return values.hull(Interval(-1, 0)).bits


def _checked(levels: NDArray[Any]) -> Levels:
    if levels.ndim != 2 or levels.dtype.kind not in "iu" or 0 in levels.shape:
        raise ValueError(
            "levels should be integers of shape [channels, inputs], at least one of each, "
            f"not {levels.dtype} of shape {list(levels.shape)}"
        )
    if not Interval.of_bits(32, signed=True).contains(Interval(int(levels.min()), int(levels.max()))):
        raise ValueError(
            f"levels should have at most 32 bits, but reach from {levels.min()} to {levels.max()}"
        )
    return levels.astype(np.int64)


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"expected a {name} of at least 1 input, not {value!r}")
    return int(value)


def _sha256(array: Levels) -> str:
    """The hash that the certificate's format defines."""
    digest = hashlib.sha256(np.array(array.shape, dtype="<i8").tobytes())
    digest.update(array.astype("<i4").tobytes())
    return digest.hexdigest()
