"""Which theorems there are: those about every design, and those about the parameters of one."""

from __future__ import annotations

from hdl.accelerator import Accelerator
from hdl.array import Array
from hdl.column import PeColumn
from hdl.datapath import Datapath
from hdl.engine import Engine
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator
from hdl.pe import PeParameters, ProcessingElement

from .binary_theorems import binary_theorems
from .budget import TileBudget
from .budget_theorems import budget_theorems
from .certified import certified_element_theorems, certified_theorems, example_row
from .element import element_theorems
from .heap import heap_theorems
from .lanes import lane_theorems
from .multistage import multistage_examples, multistage_theorems
from .pairs import pair_theorems
from .streams import stream_theorems
from .theorem import Theorem

__all__ = ["accumulator_theorems", "binary_theorems", "general_theorems", "theorems_of"]


def general_theorems() -> list[Theorem]:
    """About the parts of every design, in small sizes: adder cells, bit heaps, products of pairs, the element
    as built, streams."""
    return [*heap_theorems(), *pair_theorems(), *element_theorems(), *stream_theorems()]


def accumulator_theorems() -> list[Theorem]:
    """No register overflows: for any weights, for those that keep an l1 budget, for those of a certificate.

    Elements of 64 lanes with weights of 4 bits and activations of 8 or 4, tiles of 128, registers of tiles
    and rows; and the same for small elements as they are built.
    """
    found: list[Theorem] = []
    for bits in (8, 4):
        for activations in ("signed", "unsigned"):
            found += lane_theorems(PeParameters(max_planes=bits, activations=activations))
    for signed in (True, False):
        found += budget_theorems(TileBudget.of_register(16, activation_signed=signed))
    found += multistage_examples()
    for bits, signed in ((8, True), (8, False), (4, True)):
        found += certified_theorems(example_row(bits, activation_signed=signed))
    for signed in (True, False):
        few = example_row(4, activation_signed=signed, lanes=16, tile=16, tiles=1)
        found += certified_element_theorems(few)
    return list({theorem.name: theorem for theorem in found}.values())


def theorems_of(component: NamedComponent) -> list[Theorem]:
    """About the very sizes of a component; the list is empty for components that have no theorem of their
    own."""
    if isinstance(component, MultiStageAccumulator):
        return multistage_theorems(component.parameters)
    parameters = _element_parameters(component)
    if parameters is None:
        return []
    return lane_theorems(parameters) if parameters.certified is None else _certified(parameters)


def _certified(p: PeParameters) -> list[Theorem]:
    """About an element of certified range: any weights that keep it."""
    if p.encoding != "twos-complement" or p.certified is None:
        return []
    signed = p.activations == "signed"
    budget = TileBudget(p.certified, p.max_planes, signed, p.level_bits)
    return budget_theorems(budget, planes_only=True)


def _element_parameters(component: NamedComponent) -> PeParameters | None:
    match component:
        case ProcessingElement() | PeColumn():
            return component.parameters
        case Datapath() | Array():
            return component.parameters.pe
        case Engine():
            return component.parameters.array.pe
        case Accelerator():
            return component.parameters.engine.array.pe
    return None
