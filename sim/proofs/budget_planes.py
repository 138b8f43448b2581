"""The l1 budget in the processing element: lanes within a plane, and planes one after the other.

Stages 3 to 5 of the argument that `sim.proofs.budget` begins.
"""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from .budget import BudgetStage, TileBudget, parts

__all__ = ["BudgetPlanes", "LeastFirst", "PlaneBounds", "PlaneBudget"]


class PlaneBudget(BudgetStage):
    """Stage 3: the sum of a plane, lane after lane."""

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.level = Signal(signed(budget.level_bits))
        self.bit = Signal()

    def ports(self) -> list[Value]:
        """What is free: a level and a bit a cycle."""
        return [self.level, self.bit]

    def elaborate(self, platform: object) -> Module:
        """The sum over the lanes so far, and what their levels say about it."""
        m = Module()
        budget = self.budget
        a, b = Signal(budget.sum_bits), Signal(budget.sum_bits)
        plane = Signal(signed(budget.sum_bits + 2))
        lowest = 0 if budget.fault == "one-sided" else -b
        plus, minus = parts(self.level)
        m.d.comb += [
            Assume(budget.kept(a + plus, b + minus), "the tile keeps its budget"),
            Assert((plane <= a) & (plane >= lowest), "a plane sum stays between its bounds"),
            Assert(budget.kept(a, b), "the levels so far keep the budget"),
        ]
        m.d.sync += [a.eq(a + plus), b.eq(b + minus), plane.eq(plane + Mux(self.bit, self.level, 0))]
        return m


class PlaneBounds(BudgetStage):
    """Stage 4: what plane sums from `-b` to `a` can come to, plane after plane.

    The first plane is subtracted, which gives up to `b`, and each further one doubles what there is and adds
    up to `a`. The lower bound is the same with `a` and `b` exchanged.
    """

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.a, self.b = Signal(budget.sum_bits), Signal(budget.sum_bits)

    def ports(self) -> list[Value]:
        """What is free: both sums of levels."""
        return [self.a, self.b]

    def elaborate(self, platform: object) -> Module:
        """One bound and the next."""
        m = Module()
        budget, a, b = self.budget, self.a, self.b
        first = b if budget.activation_signed else 0
        m.d.comb += Assert(budget.upper(a, b, 1) == first, "the first plane gives the first bound")
        for n in range(1, budget.planes):
            bound, following = budget.upper(a, b, n), budget.upper(a, b, n + 1)
            m.d.comb += [
                Assert((bound << 1) + a == following, f"plane {n + 1} gives the next bound"),
                Assert(bound <= following, f"plane {n + 1} never takes from the bound"),
            ]
        span = budget.activations
        m.d.comb += Assert(budget.upper(a, b) == span.max * a - span.min * b, "the last bound is the budget")
        return m


class BudgetPlanes(BudgetStage):
    """Stage 5: the register over the planes of a group, the plane sums free between their bounds."""

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.plane_sum = Signal(signed(budget.sum_bits + 2))
        self.again = Signal()
        self.last = Signal()

    def ports(self) -> list[Value]:
        """What is free: plane sums, whether the first plane is repeated, whether a group ends."""
        return [self.plane_sum, self.again, self.last]

    def elaborate(self, platform: object) -> Module:
        """The register, next to one that is wide for certain, and the bounds after the planes so far."""
        m = Module()
        budget = self.budget
        a, b = _any_levels(m, budget)
        opened, opening = Signal(), Signal()
        shape = signed(budget.register_bits + budget.activation_bits + 3)
        register = Signal(signed(budget.built_bits))
        exact, up, down, next_up, next_down = (
            Signal(shape, name=name) for name in ("exact", "up", "down", "next_up", "next_down")
        )
        top = Signal.like(self.plane_sum)
        repeated = opening & self.again
        m.d.comb += [
            Assume((self.plane_sum <= a) & (self.plane_sum >= -b), "a plane sum stays between its bounds"),
            Assume(~repeated | (self.plane_sum == top), "a repeated plane is the first one again"),
            next_up.eq(Mux(opened, (up << 1) + a, b if budget.activation_signed else 0)),
            next_down.eq(Mux(opened, (down << 1) + b, a if budget.activation_signed else 0)),
            Assume(repeated | budget.allows(next_up, -next_down), "the tile keeps its budget"),
        ]
        if not budget.activation_signed:
            m.d.comb += Assume(opened | (self.plane_sum == 0), "the top plane of unsigned numbers is zero")
        added = Mux(opened, self.plane_sum, -self.plane_sum)
        m.d.sync += [
            register.eq(Mux(opened, register << 1, 0) + added),
            exact.eq(Mux(opened, exact << 1, 0) + added),
            opening.eq(~opened | repeated),
            opened.eq(1),
        ]
        with m.If(~repeated):
            m.d.sync += [up.eq(next_up), down.eq(next_down)]
        with m.If(~opened):
            m.d.sync += top.eq(self.plane_sum)
        with m.If(self.last):
            m.d.sync += [opened.eq(0), opening.eq(0)]
        m.d.comb += Assert(register == exact, "the register is exact after every plane")
        if not budget.fault:
            m.d.comb += [
                Assert((exact <= up) & (exact >= -down), "the sum stays between its bounds"),
                Assert(budget.allows(up, -down), "the bounds keep the budget"),
                Cover(exact == budget.highest, "the highest sum is reached"),
            ]
            with m.If(opening):
                once = (exact == -top) & (-top <= up) & (-top >= -down)
                m.d.comb += Assert(once & opened, "the first plane counts once, however often it comes")
        return m


class LeastFirst(BudgetStage):
    """A twin of stage 5 that takes the least significant plane first: `acc <- acc + plane * 2^n`.

    Activations come in two planes more than they need, so the last three planes are equal. The final sum is
    right, but the way to it leaves the range.
    """

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.plane_sum = Signal(signed(budget.sum_bits + 2))

    def ports(self) -> list[Value]:
        """What is free: plane sums."""
        return [self.plane_sum]

    def elaborate(self, platform: object) -> Module:
        """The register, next to one that is wide for certain."""
        m = Module()
        budget = self.budget
        a, b = _any_levels(m, budget)
        most = budget.planes + 2
        planes = Signal(range(most + 1))
        register = Signal(signed(budget.built_bits))
        exact = Signal(signed(budget.register_bits + 6))
        before = Signal.like(self.plane_sum)
        repeats = (planes >= budget.planes) & (planes < most)
        m.d.comb += [
            Assume(budget.kept(a, b), "the tile keeps its budget"),
            Assume((self.plane_sum <= a) & (self.plane_sum >= -b), "a plane sum stays between its bounds"),
            Assume(~repeats | (self.plane_sum == before), "the top planes are equal"),
        ]
        shifted = self.plane_sum << planes
        added = Mux(planes == most - 1, -shifted, shifted)
        with m.If(planes != most):
            m.d.sync += [
                register.eq(register + added),
                exact.eq(exact + added),
                planes.eq(planes + 1),
                before.eq(self.plane_sum),
            ]
        m.d.comb += Assert(register == exact, "the register is exact after every plane")
        return m


def _any_levels(m: Module, budget: TileBudget) -> tuple[Signal, Signal]:
    """The sums `a` and `b` of any tile, or of any of those there are."""
    a, b = Signal(budget.sum_bits, name="a"), Signal(budget.sum_bits, name="b")
    if not budget.sums:
        m.d.comb += [a.eq(AnyConst(len(a))), b.eq(AnyConst(len(b)))]
        return a, b
    which = Signal(range(len(budget.sums)), name="group")
    m.d.comb += [
        which.eq(AnyConst(len(which))),
        Assume(which < len(budget.sums), "there is such a group"),
    ]
    with m.Switch(which):
        for n, (positive, negative) in enumerate(budget.sums):
            with m.Case(n):
                m.d.comb += [a.eq(positive), b.eq(negative)]
    return a, b
