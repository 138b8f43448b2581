"""No weights that keep an l1 budget make a register overflow: an argument in stages, for any number of lanes.

The weights of a tile are arbitrary levels `q`, the activations arbitrary integers from `mu` to `nu`, with 0
among them. Let `a` be the sum of the positive levels and `b` that of the magnitudes of the negative ones. A
register of `P` bits has the limit `L = 2^(P-1) - 1`, and the tile keeps its budget (Colbert et al., arXiv
2409.17092, for both signs at once) when

    upper = nu * a - mu * b <= L   and   lower = mu * a - nu * b >= -L.

1. `ProductBounds`: one product lies between the bounds that its level alone has.
2. `RunningBudget`: products between their bounds, added one after the other for as long as the budget allows:
   the register is exact after each, and stays between the bounds of the levels so far. So neither the order
   of the lanes nor their number matters.

The processing element adds lanes within a plane and planes one after the other:

3. `PlaneBudget`: a bit plane adds to each lane its level or nothing; so the sum of a plane lies from `-b` to
   `a`, for any number of lanes.
4. `PlaneBounds`: what such plane sums can come to, the first one subtracted, grows plane after plane up to
   exactly `lower..upper`. So every prefix is in the range of the final sum (contract, section 5).
5. `BudgetPlanes`: any plane sums from `-b` to `a`, most significant first, the first one repeated as often as
   one likes (activations that come in more planes than they need): the register is exact after every plane.

The same holds for any range in place of `-L..L`: that of a certificate, for any weights that keep it or for
those very weights. What a tile hands on lies in it; `sim.proofs.multistage` goes on from there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from amaranth.hdl import Assert, Assume, Const, Cover, Elaboratable, Module, Mux, Shape, Signal, Value, signed
from amaranth.hdl._ast import AnyConst

from golden.interval import Interval

from .theorem import Theorem

__all__ = [
    "BudgetPlanes",
    "Fault",
    "LeastFirst",
    "PlaneBounds",
    "PlaneBudget",
    "ProductBounds",
    "RunningBudget",
    "TileBudget",
    "budget_theorems",
]

#: What a twin does wrong. "narrow": the register lacks a bit. "loose": the budget allows one unit of weight
#: too many. "one-sided": it forgets what negative levels add to the upper end. "scant": it takes activations
#: to end one step earlier.
Fault = Literal["", "narrow", "loose", "one-sided", "scant"]


@dataclass(frozen=True)
class TileBudget:
    """What the weights of a tile may do: their worst cases stay in a range.

    Parameters
    ----------
    range : Interval
        `-L..L` for the budget of a register, or the range of a certificate.
    activation_bits : int
    activation_signed : bool
    level_bits : int
        Widest levels; narrower ones are among them.
    sums : tuple of pairs of int
        `a` and `b` of the weights that there are; empty for any weights.
    fault : str
    """

    range: Interval
    activation_bits: int = 8
    activation_signed: bool = True
    level_bits: int = 8
    sums: tuple[tuple[int, int], ...] = ()
    fault: Fault = ""

    @classmethod
    def of_register(
        cls, bits: int, activation_bits: int = 8, *, activation_signed: bool = True
    ) -> TileBudget:
        """The budget of a register of so many bits."""
        limit = (1 << (bits - 1)) - 1
        return cls(Interval(-limit, limit), activation_bits, activation_signed)

    @property
    def register_bits(self) -> int:
        """`P`."""
        return self.range.hull(Interval(-1, 0)).bits

    @property
    def built_bits(self) -> int:
        """Width of the register in the proof."""
        return self.register_bits - (self.fault == "narrow")

    @property
    def activations(self) -> Interval:
        """`mu..nu`."""
        return Interval.of_bits(self.activation_bits, self.activation_signed)

    @property
    def highest(self) -> int:
        """The highest sum that weights in the range can reach."""
        if self.sums:
            return max(self.activations.max * a - self.activations.min * b for a, b in self.sums)
        mu, nu = self.activations.min, self.activations.max
        found = 0
        for b in range(-self.range.min // nu + 1):
            a = (self.range.max + mu * b) // nu
            if mu < 0:
                a = min(a, (self.range.min + nu * b) // mu)
            found = max(found, nu * a - mu * b if a >= 0 else 0)
        return found

    @property
    def loose_range(self) -> Interval:
        """A range for one unit of weight more."""
        return self.range + Interval(-self.activations.max, self.activations.max)

    @property
    def planes(self) -> int:
        """Planes of an activation, with a top plane of zeros for unsigned ones, which changes nothing."""
        return self.activation_bits + (not self.activation_signed)

    @property
    def sum_bits(self) -> int:
        """Width of `a` and `b`, which the range bounds both, also a loose one."""
        return (max(self.range.max, -self.range.min) // self.activations.max + 1).bit_length()

    def upper(self, a: Value, b: Value, planes: int | None = None) -> Value:
        """The largest sum of levels that sum up to `a` and `-b`, after so many planes; None: after all.

        `nu * a - mu * b` with `nu = 2^(n-1) - 1` and `mu = -2^(n-1)`, for `n` planes of signed activations.
        """
        n = planes or self.planes
        first = b if self.activation_signed and self.fault != "one-sided" else Const(0)
        largest = ((a + first) << (n - 1)) - a
        return largest - a if self.fault == "scant" else largest

    def lower(self, a: Value, b: Value, planes: int | None = None) -> Value:
        """The smallest sum of such levels, `mu * a - nu * b`."""
        return -self.upper(b, a, planes)

    def allows(self, upper: Value, lower: Value) -> Value:
        """Whether such bounds are within the range."""
        allowed = self.loose_range if self.fault == "loose" else self.range
        return (upper <= allowed.max) & (lower >= allowed.min)

    def kept(self, a: Value, b: Value) -> Value:
        """Whether such levels keep the budget."""
        return self.allows(self.upper(a, b), self.lower(a, b))

    def __str__(self) -> str:
        span = self.range
        kind = "s" if self.activation_signed else "u"
        name = f"P{self.register_bits}" if span == -span else f"{span.min}..{span.max}"
        return f"{name} {kind}{self.activation_bits}"


class _Stage(Elaboratable):
    """A stage of the argument for one budget."""

    def __init__(self, budget: TileBudget):
        self.budget = budget

    @abstractmethod
    def ports(self) -> list[Value]:
        """What is free."""


class ProductBounds(_Stage):
    """Stage 1: any level times any activation."""

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.level = Signal(signed(budget.level_bits))
        self.activation = Signal(Shape(budget.activation_bits, budget.activation_signed))

    def ports(self) -> list[Value]:
        """What is free."""
        return [self.level, self.activation]

    def elaborate(self, platform: object) -> Module:
        """The product and its bounds."""
        m = Module()
        a, b = _parts(self.level)
        product = Signal(signed(self.budget.level_bits + self.budget.activation_bits + 1))
        m.d.comb += [
            product.eq(self.level * self.activation),
            Assert(_between(self.budget, product, a, b), "a product stays between its bounds"),
        ]
        return m


class RunningBudget(_Stage):
    """Stage 2: a register that adds one product a cycle."""

    def __init__(self, budget: TileBudget):
        super().__init__(budget)
        self.level = Signal(signed(budget.level_bits))
        self.product = Signal(signed(budget.level_bits + budget.activation_bits + 1))
        self.restart = Signal()

    def ports(self) -> list[Value]:
        """What is free: a level and a product a cycle, and when the next tile begins."""
        return [self.level, self.product, self.restart]

    def elaborate(self, platform: object) -> Module:
        """The register, next to one that is wide for certain, and the bounds of the levels so far."""
        m = Module()
        budget, right = self.budget, replace(self.budget, fault="")
        shape = signed(budget.register_bits + budget.level_bits + budget.activation_bits)
        register = Signal(signed(budget.built_bits))
        exact, upper, lower = Signal(shape), Signal(shape), Signal(shape)
        a, b = _parts(self.level)
        highest, lowest = Signal(shape), Signal(shape)
        m.d.comb += [
            highest.eq(upper + budget.upper(a, b)),
            lowest.eq(lower + budget.lower(a, b)),
            Assume(budget.allows(highest, lowest), "the tile keeps its budget"),
            Assume(_between(right, self.product, a, b), "the product stays between its bounds"),
            Assert(register == exact, "the register is exact"),
        ]
        m.d.sync += [
            upper.eq(highest),
            lower.eq(lowest),
            register.eq(register + self.product),
            exact.eq(exact + self.product),
        ]
        with m.If(self.restart):
            m.d.sync += [upper.eq(0), lower.eq(0), register.eq(0), exact.eq(0)]
        if not budget.fault:
            m.d.comb += [
                Assert(budget.allows(upper, lower), "the levels so far keep the budget"),
                Assert((exact <= upper) & (exact >= lower), "the sum stays between its bounds"),
                Assert(budget.allows(exact, exact), "the sum stays in the range"),
                Cover(exact == budget.highest, "the highest sum is reached"),
            ]
        return m


class PlaneBudget(_Stage):
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
        plus, minus = _parts(self.level)
        m.d.comb += [
            Assume(budget.kept(a + plus, b + minus), "the tile keeps its budget"),
            Assert((plane <= a) & (plane >= lowest), "a plane sum stays between its bounds"),
            Assert(budget.kept(a, b), "the levels so far keep the budget"),
        ]
        m.d.sync += [a.eq(a + plus), b.eq(b + minus), plane.eq(plane + Mux(self.bit, self.level, 0))]
        return m


class PlaneBounds(_Stage):
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


class BudgetPlanes(_Stage):
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


class LeastFirst(_Stage):
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


def _parts(level: Signal) -> tuple[Value, Value]:
    """What a level adds to `a` and to `b`."""
    return Mux(level > 0, level, 0).as_unsigned(), Mux(level < 0, -level, 0).as_unsigned()


def _between(budget: TileBudget, value: Value, a: Value, b: Value) -> Value:
    return (value <= budget.upper(a, b)) & (value >= budget.lower(a, b))


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


#: The stages: short name, what it states, its module, cycles that reach every assertion and cover.
_STAGES: tuple[tuple[str, str, type[_Stage], int], ...] = (
    ("product", "A product lies between the bounds that its level alone has.", ProductBounds, 1),
    (
        "running",
        "Products of levels that keep the budget never overflow, in any order, however many there are.",
        RunningBudget,
        6,
    ),
    ("plane", "The sum of a plane lies between the sums of the levels of either sign.", PlaneBudget, 3),
    ("bounds", "Plane after plane the bounds grow, and end at the budget.", PlaneBounds, 1),
    (
        "planes",
        "Plane after plane, the top one repeated or not, the register never overflows.",
        BudgetPlanes,
        12,
    ),
)

#: The twins: stage, fault, what it says, and cycles that show it.
_TWINS: tuple[tuple[str, Fault, str, int], ...] = (
    ("product", "one-sided", "Without what negative levels add, the bounds of a product do not hold.", 1),
    ("product", "scant", "Without the largest activation the bounds of a product do not hold.", 1),
    ("running", "narrow", "A register with one bit less overflows.", 6),
    ("running", "loose", "A budget of one unit of weight more overflows.", 7),
    ("running", "one-sided", "A budget that forgets the negative levels overflows.", 7),
    ("plane", "one-sided", "A plane sum may be negative.", 3),
    ("bounds", "one-sided", "The bounds end at the budget only with what the negative levels add.", 1),
    ("bounds", "scant", "The bounds end at the budget only with the largest activation.", 1),
    ("planes", "narrow", "A register with one bit less overflows.", 11),
    ("planes", "loose", "A budget of one unit of weight more overflows.", 11),
)


def budget_theorems(budget: TileBudget, *, planes_only: bool = False) -> list[Theorem]:
    """The stages for one budget, each followed by its twins.

    A twin with a loose budget needs a range that fills its register, one about what negative levels add needs
    signed activations.

    Parameters
    ----------
    budget : TileBudget
    planes_only : bool
        What is about the processing element alone: stages 3 to 5.
    """

    def make(design: type[_Stage], fault: Fault) -> tuple[Elaboratable, list[Value]]:
        module = design(replace(budget, fault=fault))
        return module, module.ports()

    register = Interval.of_bits(budget.register_bits, signed=True)
    hidden = {"loose"} if register.contains(budget.loose_range) else set()
    theorems = []
    for stage, statement, design, reach in _STAGES:
        if planes_only and design in (ProductBounds, RunningBudget):
            continue
        name = f"budget {stage} {budget}"
        theorems.append(Theorem(name, statement, partial(make, design, ""), 1, reach=reach))
        for twin, fault, refuted, depth in _TWINS:
            # Unsigned activations add nothing on the other side; yet their plane sums can be negative.
            other_side = fault == "one-sided" and not budget.activation_signed and twin != "plane"
            if twin == stage and fault not in hidden and not other_side:
                theorems.append(_twin(name, fault, refuted, partial(make, design, fault), depth))
    if budget.activation_signed:
        refuted = "With the least significant plane first, sums on the way overflow."
        name = f"budget planes {budget}"
        depth = budget.planes + 3
        theorems.append(_twin(name, "least-first", refuted, partial(make, LeastFirst, ""), depth))
    return theorems


def _twin(
    name: str, fault: str, statement: str, design: Callable[[], tuple[Elaboratable, list[Value]]], depth: int
) -> Theorem:
    return Theorem(f"{name} {fault}", statement, design, depth, mode="bmc", expected="failed", twin_of=name)
