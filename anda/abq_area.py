"""Area and cycles of binary elements for every pair of widths, next to bit-parallel units (docs/abq.md).

Signed codes on both sides, sums of `TERMS` products, exact accumulators. A bit-parallel unit is an element of
one lane that takes all planes at once: an array multiplier whose rows are added with the accumulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from anda.flow import synth
from anda.flow.library import Library
from anda.flow.recipe import RECIPE
from anda.flow.yosys import yosys_version
from golden import formats
from golden.binary import BITS
from hdl.binary import BinaryElement, BinaryParameters, Signs
from hdl.binary_correction import CorrectionParameters, ZeroCorrection
from hdl.binary_weights import BalancedPlanes, BaseFiveDecoder
from hdl.emit import emit_verilog, tool_versions
from hdl.heap import AdderCells
from hdl.mac import MacParameters, MultiplyAccumulate
from hdl.modules import NamedComponent
from hdl.pe import PeParameters, ProcessingElement

__all__ = ["KINDS", "TERMS", "AbqRow", "elements", "measure_abq_area", "read_rows", "same_hardware"]

TERMS = 1024
"""Products in the longest sum."""

#: Kinds of elements: lanes, and whether activations and weights are parallel.
KINDS: dict[str, tuple[int, bool, bool]] = {
    "serial": (64, False, False),
    "weights parallel": (64, False, True),
    "parallel": (16, True, True),
    "unit": (1, True, True),
}


@dataclass(frozen=True)
class AbqRow:
    """One element on one library.

    Attributes
    ----------
    on : str
        Name of the library.
    kind : str
        Of `KINDS`: both sides serial; weights parallel, activations serial; all planes at once; and that with
        one lane, the bit-parallel multiply-accumulate unit.
    weight_bits, activation_bits : int
    lanes : int
    accumulator_bits : int
    area : float
        In the library's unit.
    cycles : int
        That a product in every lane takes.
    """

    on: str
    kind: str
    weight_bits: int
    activation_bits: int
    lanes: int
    accumulator_bits: int
    area: float
    cycles: int

    @property
    def area_per_mac(self) -> float:
        """Area for one multiply-accumulate a cycle."""
        return self.area * self.cycles / self.lanes


def elements(
    kind: str, weight_bits: int, activation_bits: int, cells: AdderCells = AdderCells.PLAIN
) -> BinaryParameters:
    """The element of a kind for a pair of widths."""
    lanes, activations_parallel, weights_parallel = KINDS[kind]
    return BinaryParameters(
        lanes=lanes,
        activation_planes=activation_bits,
        weight_planes=weight_bits,
        activation_planes_per_cycle=activation_bits if activations_parallel else 1,
        weight_planes_per_cycle=weight_bits if weights_parallel else 1,
        activations="signed",
        weights="signed",
        terms=TERMS,
        adder_cells=cells,
    )


def measure_abq_area(
    libraries: Mapping[str, Library],
    report: Callable[[str], None],
    *,
    widths: Sequence[int] = range(1, 9),
) -> dict[str, Any]:
    """Synthesize the elements of all pairs of widths on each library.

    Parameters
    ----------
    libraries : mapping of str to Library
        By the name that rows carry.
    report : callable
        Told about each synthesis before it runs.
    widths : sequence of int
        Of weights and activations.

    Returns
    -------
    dict
        As JSON holds it; `read_rows` gives the rows back. `parts`: what else a binary engine has, for one
        build that takes every pair, and peers of the project.
    """
    rows: list[AbqRow] = []
    parts: dict[str, dict[str, float]] = {}
    for on, library in libraries.items():
        areas = _Areas(library, on, report)
        for kind, weight_bits, activation_bits in product(KINDS, widths, widths):
            p = elements(kind, weight_bits, activation_bits, areas.cells)
            rows.append(
                AbqRow(
                    on=on,
                    kind=kind,
                    weight_bits=weight_bits,
                    activation_bits=activation_bits,
                    lanes=p.lanes,
                    accumulator_bits=p.sum_bits,
                    area=areas.element(same_hardware(kind, weight_bits, activation_bits, areas.cells)),
                    cycles=-(-weight_bits // p.weight_planes_per_cycle)
                    * -(-activation_bits // p.activation_planes_per_cycle),
                )
            )
        parts[on] = {name: areas.of(part) for name, part in _parts(areas.cells)}
    return {
        "evidence": "synthesized",
        "terms": TERMS,
        "tools": tool_versions() | {"pyosys": yosys_version(), "recipe": RECIPE},
        "libraries": {
            on: {"name": library.name, "area_unit": library.area_unit, "sha256": library.sha256}
            for on, library in libraries.items()
        },
        "rows": [asdict(row) for row in rows],
        "parts": parts,
    }


def read_rows(data: Mapping[str, Any], on: str) -> dict[tuple[str, int, int], AbqRow]:
    """The rows of one library, by kind, weight bits and activation bits."""
    rows = (AbqRow(**row) for row in data["rows"] if row["on"] == on)
    return {(row.kind, row.weight_bits, row.activation_bits): row for row in rows}


def same_hardware(
    kind: str, weight_bits: int, activation_bits: int, cells: AdderCells = AdderCells.PLAIN
) -> BinaryParameters:
    """The element that stands for all that are the same hardware, so that it is synthesized once.

    Both sides serial: widths show in the accumulator alone, which has the sum of both. Both parallel: a pair
    is as good the other way round.
    """
    _, activations_parallel, weights_parallel = KINDS[kind]
    if not activations_parallel and not weights_parallel:
        total = weight_bits + activation_bits
        weight_bits = max(1, total - BITS.max)
        activation_bits = total - weight_bits
    elif activations_parallel and weights_parallel:
        weight_bits, activation_bits = sorted((weight_bits, activation_bits))
    return elements(kind, weight_bits, activation_bits, cells)


def _parts(cells: AdderCells) -> Iterator[tuple[str, NamedComponent]]:
    """One build for every pair, what stands beside elements, and peers."""
    for lanes in (16, 64):
        for signs in ("either", "unsigned"):
            p = _any_pair(lanes, signs, cells)
            yield f"serial for any pair, {signs}, {lanes} lanes", BinaryElement(p)
    w2 = BinaryParameters(
        weight_planes=3,
        weight_planes_per_cycle=3,
        activations="unsigned",
        weights="unsigned",
        terms=TERMS,
        adder_cells=cells,
    )
    yield "W2* by A8, weights parallel, 64 lanes", BinaryElement(w2)
    yield "sum of activations, 64 lanes", BinaryElement(_activation_sum(cells))
    yield "correction for zero points", ZeroCorrection(CorrectionParameters(element=w2))
    yield "decoder of three weights", BaseFiveDecoder()
    yield "decoders of 64 weights", BalancedPlanes(64)
    for bits in (4, 8):
        mac = MacParameters(format=formats.get(f"int{bits}"), terms=TERMS, adder_cells=cells)
        yield f"multiply-accumulate unit int{bits}", MultiplyAccumulate(mac)
    pe = PeParameters(lanes=64, level_bits=4, max_planes=8, adder_cells=cells)
    yield "element of one group, A8 by W4, 64 lanes", ProcessingElement(pe)


def _any_pair(lanes: int, signs: Signs, cells: AdderCells) -> BinaryParameters:
    return BinaryParameters(lanes=lanes, activations=signs, weights=signs, terms=TERMS, adder_cells=cells)


def _activation_sum(cells: AdderCells) -> BinaryParameters:
    return BinaryParameters(
        weight_planes=1, activations="unsigned", weights="unsigned", terms=TERMS, adder_cells=cells
    )


class _Areas:
    """Areas on one library; the same hardware is synthesized once."""

    def __init__(self, library: Library, name: str, report: Callable[[str], None]):
        self.cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
        self._library = library
        self._name = name
        self._report = report
        self._known: dict[str, float] = {}

    def element(self, parameters: BinaryParameters) -> float:
        """Area of an element."""
        if parameters.name not in self._known:
            self._known[parameters.name] = self.of(BinaryElement(parameters))
        return self._known[parameters.name]

    def of(self, component: NamedComponent) -> float:
        """Area of a component."""
        name = component.module_name
        self._report(f"{name} on {self._name}")
        return synth.area(emit_verilog(component), name, self._library).area
