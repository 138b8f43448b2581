"""Every peer of the comparison in one table: its element, its converters, its throughput."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from hdl.heap import AdderCells
from hdl.modules import NamedComponent

__all__ = ["BASELINES", "Baseline", "Builder", "Converter"]


class Builder(Protocol):
    """Makes a component for a library; without an argument for one with plain adder cells."""

    def __call__(self, adder_cells: AdderCells = AdderCells.PLAIN) -> NamedComponent:
        """A new component."""
        ...


@dataclass(frozen=True)
class Converter:
    """A component that turns FP16 activations, or codes of weights, into what an element takes.

    One of them keeps a whole row or column of elements busy, because these share what it gives.

    Attributes
    ----------
    name : str
        What the rows of a table call it.
    component : Builder
    per : str
        "row" of elements that share activations, or "column" of elements that share weights.
    """

    name: str
    component: Builder
    per: Literal["row", "column"]


@dataclass(frozen=True)
class Baseline:
    """One peer.

    Attributes
    ----------
    name : str
        Its key in `BASELINES`.
    title : str
        For tables.
    source : str
        The paper that describes it.
    element : Builder
        The element with its FP32 accumulator: activations as their buffer holds them and weights go in, FP32
        sums over any number of groups come out.
    converters : tuple of Converter
        Counted apart from the element.
    macs_per_cycle : Fraction
        Multiply-accumulate operations of one element in a cycle, without stalls.
    note : str
        What the paper leaves open and was assumed.
    """

    name: str
    title: str
    source: str
    element: Builder
    converters: tuple[Converter, ...]
    macs_per_cycle: Fraction
    note: str = ""


def _by_name(entries: Iterable[Baseline]) -> dict[str, Baseline]:
    return {entry.name: entry for entry in entries}


BASELINES: Mapping[str, Baseline] = _by_name(())
"""The peers by name."""
