"""What the bench of the accumulator has met: points, bins, and how a situation is told."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from golden.interval import Interval
from sim.bench import coverage, parameters
from sim.stream import STALLS

__all__ = ["DISTANCES", "Group", "cover_group", "cover_half", "cover_step", "declare_coverage", "leading"]

P = parameters()
SUMS = Interval.of_bits(P["sum_bits"], signed=True)
SLOTS, MOST, HALF = P["slots"], P["max_planes"], P["output"] == "fp16"

#: One group on its way to a slot: T, its shared exponent, the bits of the scale.
Group = tuple[int, int, int]

#: How the leading bit of the product lies to that of the accumulator.
_FROM = (-120, -48, -25, -24, -23, -1, 0, 1, 2, 24, 25, 49, 121)
DISTANCES = [Interval(low, high - 1) for low, high in pairwise(_FROM)]


def declare_coverage() -> None:
    """The points of this component; bins that a configuration cannot reach are not declared for it."""
    coverage.point("accumulator: alignment distance", DISTANCES)
    coverage.point("accumulator: signs", ["equal", "different"])
    coverage.cross("accumulator: distance & signs", ("accumulator: alignment distance", "accumulator: signs"))
    near = ["just below a tie", "just above a tie"]
    coverage.point("accumulator: rounding", ["exact", "down", "up", "tie down", "tie up", *near])
    coverage.point("accumulator: leading bit", ["falls far", "falls", "stays", "rises", "to zero"])
    coverage.point("accumulator: scale", ["zero", "subnormal", "normal", "largest", "infinite", "NaN"])
    coverage.point("accumulator: sum", ["lowest", "negative", "zero", "positive", "highest"])
    coverage.point("accumulator: planes", range(2, MOST + 1))
    coverage.point("accumulator: source stalls", STALLS)
    coverage.point("accumulator: sink stalls", STALLS)
    stalls = ("accumulator: source stalls", "accumulator: sink stalls")
    coverage.cross("accumulator: source & sink stalls", stalls)
    coverage.point("accumulator: reset", ["while adding", "while a result waits"])
    coverage.point("accumulator: configuration", [f"{P['output']}, slots {SLOTS}"])
    if HALF:
        coverage.point("accumulator: FP16 result", ["zero", "subnormal", "normal", "overflow"])
        coverage.point("accumulator: FP16 rounding", ["exact", "tie", "between"])


def leading(value: float) -> int:
    """Power of two of the leading bit."""
    return math.frexp(value)[1] - 1


def cover_group(group: Group) -> None:
    """Count what a group is like."""
    total, _, scale = group
    field, fraction = scale >> 10 & 31, scale & 0x3FF
    kind = "subnormal" if field == 0 else "normal"
    if field == 31:
        kind = "NaN" if fraction else "infinite"
    elif scale & 0x7FFF in (0, 0x7BFF):
        kind = "largest" if field else "zero"
    coverage.hit({"accumulator: scale": kind})
    ends = {SUMS.min: "lowest", 0: "zero", SUMS.max: "highest"}
    coverage.hit({"accumulator: sum": ends.get(total, "negative" if total < 0 else "positive")})


def cover_step(before: float, total: int, scale: float, unit: int, after: float) -> None:
    """Count what one addition is like."""
    product = math.ldexp(total * scale, unit)  # at most 51 bits: exact
    if before == 0.0 or product == 0.0:
        return
    signs = "equal" if (before < 0) == (product < 0) else "different"
    distance = leading(product) - leading(before)
    coverage.hit({"accumulator: alignment distance": distance, "accumulator: signs": signs})
    if after == 0.0:
        coverage.hit({"accumulator: leading bit": "to zero"})
        return
    moved = leading(after) - max(leading(before), leading(product))
    kind = "falls far" if moved < -1 else "falls" if moved < 0 else "stays" if moved == 0 else "rises"
    coverage.hit({"accumulator: leading bit": kind})
    coverage.hit({"accumulator: rounding": _rounding(before, product, after)})


def cover_half(value: float, overflow: bool) -> None:
    """Count what leaving as FP16 is like."""
    size = abs(value)
    kind = "zero" if size < 2.0**-25 else "subnormal" if size < 2.0**-14 else "normal"
    coverage.hit({"accumulator: FP16 result": "overflow" if overflow else kind})
    if not overflow:
        places = size * 2.0 ** (10 - max(leading(size), -14)) if size else 0.0
        part = places % 1
        coverage.hit(
            {"accumulator: FP16 rounding": "exact" if part == 0 else "tie" if part == 0.5 else "between"}
        )


def _rounding(before: float, product: float, after: float) -> str:
    """Which way the magnitude of a sum was rounded."""
    exact, got = abs(Fraction(before) + Fraction(product)), abs(Fraction(after))
    if got == exact:
        return "exact"
    direction = "down" if got < exact else "up"
    # Half a unit in the last place of the exact sum: the rounded one may have reached the next power of two.
    top = leading(after) - (got > exact and got.numerator & (got.numerator - 1) == 0)
    half = Fraction(2) ** (top - 24)
    short = half - abs(got - exact)
    if short == 0:
        return f"tie {direction}"
    if short > half / 64:
        return direction
    return "just below a tie" if direction == "down" else "just above a tie"
