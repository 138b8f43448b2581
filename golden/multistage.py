"""Integer accumulators of several stages, of a fixed width each (contract, sections 5 and 6).

Stage `j` adds `n_j` results of stage `j-1` in a signed register of `P_j` bits. What becomes of a sum that
the register cannot hold is the stage's policy:

- `safe`: there is no such sum. It was promised, from data types or from the weights, and is an error here.
- `wrap`: the register keeps the low `P_j` bits.
- `saturate`: the register keeps the nearer end of its range, at every single addition.

A stage's flag tells that an exact addition, register plus term, left the register's range.

Order. A wrapped register is congruent to the exact sum modulo `2^P`, for each addition keeps it so and
every range of `2^P` integers holds one number of each class: its final value is the same in every order,
and it is the exact sum whenever that fits. Its flag is not: in 3 bits, 3 + 1 - 4 leaves the range on the
way, 1 - 4 + 3 does not, and both are 0. A saturated value itself depends on the order, -1 and 0 here. As
flag and saturation do, everything here takes its terms in ascending order. Under `safe` no order matters
when every term may also be 0: then any partial sum is a sum of the whole range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.bitplanes import Encoding, group_range, require_encoding
from golden.interval import Interval

__all__ = [
    "POLICIES",
    "REGISTER_BITS",
    "MultiStage",
    "Policy",
    "Stage",
    "bit_serial",
    "data_type_bits",
    "outer_bits",
    "safe_stages",
]

Policy = Literal["safe", "wrap", "saturate"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

REGISTER_BITS = Interval(1, 62)
"""Widths a register may have: the sum of a register and a term below `2^62` is exact in int64."""
ZERO = Interval(0, 0)

Sums = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Stage:
    """One register of a multi-stage accumulator.

    Parameters
    ----------
    bits : int
        Width of the signed register, 1 to 62.
    count : int or None
        Results of the stage before that are added before the sum is handed on and the register starts again
        at 0; None for all that come until the end, which only a last stage can take.
    policy : str
        "safe", "wrap" or "saturate".
    """

    bits: int
    count: int | None
    policy: Policy = "safe"

    def __post_init__(self) -> None:
        _require_register(self.bits, self.policy)
        if self.count is not None and (type(self.count) is not int or self.count < 1):
            raise ValueError(f"a stage adds a positive number of terms, or None for all, not {self.count!r}")

    @property
    def range(self) -> Interval:
        """Everything the register holds."""
        return Interval.of_bits(self.bits, signed=True)


@dataclass(frozen=True)
class MultiStage:
    """An accumulator of one or more stages.

    Parameters
    ----------
    stages : tuple of Stage
        The first one adds the terms. A last stage that has a count takes no more results than that.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a multi-stage accumulator has at least one stage, but none was given")
        for index, stage in enumerate(self.stages[:-1]):
            if stage.count is None:
                raise ValueError(
                    f"only the last stage may add all that come, but stage {index} of {len(self.stages)} "
                    "has no count"
                )

    def accumulate(self, terms: NDArray[Any]) -> tuple[Sums, Flags]:
        """Add terms as the registers do, in ascending order.

        Parameters
        ----------
        terms : integer array [..., n]
            Below `2^62` in magnitude. A last run that is short is handed on at the end.

        Returns
        -------
        sums : int64 array [...]
            What the last stage holds; 0 without terms.
        overflow : bool array [..., stages]
            Whether the stage had to wrap or saturate.

        Raises
        ------
        ValueError
            When the terms are not integers or too large, when more results reach the last stage than it
            takes, or when a `safe` stage would overflow: names stage, sum and register.
        """
        values = _terms(terms)
        flags = np.zeros((*values.shape[:-1], len(self.stages)), dtype=bool)
        for index, stage in enumerate(self.stages):
            self._require_room(index, values.shape[-1])
            runs = _runs(values, stage.count)
            values, left = _saturate(runs, stage) if stage.policy == "saturate" else _wrap(runs, stage)
            if stage.policy == "safe" and left.any():
                worst = _first_overflow(runs, left)
                raise ValueError(
                    f"stage {index} was promised to be safe, but its register of {stage.bits} bits holds "
                    f"{stage.range.min} to {stage.range.max} and a sum came to {worst}"
                )
            flags[..., index] = left.any(axis=(-2, -1))
        return values[..., 0], flags

    def ranges(self, terms: Sequence[Interval]) -> tuple[Interval, ...]:
        """Everything each register may hold on the way and at the end.

        Parameters
        ----------
        terms : sequence of Interval
            The exact range of every term in ascending order: `[term] * n` from data types alone, or one worst
            case each, from the weights. Terms are taken to be independent.

        Returns
        -------
        tuple of Interval
            One a stage, 0 included. Exact where every stage before is safe; a run that may wrap or saturate
            is taken for as wide as its register.

        Raises
        ------
        ValueError
            When a `safe` stage does not hold its range, or more results reach the last stage than it takes.
        """
        found: list[Interval] = []
        for index, stage in enumerate(self.stages):
            self._require_room(index, len(terms))
            kept = [_kept(stage, index, *run) for run in _reach(terms, stage.count)]
            terms = [total for _, total in kept]
            found.append(_hull(reached for reached, _ in kept))
        return tuple(found)

    def _require_room(self, index: int, results: int) -> None:
        count = self.stages[-1].count
        if index == len(self.stages) - 1 and count is not None and results > count:
            raise ValueError(f"the last stage takes {count} results, but {results} came")


def safe_stages(terms: Sequence[Interval], counts: Sequence[int | None]) -> tuple[Stage, ...]:
    """Stages that hold every sum and would not with one bit less.

    Parameters
    ----------
    terms : sequence of Interval
        The exact range of every term, as for `MultiStage.ranges`.
    counts : sequence of int or None
        Of every stage.
    """
    stages = []
    for count in counts:
        runs = _reach(terms, count)
        terms = [total for _, total in runs]
        stages.append(Stage(_signed_bits(_hull(reached for reached, _ in runs)), count))
    return tuple(stages)


def outer_bits(inner_bits: int, tiles: int) -> int:
    """Width that holds the sum of `tiles` registers of `inner_bits` bits: `P_O = P_I + ceil(log2(tiles))`.

    In integers (contract, section 6): the lowest sum is `-tiles * 2^(P_I-1)`, which fits `P` bits when
    `tiles <= 2^(P-P_I)`; the highest sum needs no more. It is exact where a register may hold anything.
    """
    if inner_bits < 1 or tiles < 1:
        raise ValueError(f"expected at least 1 bit and 1 tile, not {inner_bits} and {tiles}")
    return inner_bits + (tiles - 1).bit_length()


def data_type_bits(length: int, activation_bits: int, weight_bits: int, activation_signed: bool) -> int:
    """The published width for any weights of `M` bits: `P* = ceil(a + log2(1 + 2^-a) + 1)`.

    Here `a = log2 K + N + M - 1 - sg` (AXE, arXiv 2409.17092, section 2); in integers that is
    `1 + bit_length(K << (N + M - 1 - sg))`. It takes activations for `2^N` in magnitude, or `2^(N-1)` when
    signed. Signed activations do reach that, so the width is exact; unsigned ones end at `2^N - 1`, which may
    spare a bit: `safe_stages([x * w] * K, [None])` is exact for both.

    Parameters
    ----------
    length : int
        Terms of the sum, `K`.
    activation_bits, weight_bits : int
        `N` and `M`.
    activation_signed : bool
        `sg`.
    """
    if min(length, activation_bits, weight_bits) < 1:
        raise ValueError(
            f"expected a length and widths of at least 1, not {length}, {activation_bits} and {weight_bits}"
        )
    return 1 + (length << (activation_bits + weight_bits - 1 - activation_signed)).bit_length()


def bit_serial(
    q: NDArray[Any],
    levels: NDArray[Any],
    planes: int,
    bits: int,
    policy: Policy = "safe",
    encoding: Encoding = "twos-complement",
) -> tuple[Sums, Flags]:
    """A processing element's register, plane after plane: `acc <- 2*acc + sum_i bit_i * level_i`.

    One plane a cycle, the most significant first; the first plane of two's complement is subtracted, the
    signs of sign-magnitude are applied per lane (contract, section 5). After `p` planes the exact `acc` is
    the dot product of `floor(q / 2^(planes-p))`, which is nearer to 0 than `q` or equal, so a width that is
    safe for every `q` of a range around 0 is safe on the way.

    Parameters
    ----------
    q : integer array [..., lanes]
        What the planes hold; unsigned activations of `N` bits are two's-complement numbers of `N + 1` planes.
    levels : integer array [..., lanes]
        Weight levels, below `2^61` in magnitude together; the axes in front broadcast against those of `q`.
    planes : int
        2 to 17, the sign plane included.
    bits : int
        Width of the register, 1 to 62.
    policy : str
        "safe", "wrap" or "saturate".
    encoding : str
        "twos-complement" or "sign-magnitude".

    Returns
    -------
    sums : int64 array [...]
        What the register holds after the last plane.
    overflow : bool array [...]
        Whether any cycle left the register's range, even if a later one came back; an error under `safe`.
    """
    require_encoding(encoding, planes, 64)
    _require_register(bits, policy)
    held, allowed = _terms(q), group_range(planes, encoding)
    if held.size and not allowed.contains(Interval(int(held.min()), int(held.max()))):
        raise ValueError(
            f"{planes} planes of {encoding} hold {allowed.min} to {allowed.max}, "
            f"but q reaches from {held.min()} to {held.max()}"
        )
    weights = _terms(levels)
    lanes = weights.shape[-1]
    if weights.size and lanes * int(np.abs(weights).max()) >= 1 << 61:
        raise ValueError(
            f"{lanes} levels must stay below 2^61 together, but reach {np.abs(weights).max()} each"
        )
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    shape = np.broadcast_shapes(held.shape, weights.shape)[:-1]
    acc, overflow = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for plane in _signed_planes(held, planes, encoding):
        exact = 2 * acc + np.einsum("...i,...i->...", plane, weights)
        left = (exact < low) | (exact > high)
        if policy == "safe" and left.any():
            raise ValueError(
                f"the register was promised to be safe, but its {bits} bits hold {low} to {high} "
                f"and a plane gave {exact[left].flat[0]}"
            )
        acc = np.clip(exact, low, high) if policy == "saturate" else _wrapped(exact, bits)
        overflow |= left
    return acc, overflow


def _signed_planes(q: Sums, planes: int, encoding: Encoding) -> list[Sums]:
    """What every lane adds in each cycle, the sign already applied; a sign plane itself adds nothing."""
    if encoding == "sign-magnitude":
        return [(np.abs(q) >> p & 1) * np.sign(q) for p in range(planes - 2, -1, -1)]
    return [-(q >> (planes - 1) & 1)] + [q >> p & 1 for p in range(planes - 2, -1, -1)]


def _require_register(bits: int, policy: str) -> None:
    if type(bits) is not int or not REGISTER_BITS.min <= bits <= REGISTER_BITS.max:
        raise ValueError(
            f"a register has {REGISTER_BITS.min} to {REGISTER_BITS.max} bits, as an integer, not {bits!r}"
        )
    if policy not in POLICIES:
        raise ValueError(f"a policy is one of {', '.join(POLICIES)}, not {policy!r}")


def _terms(terms: NDArray[Any]) -> Sums:
    """The terms as int64, which they must fit with room for a register."""
    if terms.dtype.kind not in "iu" or terms.ndim == 0:
        raise ValueError(
            f"terms must be an integer array of one or more axes, not {terms.dtype} of shape {terms.shape}"
        )
    if terms.size and max(int(terms.max()), -int(terms.min())) >= 1 << 62:
        raise ValueError(f"terms must be below 2^62 in magnitude, but reach {terms.min()} or {terms.max()}")
    return terms.astype(np.int64)


def _runs(terms: Sums, count: int | None) -> Sums:
    """Terms [..., n] as [..., runs, count]; the last run is filled with zeros, which change nothing."""
    n = terms.shape[-1]
    length = max(1, n if count is None else min(count, n))
    missing = -n % length if n else length
    filled = np.pad(terms, [(0, 0)] * (terms.ndim - 1) + [(0, missing)])
    return filled.reshape(*terms.shape[:-1], -1, length)


def _wrapped(values: Sums, bits: int) -> Sums:
    """The number of `bits` bits that is congruent modulo `2^bits`."""
    spare = 64 - bits
    return values << spare >> spare


def _wrap(runs: Sums, stage: Stage) -> tuple[Sums, Flags]:
    """Wrapped sums [..., runs], and which additions [..., runs, count] left the range.

    Cumulative sums may themselves wrap in int64: modulo `2^64`, and so still congruent modulo `2^bits`.
    Up to its first overflow a register holds the exact sum, so the first flag is where `safe` breaks, too.
    """
    registers = _wrapped(np.cumsum(runs, axis=-1), stage.bits)
    exact = runs.copy()
    exact[..., 1:] += registers[..., :-1]
    return registers[..., -1], (exact < stage.range.min) | (exact > stage.range.max)


def _saturate(runs: Sums, stage: Stage) -> tuple[Sums, Flags]:
    """Saturated sums [..., runs], and which additions [..., runs, count] left the range."""
    register = np.zeros(runs.shape[:-1], np.int64)
    left = np.zeros(runs.shape, bool)
    for term in range(runs.shape[-1]):
        exact = register + runs[..., term]
        register = np.clip(exact, stage.range.min, stage.range.max)
        left[..., term] = register != exact
    return register, left


def _first_overflow(runs: Sums, left: Flags) -> int:
    """The exact sum that broke the promise, of the first run that has one."""
    length = runs.shape[-1]
    run, term = divmod(int(np.argmax(left.reshape(-1))), length)
    return sum(int(value) for value in runs.reshape(-1, length)[run, : term + 1])


def _reach(terms: Sequence[Interval], count: int | None) -> list[tuple[Interval, Interval]]:
    """Of every run: what its register reaches, 0 and partial sums included, and the range of its sum."""
    length = max(1, len(terms) if count is None else count)
    runs = [terms[start : start + length] for start in range(0, len(terms), length)]
    partials = [list(accumulate(run, initial=ZERO)) for run in runs]
    return [(_hull(sums), sums[-1]) for sums in partials]


def _kept(stage: Stage, index: int, reached: Interval, total: Interval) -> tuple[Interval, Interval]:
    """What is left, in a register that may overflow, of all it reaches and of the sum of a run."""
    if stage.range.contains(reached):
        return reached, total
    if stage.policy == "safe":
        raise ValueError(
            f"stage {index} is not safe: its sums reach from {reached.min} to {reached.max}, which takes "
            f"{_signed_bits(reached)} bits, but its register has {stage.bits}"
        )
    return stage.range, stage.range


def _hull(values: Iterable[Interval]) -> Interval:
    """The smallest interval around all of these and 0, which every register starts from."""
    return reduce(Interval.hull, values, ZERO)


def _signed_bits(values: Interval) -> int:
    """Width of a signed register, even where no value is negative."""
    return values.hull(Interval(-1, 0)).bits
