"""The accumulator of the processing element never overflows: the argument in stages, for any number of lanes.

A proof over all lanes at once does not scale beyond some sixteen. So the sum over the lanes is cut off and
replaced by what is known of it. Weight levels have `k` bits, `h = 2^(k-1)`, and stay as they are for a group.
Let `a` be the number of lanes whose level is not negative.

1. `LaneBounds`: whatever its bit, such a lane adds a number from 0 to `h - 1`, any other one from `-h` to
0. 2. `NextLane`: these bounds add up over the lanes. So a plane sum lies from `-h * (lanes - a)` to `(h -
1) * a`,
   with one `a` for all planes of a group.
3. `PlaneAccumulator`: any plane sums in such an interval, any `a`, and any number of planes up to the
largest: the
   accumulator is the exact sum after every plane, and every prefix lies in the range of the final sum
   (contract, section 5).

Under sign-magnitude a lane's sign is set against its level first, which makes it a number from `-h` to `h`;
so the bounds are 0 to `h` and `-h` to 0. Of unsigned activations no plane is subtracted.

An element of a certified range has theorems of its own, see `sim.proofs.budget`.

Several planes a cycle are several of these steps in one: the accumulator then skips values that are proved
to fit. Planes padded at the front repeat the sign and change no value.
"""

from __future__ import annotations

from functools import partial

from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from hdl.pe import PeParameters

from .theorem import Theorem

__all__ = ["LaneBounds", "NextLane", "PlaneAccumulator", "lane_theorems"]


class _Bounds:
    """What lanes can add to a plane, from the number of those whose level is not negative."""

    def __init__(self, parameters: PeParameters, *, tight: bool = False):
        self.twos_complement = parameters.encoding == "twos-complement"
        self.low = 1 << (parameters.level_bits - 1)
        # A twin takes the highest level for one less.
        self.high = self.low - self.twos_complement - tight

    def contain(self, value: Value, lanes: Value | int, positive: Value) -> Value:
        """Whether `value` is possible as the sum of so many lanes."""
        return (value <= self.high * positive) & (value >= self.low * (positive - lanes))


class LaneBounds(Elaboratable):
    """Stage 1: one lane."""

    def __init__(self, parameters: PeParameters, *, tight: bool = False):
        self.bounds = _Bounds(parameters, tight=tight)
        self.level = Signal(signed(parameters.level_bits))
        self.sign = Signal()
        self.bit = Signal()

    def elaborate(self, platform: object) -> Module:
        """What a lane adds, and its bounds."""
        m = Module()
        level = Signal(signed(len(self.level) + 1))
        negated = Mux(self.sign, -self.level, self.level)
        m.d.comb += level.eq(self.level if self.bounds.twos_complement else negated)
        added = Mux(self.bit, level, 0)
        m.d.comb += Assert(self.bounds.contain(added, 1, level >= 0), "a lane stays between its bounds")
        return m


class NextLane(Elaboratable):
    """Stage 2: a sum over some of the lanes, and one lane more."""

    def __init__(self, parameters: PeParameters, *, tight: bool = False):
        self.lane_bounds = _Bounds(parameters)
        self.bounds = _Bounds(parameters, tight=tight)
        self.most = parameters.lanes
        bits = parameters.lanes.bit_length()
        self.sum = Signal(signed(parameters.level_bits + bits))
        self.lanes = Signal(bits)
        self.positive = Signal(bits)
        self.lane = Signal(signed(parameters.level_bits + 1))
        self.lane_positive = Signal()

    def elaborate(self, platform: object) -> Module:
        """Bounds before, bounds after."""
        m = Module()
        total, lanes = self.sum + self.lane, self.lanes + 1
        positive = self.positive + self.lane_positive
        m.d.comb += [
            Assume(self.positive <= self.lanes, "at most all lanes are not negative"),
            Assume(self.lanes < self.most, "there is one lane more"),
            Assume(
                self.bounds.contain(self.sum, self.lanes, self.positive), "the sum stays between its bounds"
            ),
            Assume(
                self.lane_bounds.contain(self.lane, 1, self.lane_positive),
                "the lane stays between its bounds",
            ),
            Assert(self.bounds.contain(total, lanes, positive), "their sum stays between its bounds"),
            Cover((lanes == self.most) & (total == -self.bounds.low * self.most), "the lowest sum"),
        ]
        return m


class PlaneAccumulator(Elaboratable):
    """Stage 3: the accumulator over the planes of a group, the plane sums free between their bounds.

    Parameters
    ----------
    parameters : PeParameters
    bits : int or None
        Width of the accumulator; None takes that of the element.
    """

    def __init__(self, parameters: PeParameters, bits: int | None = None):
        self.parameters = parameters
        self.bits = bits or parameters.sum_bits
        self.plane_sum = Signal(signed(parameters.level_bits + parameters.lanes.bit_length()))
        self.last = Signal()

    def elaborate(self, platform: object) -> Module:
        """The accumulator as built, next to one that is wide for certain."""
        m = Module()
        p = self.parameters
        bounds = _Bounds(p)
        most = p.max_planes if bounds.twos_complement else p.max_planes - 1
        planes = Signal(range(most + 1))
        accumulator = Signal(signed(self.bits))
        exact = Signal(signed(p.sum_range.bits + 3))
        positive = Signal(range(p.lanes + 1))
        m.d.comb += [
            positive.eq(AnyConst(len(positive))),
            Assume(positive <= p.lanes, "at most all lanes are not negative"),
            Assume(bounds.contain(self.plane_sum, p.lanes, positive), "a plane sum stays between its bounds"),
        ]
        first = planes == 0
        added = Mux(first, -self.plane_sum, self.plane_sum) if p.first_is_subtracted else self.plane_sum
        with m.If(planes != most):
            m.d.sync += [
                accumulator.eq(Mux(first, 0, accumulator << 1) + added),
                exact.eq(Mux(first, 0, exact << 1) + added),
                planes.eq(planes + 1),
            ]
        with m.If((planes == most) | self.last):
            m.d.sync += planes.eq(0)

        with m.If(planes != 0):
            m.d.comb += Assert(accumulator == exact, "the accumulator is exact")
        if self.bits >= p.exact_bits:
            self._carry_induction(m, planes, exact, positive)
            m.d.comb += Cover((planes == most) & (exact == p.sum_range.max), "the largest sum is reached")
        return m

    def _carry_induction(self, m: Module, planes: Signal, exact: Signal, positive: Signal) -> None:
        """What holds after each plane; a twin that is too narrow must fail without these."""
        p = self.parameters
        most = p.max_planes if p.encoding == "twos-complement" else p.max_planes - 1
        m.d.comb += Assert(planes <= most, "no more planes than the most")
        with m.Switch(planes):
            for n in range(1, most + 1):
                with m.Case(n):
                    lower, upper = self._after(n, _Bounds(p), positive)
                    m.d.comb += Assert((exact >= lower) & (exact <= upper), f"bounds after {n} planes")
        with m.If(planes != 0):
            in_range = (exact >= p.sum_range.min) & (exact <= p.sum_range.max)
            m.d.comb += Assert(in_range, "every prefix is in the range of the sum")

    def _after(self, n: int, bounds: _Bounds, positive: Value) -> tuple[Value, Value]:
        """Where the exact sum lies after `n` planes; this carries the induction.

        The first plane of two's complement counts `-2^(n-1)` by then, all others together `2^(n-1) - 1`.
        """
        down, up = bounds.low * (self.parameters.lanes - positive), bounds.high * positive
        if self.parameters.first_is_subtracted:
            first, others = 1 << (n - 1), (1 << (n - 1)) - 1
            return -(up * first) - down * others, down * first + up * others
        return -(down * ((1 << n) - 1)), up * ((1 << n) - 1)


def lane_theorems(parameters: PeParameters) -> list[Theorem]:
    """The three stages for one configuration, and the twin that is one bit too narrow."""
    p = parameters
    if p.certified is not None:
        raise ValueError("these theorems are about any weights, not about those of a certificate")
    kind = "un" if p.activations == "unsigned" else "tc" if p.encoding == "twos-complement" else "sm"
    shape = f"{p.lanes}x{p.level_bits} {kind}{p.max_planes}"

    def lane(tight: bool) -> tuple[Elaboratable, list[Value]]:
        design = LaneBounds(p, tight=tight)
        return design, [design.level, design.sign, design.bit]

    def next_lane(tight: bool) -> tuple[Elaboratable, list[Value]]:
        design = NextLane(p, tight=tight)
        return design, [design.sum, design.lanes, design.positive, design.lane, design.lane_positive]

    def planes(bits: int) -> tuple[Elaboratable, list[Value]]:
        design = PlaneAccumulator(p, bits)
        return design, [design.plane_sum, design.last]

    length = p.max_planes + 2
    exact = p.exact_bits
    return [
        Theorem(
            f"lane {shape}",
            "Whatever its bit and level, a lane stays between its bounds.",
            partial(lane, False),
            1,
        ),
        Theorem(
            f"lane {shape} tight",
            "Bounds without the highest level do not hold.",
            partial(lane, True),
            1,
            mode="bmc",
            expected="failed",
            twin_of=f"lane {shape}",
        ),
        Theorem(
            f"next lane {shape}",
            "The bounds of a plane sum hold for one lane more.",
            partial(next_lane, False),
            1,
        ),
        Theorem(
            f"next lane {shape} tight",
            "Bounds without the highest level do not hold for one lane more.",
            partial(next_lane, True),
            1,
            mode="bmc",
            expected="failed",
            twin_of=f"next lane {shape}",
        ),
        Theorem(
            f"planes {shape} a{p.sum_bits}",
            f"{p.sum_bits} bits never overflow, for any weights and any planes; every prefix is in range.",
            lambda: planes(p.sum_bits),
            1,
            reach=length,
        ),
        Theorem(
            f"planes {shape} a{exact - 1}",
            f"{exact - 1} bits, one less than the range of the sum, overflow.",
            lambda: planes(exact - 1),
            length,
            mode="bmc",
            expected="failed",
            twin_of=f"planes {shape} a{p.sum_bits}",
        ),
    ]
