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
from dataclasses import dataclass, replace
from typing import Literal

from amaranth.hdl import Assert, Assume, Const, Cover, Elaboratable, Module, Mux, Shape, Signal, Value, signed

from golden.interval import Interval

__all__ = [
    "BudgetStage",
    "Fault",
    "ProductBounds",
    "RunningBudget",
    "TileBudget",
    "between",
    "parts",
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
    def additions(self) -> int:
        """How many products it takes to reach any sum in the range, at most."""
        product = self.activations.max * ((1 << (self.level_bits - 1)) - 1)
        return -(-max(self.loose_range.max, -self.loose_range.min) // product)

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


class BudgetStage(Elaboratable):
    """A stage of the argument for one budget."""

    def __init__(self, budget: TileBudget):
        self.budget = budget

    @abstractmethod
    def ports(self) -> list[Value]:
        """What is free."""


class ProductBounds(BudgetStage):
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
        a, b = parts(self.level)
        product = Signal(signed(self.budget.level_bits + self.budget.activation_bits + 1))
        m.d.comb += [
            product.eq(self.level * self.activation),
            Assert(between(self.budget, product, a, b), "a product stays between its bounds"),
        ]
        return m


class RunningBudget(BudgetStage):
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
        a, b = parts(self.level)
        highest, lowest = Signal(shape), Signal(shape)
        m.d.comb += [
            highest.eq(upper + budget.upper(a, b)),
            lowest.eq(lower + budget.lower(a, b)),
            Assume(budget.allows(highest, lowest), "the tile keeps its budget"),
            Assume(between(right, self.product, a, b), "the product stays between its bounds"),
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


def parts(level: Signal) -> tuple[Value, Value]:
    """What a level adds to `a` and to `b`."""
    return Mux(level > 0, level, 0).as_unsigned(), Mux(level < 0, -level, 0).as_unsigned()


def between(budget: TileBudget, value: Value, a: Value, b: Value) -> Value:
    """Whether `value` lies between the bounds of such levels."""
    return (value <= budget.upper(a, b)) & (value >= budget.lower(a, b))
