"""Multiply-accumulates that a component does in a cycle, by the number of planes of a group."""

from __future__ import annotations

from fractions import Fraction

from hdl.accelerator import Accelerator
from hdl.array import Array
from hdl.column import PeColumn
from hdl.datapath import Datapath
from hdl.engine import Engine
from hdl.modules import NamedComponent
from hdl.pe import PeParameters, ProcessingElement

__all__ = ["macs_per_cycle"]


def macs_per_cycle(component: NamedComponent) -> dict[int, Fraction]:
    """Multiply-accumulates a cycle in steady state, when no stream stalls (contract, section 5).

    Returns
    -------
    dict of int to Fraction
        By planes of a group, sign plane included, from 2 to the most the component takes; empty for
        components that multiply nothing.
    """
    elements = _elements(component)
    if elements is None:
        return {}
    pe, count = elements
    return {planes: Fraction(count * pe.lanes, pe.beats(planes)) for planes in range(2, pe.max_planes + 1)}


def _elements(component: NamedComponent) -> tuple[PeParameters, int] | None:
    """What its processing elements are like, and how many it has."""
    match component:
        case ProcessingElement():
            return component.parameters, 1
        case PeColumn():
            return component.parameters, component.rows
        case Datapath():
            return component.parameters.pe, component.parameters.columns
        case Array():
            array = component.parameters
        case Engine():
            array = component.parameters.array
        case Accelerator():
            array = component.parameters.engine.array
        case _:
            return None
    return array.pe, array.rows * array.columns
