"""What can be wrong with a sum of products of bit planes: for the twins of `sim.proofs.binary_theorems`."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from amaranth.hdl import Module, Value

from golden.binary_order import Step
from hdl.binary import BinaryElement, BinaryParameters
from hdl.heap import BitHeap

__all__ = ["Fault", "NarrowBinary", "NegativeProduct", "faulty_order"]

#: Of the order of steps: "signs", no top plane is negative; "shift", no step shifts; "dropped", the last pair
#: of blocks adds nothing; "gapless", steps that only shift are left out; "least-first", the pairs come by
#: rising significance. Of the words: "places", the planes of a block the other way round; "padding", zeros
#: instead of the sign beyond the top plane. Of the flags: "kept", no beat is the first of a sum.
Fault = Literal["", "signs", "shift", "dropped", "gapless", "least-first", "places", "padding", "kept"]


def faulty_order(steps: list[Step], fault: Fault) -> list[Step]:
    """The steps with a fault of their order, or as they are."""
    match fault:
        case "signs":
            return [replace(step, activations_negative=False, weights_negative=False) for step in steps]
        case "shift":
            return [replace(step, shifts=False) for step in steps]
        case "dropped":
            return [*steps[:-1], replace(steps[-1], adds=False)]
        case "gapless":
            return [step for step in steps if step.adds]
        case "least-first":
            # What shifts is the place in the order, not the pair.
            places = zip(steps, reversed(steps), strict=True)
            return [replace(pair, shifts=place.shifts) for place, pair in places]
    return steps


class NarrowBinary(BinaryParameters):
    """A twin with a fault: its accumulator lacks one bit."""

    @property
    def sum_bits(self) -> int:
        """One bit less than the sum needs."""
        return self.exact_bits - 1


class NegativeProduct(BinaryElement):
    """A twin with a fault: the product of two top planes counts negative, as if one of them did."""

    def _add_negated(
        self, m: Module, heap: BitHeap, pairs: list[tuple[int, int]], negate: Value, name: str
    ) -> None:
        given = self.beats.payload
        if name == "both":
            negate = given.activations_negative | given.weights_negative
        super()._add_negated(m, heap, pairs, negate, name)
