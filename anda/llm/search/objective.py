"""What a search makes small: bit operations, cycles, memory traffic or energy of the activations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from anda.llm.search.space import Lengths, Space, Variable

__all__ = ["Energy", "Goal", "Objective"]

Goal = Literal["bops", "cycles", "traffic", "energy"]

FP16_BITS = 16
WEIGHT_BITS = 4


@dataclass(frozen=True)
class Energy:
    """A simple model: every plane of a group costs something in the element, every stored bit in memory.

    The defaults follow from the Anda paper (arXiv 2411.15982): 54.34 mW of 256 elements at 285 MHz is
    0.745 pJ for an element and cycle (table III), an FP16 element draws 1/0.1991 of that (figure 15) for
    the 16 cycles that it takes for 64 products, and HBM2 takes 3.9 pJ for a bit. Weights, outputs and
    on-chip buffers are not counted: lengths change little of them.

    Attributes
    ----------
    plane_pj : float
        pJ for one plane of one group in one element.
    fp16_group_pj : float
        pJ for the same group in an FP16 element.
    bit_pj : float
        pJ to move one bit to or from memory.
    transfers : int
        How often an activation moves: written once, read once.
    """

    plane_pj: float = 0.745
    fp16_group_pj: float = 59.9
    bit_pj: float = 3.9
    transfers: int = 2


@dataclass(frozen=True)
class Objective:
    """The cost of lengths, for one token, and what is saved against FP16 activations.

    | goal      | cost of a projection input            | of FP16                   |
    |-----------|---------------------------------------|---------------------------|
    | `bops`    | products x length x 4                 | products x 64 (published) |
    | `cycles`  | group products x planes               | group products x 16       |
    | `traffic` | groups x (lanes x planes + 5) bits    | elements x 16 bits        |
    | `energy`  | cycles and traffic by `Energy`, in pJ |                           |

    A length is M or P and `planes` M + 1 or P (`Space`). The published bit operations leave the sign plane
    out. A group product is that of one group and one output channel: the FP16 element that all ratios are
    against takes 16 cycles for it.

    Parameters
    ----------
    goal : str
    space : Space
    energy : Energy
        Only for the goal `energy`.

    Raises
    ------
    ValueError
        When there is no such goal.
    """

    goal: Goal
    space: Space
    energy: Energy = Energy()

    def __post_init__(self) -> None:
        if self.goal not in get_args(Goal):
            raise ValueError(f"the objective should be {', '.join(get_args(Goal))}, not {self.goal!r}")

    def of(self, variable: Variable, length: int) -> Fraction:
        """Cost of one variable, exact."""
        planes = self.space.planes(length)
        groups = -(-variable.inputs // self.space.group) * variable.count
        cycles = groups * variable.outputs * planes
        bits = groups * (self.space.group * planes + 5)
        match self.goal:
            case "bops":
                return Fraction(variable.macs * length * WEIGHT_BITS)
            case "cycles":
                return Fraction(cycles)
            case "traffic":
                return Fraction(bits)
            case "energy":
                return self._energy(cycles, self.energy.plane_pj, bits)

    def cost(self, lengths: Lengths) -> Fraction:
        """Cost of all variables, exact, so that equal costs are equal.

        Raises
        ------
        ValueError
            When a variable is in floating point or the lengths are not as many as the variables.
        """
        total = Fraction(0)
        for variable, length in zip(self.space.variables, lengths, strict=True):
            if length is None:
                raise ValueError(f"a cost needs the length of every variable, but {variable.name} has none")
            total += self.of(variable, length)
        return total

    def saving(self, lengths: Lengths) -> float:
        """How many times less than with FP16 activations."""
        return float(sum(map(self._fp16, self.space.variables), Fraction(0)) / self.cost(lengths))

    def as_dict(self) -> dict[str, Any]:
        """The goal, and the parameters of the energy model when it is the goal."""
        return {"goal": self.goal, **({"energy": asdict(self.energy)} if self.goal == "energy" else {})}

    def _fp16(self, variable: Variable) -> Fraction:
        groups = -(-variable.inputs // self.space.group) * variable.count * variable.outputs
        bits = variable.elements * FP16_BITS
        match self.goal:
            case "bops":
                return Fraction(variable.macs * FP16_BITS * WEIGHT_BITS)
            case "cycles":
                return Fraction(groups * FP16_BITS)
            case "traffic":
                return Fraction(bits)
            case "energy":
                return self._energy(groups, self.energy.fp16_group_pj, bits)

    def _energy(self, events: int, event_pj: float, bits: int) -> Fraction:
        moved = bits * self.energy.transfers
        return events * Fraction(str(event_pj)) + moved * Fraction(str(self.energy.bit_pj))
