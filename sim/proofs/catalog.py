"""Which theorems there are: those about every design, and those about the parameters of one."""

from __future__ import annotations

from hdl.column import PeColumn
from hdl.datapath import Datapath
from hdl.modules import NamedComponent
from hdl.pe import PeParameters, ProcessingElement

from .element import element_theorems
from .heap import heap_theorems
from .lanes import lane_theorems
from .streams import stream_theorems
from .theorem import Theorem

__all__ = ["general_theorems", "theorems_of"]


def general_theorems() -> list[Theorem]:
    """About the parts of every design, in small sizes: adder cells, bit heaps, the element as built,
    streams."""
    return [*heap_theorems(), *element_theorems(), *stream_theorems()]


def theorems_of(component: NamedComponent) -> list[Theorem]:
    """About the very sizes of a component; the list is empty for components that have no theorem of their
    own."""
    parameters = _element_parameters(component)
    return [] if parameters is None else lane_theorems(parameters)


def _element_parameters(component: NamedComponent) -> PeParameters | None:
    if isinstance(component, ProcessingElement | PeColumn):
        return component.parameters
    return component.parameters.pe if isinstance(component, Datapath) else None
