"""The theorems about l1 budgets, and their twins."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from amaranth.hdl import Elaboratable, Value

from golden.interval import Interval

from .budget import BudgetStage, Fault, ProductBounds, RunningBudget, TileBudget
from .budget_planes import BudgetPlanes, LeastFirst, PlaneBounds, PlaneBudget
from .theorem import Theorem

__all__ = ["budget_theorems"]

#: The stages: short name, what it states, and its module.
_STAGES: tuple[tuple[str, str, type[BudgetStage]], ...] = (
    ("product", "A product lies between the bounds that its level alone has.", ProductBounds),
    (
        "running",
        "Products of levels that keep the budget never overflow, in any order, however many there are.",
        RunningBudget,
    ),
    ("plane", "The sum of a plane lies between the sums of the levels of either sign.", PlaneBudget),
    ("bounds", "Plane after plane the bounds grow, and end at the budget.", PlaneBounds),
    (
        "planes",
        "Plane after plane, the top one repeated or not, the register never overflows.",
        BudgetPlanes,
    ),
)

#: The twins: stage, fault, and what it says.
_TWINS: tuple[tuple[str, Fault, str], ...] = (
    ("product", "one-sided", "Without what negative levels add, the bounds of a product do not hold."),
    ("product", "scant", "Without the largest activation the bounds of a product do not hold."),
    ("running", "narrow", "A register with one bit less overflows."),
    ("running", "loose", "A budget of one unit of weight more overflows."),
    ("running", "one-sided", "A budget that forgets the negative levels overflows."),
    ("plane", "one-sided", "A plane sum may be negative."),
    ("bounds", "one-sided", "The bounds end at the budget only with what the negative levels add."),
    ("bounds", "scant", "The bounds end at the budget only with the largest activation."),
    ("planes", "narrow", "A register with one bit less overflows."),
    ("planes", "loose", "A budget of one unit of weight more overflows."),
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

    def make(design: type[BudgetStage], fault: Fault) -> tuple[Elaboratable, list[Value]]:
        module = design(replace(budget, fault=fault))
        return module, module.ports()

    register = Interval.of_bits(budget.register_bits, signed=True)
    hidden = {"loose"} if register.contains(budget.loose_range) else set()
    # The limit is reached by products of one sign, and one or two more that hit it; by all planes.
    cycles = {"running": budget.additions + 3, "planes": budget.planes + 3}
    theorems = []
    for stage, statement, design in _STAGES:
        if planes_only and design in (ProductBounds, RunningBudget):
            continue
        name = f"budget {stage} {budget}"
        reach = cycles.get(stage, 3)
        theorem = Theorem(name, statement, partial(make, design, ""), 1, reach=reach)
        theorems.append(theorem)
        for twin, fault, refuted in _TWINS:
            # Unsigned activations add nothing on the other side; yet their plane sums can be negative.
            other_side = fault == "one-sided" and not budget.activation_signed and twin != "plane"
            if twin == stage and fault not in hidden and not other_side:
                theorems.append(theorem.twin(fault, refuted, partial(make, design, fault)))
        if design is BudgetPlanes and budget.activation_signed:
            refuted = "With the least significant plane first, sums on the way overflow."
            theorems.append(theorem.twin("least-first", refuted, partial(make, LeastFirst, "")))
    return theorems
