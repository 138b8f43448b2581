"""What shapes a binary element, and the exact range of its sums (contract, sections 7 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from golden.binary_order import Rate
from golden.interval import Interval

from .exact_sum import ExactSum
from .heap import AdderCells

__all__ = ["BinaryParameters", "Signs"]

Signs = Literal["unsigned", "signed", "either"]


@dataclass(frozen=True, kw_only=True)
class BinaryParameters(ExactSum):
    """Everything that shapes a binary element.

    Parameters
    ----------
    lanes : int
        Elements along K that are multiplied in one cycle, 1 to 256.
    activation_planes, weight_planes : int
        The most planes that an operand has, 1 to 8; how many it has is up to each sum.
    activation_planes_per_cycle, weight_planes_per_cycle : int
        Planes of each side taken in one cycle: 1, serial; all of them, parallel; or anything between.
    activations, weights : str
        "unsigned", "signed": in two's complement, or "either": up to each sum.
    terms : int
        Elements along K of the longest sum.
    adder_cells : AdderCells
        The polarity of the library's adder cells.
    accumulator_bits : int or None
        Width of the accumulator; None takes the exact width.
    certified : Interval or None
        The sums that the weights this element is built for can reach, for any activations: from a
        certificate. The element is then as narrow as that, and exact for no other weights. None: any weights.

    Raises
    ------
    ValueError
        A parameter is out of its range; RangeError when the accumulator cannot hold every sum, or the
        certified range is none that these data types have.
    """

    lanes: int = 64
    activation_planes: int = 8
    weight_planes: int = 8
    activation_planes_per_cycle: int = 1
    weight_planes_per_cycle: int = 1
    activations: Signs = "either"
    weights: Signs = "either"
    terms: int = 1024
    adder_cells: AdderCells = AdderCells.PLAIN
    accumulator_bits: int | None = None
    certified: Interval | None = None

    def __post_init__(self) -> None:
        for name, high in (("lanes", 256), ("terms", 1 << 20)):
            if not 1 <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be from 1 to {high}, not {getattr(self, name)}")
        for name in ("activations", "weights"):
            if getattr(self, name) not in get_args(Signs):
                raise ValueError(
                    f"{name} must be {', '.join(get_args(Signs)[:-1])} or either, not {getattr(self, name)!r}"
                )
        _ = self.rate
        self._require_sums_to_fit()

    @property
    def rate(self) -> Rate:
        """Planes a cycle, of how many."""
        return Rate(
            self.activation_planes_per_cycle,
            self.weight_planes_per_cycle,
            self.activation_planes,
            self.weight_planes,
        )

    @property
    def activation_range(self) -> Interval:
        """Every activation."""
        return _codes(self.activation_planes, self.activations)

    @property
    def weight_range(self) -> Interval:
        """Every weight."""
        return _codes(self.weight_planes, self.weights)

    @property
    def type_range(self) -> Interval:
        """Every sum for any weights, sums of fewer terms included."""
        return (self.activation_range * self.weight_range).times(self.terms).hull(Interval(0, 0))

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        parts = [
            f"anda_binary_{self.lanes}",
            f"{self.activations[0]}{self.activation_planes}p{self.activation_planes_per_cycle}",
            f"{self.weights[0]}{self.weight_planes}p{self.weight_planes_per_cycle}",
            f"a{self.sum_bits}",
        ]
        return "_".join(parts) + ("_inv" if self.adder_cells is AdderCells.INVERTING else "")


def _codes(planes: int, signs: Signs) -> Interval:
    unsigned, signed = (Interval.of_bits(planes, kind) for kind in (False, True))
    return {"unsigned": unsigned, "signed": signed, "either": unsigned.hull(signed)}[signs]
