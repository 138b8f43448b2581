"""What shapes a processing element, and the exact range of its sums (contract, sections 5 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from amaranth.lib import data

from golden.bitplanes import PLANES, Encoding, group_range, require_encoding
from golden.interval import Interval

from .exact_sum import ExactSum
from .heap import AdderCells

__all__ = ["LINES", "Activations", "PeParameters", "Products", "Reduction", "WeightPlace", "beat_layout"]

Activations = Literal["signed", "unsigned"]
Reduction = Literal["heap", "tree"]
WeightPlace = Literal["outside", "inside"]
Products = Literal["lanes", "pairs"]

#: Wires of a pair of lanes in one plane: the first alone has its bit set, the second alone, or both have.
LINES = 3


def beat_layout(word_bits: int, planes_per_cycle: int) -> data.StructLayout:
    """One cycle's worth of a group: plane words, and where the group begins and ends.

    `words` holds `planes_per_cycle` plane words of `word_bits` bits, the most significant plane in the least
    significant bits.
    """
    return data.StructLayout({"words": word_bits * planes_per_cycle, "first": 1, "last": 1})


@dataclass(frozen=True, kw_only=True)
class PeParameters(ExactSum):
    """Everything that shapes a processing element.

    Parameters
    ----------
    lanes : int
        Elements of a group, 8 to 256.
    level_bits : int
        Bits of a signed weight level, 1 to 8.
    max_planes : int
        The largest number of words a group may occupy: `M + 1` for sign-magnitude, `P` for two's complement.
    encoding : str
        "twos-complement" (contract 2b) or "sign-magnitude" (2a, as published).
    planes_per_cycle : int
        Planes taken in one cycle: 1, 2 or 4.
    weights : str
        "outside": levels come in at a port, held by registers that many elements share; "inside": two banks
        of registers in the element, as published.
    reduction : str
        "heap": products and accumulator in one heap of full adders; "tree": a tree of two-operand adders.
    adder_cells : AdderCells
        The polarity of the library's adder cells (heap only).
    accumulator_bits : int or None
        Width of the accumulator; None takes the exact width.
    activations : str
        "signed", or "unsigned": two's complement only, and then the first plane is added like every other, so
        that unsigned integers of `N` bits take `N` planes and no zero plane in front.
    certified : Interval or None
        The sums that the weights this element is built for can reach, for any activations: from a
        certificate. The element is then as narrow as that, and exact for no other weights. None: any weights.
    products : str
        "lanes": one for each lane; "pairs": one for two neighbours, from lines and sums that are made outside
        the element (`hdl.pairs`). With two's complement, a heap, and weights outside.

    Raises
    ------
    ValueError
        A parameter is out of its range; RangeError when the accumulator cannot hold every sum, or the
        certified range is none that these data types have.
    """

    lanes: int = 64
    level_bits: int = 4
    max_planes: int = 10
    encoding: Encoding = "twos-complement"
    planes_per_cycle: int = 1
    weights: WeightPlace = "outside"
    reduction: Reduction = "heap"
    adder_cells: AdderCells = AdderCells.PLAIN
    accumulator_bits: int | None = None
    activations: Activations = "signed"
    certified: Interval | None = None
    products: Products = "lanes"

    def __post_init__(self) -> None:
        require_encoding(self.encoding, self.max_planes, self.lanes)
        if not 1 <= self.level_bits <= 8:
            raise ValueError(f"level_bits must be from 1 to 8, not {self.level_bits}")
        if self.planes_per_cycle not in (1, 2, 4):
            raise ValueError(f"planes_per_cycle must be 1, 2 or 4, not {self.planes_per_cycle}")
        if self.weights not in get_args(WeightPlace):
            raise ValueError(f"weights must be outside or inside, not {self.weights!r}")
        if self.reduction not in get_args(Reduction):
            raise ValueError(f"reduction must be heap or tree, not {self.reduction!r}")
        self._require_activations()
        self._require_products()
        self._require_sums_to_fit()

    def _require_activations(self) -> None:
        if self.activations not in get_args(Activations):
            raise ValueError(f"activations must be signed or unsigned, not {self.activations!r}")
        if self.activations == "unsigned" and self.encoding != "twos-complement":
            raise ValueError(f"unsigned activations have no {self.encoding} encoding")
        if self.activations == "unsigned" and self.max_planes == PLANES.max:
            raise ValueError(
                f"unsigned activations have up to {PLANES.max - 1} planes, not {self.max_planes}"
            )

    def _require_products(self) -> None:
        if self.products not in get_args(Products):
            raise ValueError(f"products must be lanes or pairs, not {self.products!r}")
        built = (self.encoding, self.reduction, self.weights)
        if self.products == "pairs" and built != ("twos-complement", "heap", "outside"):
            raise ValueError(
                "products of pairs need twos-complement planes, a heap and weights outside, "
                f"not {self.encoding}, {self.reduction} and {self.weights}"
            )

    @property
    def word_bits(self) -> int:
        """Wires on which one plane word comes to an element."""
        return self.lanes if self.products == "lanes" else LINES * self.lanes // 2

    @property
    def level_range(self) -> Interval:
        """Every weight level."""
        return Interval.of_bits(self.level_bits, signed=True)

    @property
    def activation_range(self) -> Interval:
        """Every integer that the planes of a group can hold."""
        if self.activations == "unsigned":
            return Interval.of_bits(self.max_planes, signed=False)
        return group_range(self.max_planes, self.encoding)

    @property
    def type_range(self) -> Interval:
        """Every group sum `T_g` for any weights (contract, section 5)."""
        return (self.activation_range * self.level_range).times(self.lanes)

    def beats(self, planes: int) -> int:
        """Cycles a group of `planes` words takes."""
        if self.encoding == "sign-magnitude":
            return 1 + -(-(planes - 1) // self.planes_per_cycle)
        return -(-planes // self.planes_per_cycle)

    @property
    def first_is_subtracted(self) -> bool:
        """Whether the first plane of a group counts negative."""
        return self.encoding == "twos-complement" and self.activations == "signed"

    @property
    def _kind(self) -> str:
        if self.activations == "unsigned":
            return "un"
        return "tc" if self.encoding == "twos-complement" else "sm"

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        parts = [
            f"anda_pe_{self.lanes}x{self.level_bits}",
            f"{self._kind}{self.max_planes}",
            f"p{self.planes_per_cycle}",
            f"{self.reduction}{'_inv' if self.adder_cells is AdderCells.INVERTING else ''}",
            f"w{self.weights}",
            f"a{self.sum_bits}",
            *(["pairs"] if self.products == "pairs" else []),
        ]
        return "_".join(parts)
