"""What elements of a few lanes have in common: parameters, ports, and where their weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Self, get_args

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.pe_parameters import WeightPlace
from hdl.weights import WeightBuffer, levels_layout

from .group_end import GroupEnd

__all__ = ["LaneElement", "LaneParameters", "ScaledElement", "SlotParameters"]


@dataclass(frozen=True, kw_only=True)
class LaneParameters:
    """What shapes every element of a few lanes.

    Parameters
    ----------
    lanes : int
        Products in one cycle: one of `lane_counts`.
    weights : str
        "outside": at a port, held by registers that the rows of a column share; "inside": two banks of
        registers in the element, of one weight a lane.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    lane_counts: ClassVar[Sequence[int]] = (1, 2, 4, 8)

    lanes: int = 4
    weights: WeightPlace = "outside"
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        if self.lanes not in self.lane_counts:
            *others, most = self.lane_counts
            listed = f"{', '.join(map(str, others))} or {most}"
            wanted = f"from 1 to {most}" if len(self.lane_counts) == most else listed
            raise ValueError(f"lanes must be {wanted}, not {self.lanes}")
        if self.weights not in get_args(WeightPlace):
            raise ValueError(f"weights must be outside or inside, not {self.weights!r}")

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane."""
        return Fraction(self.lanes)

    @property
    def name(self) -> str:
        """The parameters in a word."""
        return f"{self.lanes}_{self.ending}"

    @property
    def ending(self) -> str:
        """What every name ends with: the place of the weights, and the kind of adder cells."""
        return f"w{self.weights}{self.adder_cells.suffix}"

    def with_cells(self, adder_cells: AdderCells) -> Self:
        """The same for another library."""
        return replace(self, adder_cells=adder_cells)


@dataclass(frozen=True, kw_only=True)
class SlotParameters(LaneParameters):
    """What shapes an element whose FP32 sums are added to every second cycle.

    Parameters
    ----------
    slots : int
        Sums of a lane, or of all lanes, that are under way, 1 to 16. From two on the element takes operands
        every cycle.
    lanes, weights, adder_cells
        As for `LaneParameters`.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    """

    slots: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.slots <= 16:
            raise ValueError(f"slots must be from 1 to 16, not {self.slots}")

    @property
    def macs_per_cycle(self) -> Fraction:
        """One a lane; with a single slot every second cycle. The end of a sum costs two cycles more."""
        return Fraction(self.lanes, 1 if self.slots > 1 else 2)

    @property
    def slot_bits(self) -> int:
        """Width of a slot number."""
        return (self.slots - 1).bit_length()


class LaneElement(NamedComponent):
    """Takes activations and weights, beat by beat.

    Parameters
    ----------
    activations : data.StructLayout
        One beat.
    others : mapping of str to Member
        The ports besides activations and weights.
    lanes : int
        Weights in a beat.
    level_bits : int
        Of a weight.
    place : str
        "outside" or "inside", as `LaneParameters` has it.

    Members
    -------
    activations : In(stream.Signature(activations))
    levels : In(levels_layout(lanes, level_bits))
        Weights outside: those of the beat, which change with it.
    load : In(stream.Signature(levels_layout(lanes, level_bits)))
        Weights inside: one set for each item of `activations`.
    """

    activations: stream.Interface
    levels: data.View[data.ArrayLayout]
    load: stream.Interface

    def __init__(
        self,
        activations: data.StructLayout,
        others: Mapping[str, Any],
        *,
        lanes: int,
        level_bits: int,
        place: WeightPlace,
    ):
        self._set = lanes, level_bits
        self._is_loaded = place == "inside"
        layout = levels_layout(lanes, level_bits)
        weights = {"load": In(stream.Signature(layout))} if self._is_loaded else {"levels": In(layout)}
        super().__init__({"activations": In(stream.Signature(activations)), **weights, **others})

    def weights(self, m: Module, retire: Value) -> tuple[Value, Value]:
        """Whether the weights of a beat are there, and they; `retire` says that they have served it."""
        if not self._is_loaded:
            return Const(1, 1), self.levels.as_value()
        lanes, level_bits = self._set
        m.submodules.weights = buffer = WeightBuffer(lanes=lanes, level_bits=level_bits)
        connect(m, flipped(self.load), buffer.load)
        m.d.comb += buffer.retire.eq(retire)
        return buffer.valid, buffer.levels.as_value()

    def pass_weights(self, m: Module, inner: LaneElement) -> None:
        """Leave the weights to a part of this element."""
        if self._is_loaded:
            connect(m, flipped(self.load), inner.load)
        else:
            m.d.comb += inner.levels.eq(self.levels)


class ScaledElement(LaneElement):
    """Sums of groups, times the scales of their weights, added up in FP32.

    Parameters
    ----------
    activations : data.StructLayout
        One beat.
    groups : data.StructLayout
        What belongs to a whole group.
    lanes, level_bits, place
        As for `LaneElement`.

    Members
    -------
    activations, levels, load
        As `LaneElement` has them.
    groups : In(stream.Signature(groups))
        One item a group, in the order in which groups end.
    results : Out(stream.Signature(32))
        FP32, one a row.
    nonfinite : Out(1)
        Sticky: an operand was infinite or NaN, and replaced (contract, section 1).
    clear_nonfinite : In(1)
        Clears it, unless it happens again in the same cycle.
    """

    groups: stream.Interface
    results: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(
        self,
        activations: data.StructLayout,
        groups: data.StructLayout,
        *,
        lanes: int,
        level_bits: int,
        place: WeightPlace,
    ):
        others = {
            "groups": In(stream.Signature(groups)),
            "results": Out(stream.Signature(32)),
            "nonfinite": Out(1),
            "clear_nonfinite": In(1),
        }
        super().__init__(activations, others, lanes=lanes, level_bits=level_bits, place=place)

    def ending(self, m: Module, end: GroupEnd) -> None:
        """Results and flag from the end of a group, whose sums and groups are left to the caller."""
        connect(m, end.results, flipped(self.results))
        m.d.comb += [
            end.clear_nonfinite.eq(self.clear_nonfinite),
            self.nonfinite.eq(end.nonfinite),
        ]
