"""What multiply-accumulate units of each 4-bit and 5-bit format cost, bit-parallel and bit-serial.

Table 10 of the Student Float paper (arXiv 2405.03103) on open libraries, with exact accumulators, next to
the same formats as weights of this project's processing element, and to the accuracy they buy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.accuracy import sqnr_db
from anda.config import Design, load
from anda.flow import synth
from anda.flow.library import Library
from anda.flow.recipe import RECIPE
from anda.flow.yosys import yosys_version
from anda.tops import pe_parameters
from golden import formats
from golden.formats import Format
from hdl.decoder import LevelDecoder
from hdl.emit import emit_verilog, tool_versions
from hdl.heap import AdderCells
from hdl.mac import MacParameters, Multiplier, MultiplyAccumulate
from hdl.modules import NamedComponent
from hdl.pe import ProcessingElement
from hdl.weights import WeightBuffer

__all__ = [
    "BASELINE",
    "FORMATS",
    "PAPER",
    "TERMS",
    "MacRow",
    "PaperRow",
    "measure_mac",
    "out_of_order",
    "read_rows",
    "student_t",
]

#: Products in a sum.
TERMS = 256

#: What overheads are relative to.
BASELINE = "int4"

#: Formats of the table; those with the same levels are the same hardware and differ in the scale alone.
FORMATS = (
    BASELINE,
    "int4-sym",
    "int4-full",
    "int5",
    "e2m1",
    "e2m1-i",
    "e2m1-b",
    "e2m1-sr",
    "e2m1-sr-signed",
    "e2m1-sp",
    "e2m1-sp-signed",
    "e3m0",
    "apot4",
    "apot4-sp",
    "sf4-int5",
    "nf4-int5",
    *(name for name, form in formats.catalogue().items() if form.family == "searched codebook"),
)

#: Widest level that a processing element takes.
_WIDEST_LEVEL = 8

_SEED = 10


@dataclass(frozen=True)
class PaperRow:
    """A row of table 10 of arXiv 2405.03103: TSMC 28 nm, areas in µm²."""

    accumulator_bits: int
    multiplier: float
    accumulator: float
    mac: float
    power_uw: float
    chip_overhead: float


#: As published; `chip_overhead` in percent. The clock and the corner are not stated there.
PAPER = {
    "int4": PaperRow(16, 75.3, 85.4, 160.7, 48.5, 0.0),
    "int5": PaperRow(18, 106.6, 97.0, 203.6, 59.8, 17.7),
    "e2m1-i": PaperRow(20, 119.1, 109.1, 228.2, 59.7, 4.2),
    "e2m1-b": PaperRow(23, 137.9, 131.0, 268.9, 67.9, 6.7),
    "e2m1": PaperRow(17, 79.7, 90.7, 170.4, 49.6, 0.6),
    "e2m1-sr": PaperRow(18, 96.8, 94.5, 191.3, 53.5, 1.9),
    "e2m1-sp": PaperRow(19, 121.5, 96.5, 218.0, 54.6, 3.6),
    "e3m0": PaperRow(22, 98.0, 119.7, 217.7, 59.5, 3.6),
    "apot4": PaperRow(16, 96.2, 85.4, 181.6, 47.2, 1.3),
    "apot4-sp": PaperRow(16, 99.7, 85.4, 185.1, 45.5, 1.5),
}


@dataclass(frozen=True, kw_only=True)
class MacRow:
    """One format on one library. Areas are in the library's unit, overheads relative to `BASELINE`.

    Attributes
    ----------
    format, on : str
        Names of the format and of the library.
    sqnr_db : float
        Ratio of signal to quantization noise on Student's t, nu = 5, block 128, FP32 scale.
    code_bits, level_bits : int
        Width of a code, and of the integer level it decodes to.
    accumulator_bits : int
        The narrowest that holds every sum of `TERMS` products.
    multiplier, accumulator, mac : float
        The bit-parallel unit and its parts, decoders of both operands within the multiplier; the accumulator
        is what the unit has besides its multiplier.
    mac_overhead : float
        Of the unit.
    element, decoders, registers : float or None
        The bit-serial processing element for levels of this width, and its share of the decoders and of the
        weight registers that all elements of a column use together. None where levels are too wide for it.
    element_total, element_overhead : float or None
        The three together.
    """

    format: str
    on: str
    sqnr_db: float
    code_bits: int
    level_bits: int
    accumulator_bits: int
    multiplier: float
    accumulator: float
    mac: float
    mac_overhead: float
    element: float | None
    decoders: float | None
    registers: float | None
    element_total: float | None
    element_overhead: float | None

    @property
    def decoder_share(self) -> float | None:
        """Part of the element's area that is its share of the decoders, 0 to 1."""
        if self.decoders is None or self.element_total is None:
            return None
        return self.decoders / self.element_total


def measure_mac(
    libraries: Mapping[str, Library],
    report: Callable[[str], None],
    *,
    design: Design | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Synthesize every format on each library, and quantize the same samples with it.

    Parameters
    ----------
    libraries : mapping of str to Library
        By the name that rows carry.
    report : callable
        Told about each format before its synthesis.
    design : Design, optional
        Whose processing elements take the formats as weights; the preset `compact` by default.
    names : sequence of str, optional
        Formats; `FORMATS` by default. The baseline is always measured.

    Returns
    -------
    dict
        As JSON holds it; `read_rows` gives the rows back.

    Raises
    ------
    ValueError
        When the elements of the design do not share their weights, or a format has no decoder.
    """
    design = design or load("compact")
    if design.pe is None or design.pe.rows is None:
        raise ValueError(
            f"the MAC table needs processing elements that share their weights, but {design.name} has none"
        )
    samples = student_t()
    chosen = [formats.get(name) for name in dict.fromkeys((BASELINE, *(names or FORMATS)))]
    sqnr = {form.name: sqnr_db(samples, form.quantize(samples).dequantize()) for form in chosen}
    rows: list[MacRow] = []
    for on, library in libraries.items():
        areas = _Areas(library, design, design.pe.rows)
        for form in chosen:
            report(f"{form.name} on {on}")
            baseline = next((row for row in rows if (row.on, row.format) == (on, BASELINE)), None)
            rows.append(_row(form, on, areas, sqnr[form.name], baseline))
    return {
        "evidence": {"areas": "synthesized", "sqnr_db": "computed", "paper": "paper"},
        "terms": TERMS,
        "samples": f"{samples.size} of Student's t, nu = 5, block 128, FP32 scales, seed {_SEED}",
        "design": design.name,
        "configuration_sha256": design.hash,
        "rows_of_a_column": design.pe.rows,
        "tools": tool_versions() | {"pyosys": yosys_version(), "recipe": RECIPE},
        "libraries": {on: _library(library) for on, library in libraries.items()},
        "paper": {
            "source": "arXiv 2405.03103, table 10: TSMC 28 nm, areas in um2",
            "rows": {name: asdict(row) for name, row in PAPER.items()},
        },
        "rows": [asdict(row) for row in rows],
    }


def read_rows(data: Mapping[str, Any], on: str) -> dict[str, MacRow]:
    """The rows of one library, by the name of the format."""
    return {row["format"]: MacRow(**row) for row in data["rows"] if row["on"] == on}


def out_of_order(rows: Mapping[str, MacRow]) -> list[tuple[str, str]]:
    """Pairs of formats, the first with the smaller unit in the paper, but not here."""
    common = sorted((name for name in PAPER if name in rows), key=lambda name: PAPER[name].mac)
    return [(a, b) for a, b in combinations(common, 2) if rows[a].mac >= rows[b].mac]


def student_t(rows: int = 4096) -> NDArray[np.float32]:
    """Samples [rows, 256] of Student's t with 5 degrees of freedom, the same on every call."""
    return np.random.default_rng(_SEED).standard_t(5, (rows, 256)).astype(np.float32)


class _Areas:
    """Areas on one library; the same hardware is synthesized once."""

    def __init__(self, library: Library, design: Design, column: int):
        self.library = library
        self.cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
        self.element = pe_parameters(design, self.cells)
        self.column = column
        self._known: dict[object, float] = {}

    def parallel(self, form: Format) -> tuple[float, float]:
        """Of the multiplier, and of the whole unit."""
        parameters = MacParameters(format=form, terms=TERMS, adder_cells=self.cells)
        return (
            self._area(("multiplier", form.integer_levels), lambda: Multiplier(parameters)),
            self._area(("mac", form.integer_levels), lambda: MultiplyAccumulate(parameters)),
        )

    def serial(self, form: Format, level_bits: int) -> tuple[float, float, float]:
        """Of the element, and its shares of the column's decoders and registers."""
        lanes, bits = self.element.lanes, form.code_bits
        # The accumulator of the element becomes the exact one for these levels.
        parameters = replace(self.element, level_bits=level_bits, accumulator_bits=None)
        decoder = self._area(("decoder", form.integer_levels), lambda: LevelDecoder(form))
        registers = self._area(("registers", bits), lambda: WeightBuffer(lanes=lanes, level_bits=bits))
        element = self._area(("element", level_bits), lambda: ProcessingElement(parameters))
        return element, lanes * decoder / self.column, registers / self.column

    def _area(self, key: object, make: Callable[[], NamedComponent]) -> float:
        if key not in self._known:
            component = make()
            found = synth.area(emit_verilog(component), component.module_name, self.library)
            self._known[key] = found.area
        return self._known[key]


def _row(form: Format, on: str, areas: _Areas, sqnr: float, baseline: MacRow | None) -> MacRow:
    """The row of a format; without a baseline it is the baseline itself."""
    assert form.level_bits is not None
    multiplier, mac = areas.parallel(form)
    element = decoders = registers = total = overhead = None
    if form.level_bits <= _WIDEST_LEVEL:
        element, decoders, registers = areas.serial(form, form.level_bits)
        total = element + decoders + registers
        overhead = total / (baseline.element_total or total) - 1 if baseline else 0.0
    return MacRow(
        format=form.name,
        on=on,
        sqnr_db=sqnr,
        code_bits=form.code_bits,
        level_bits=form.level_bits,
        accumulator_bits=form.accumulator_bits(TERMS),
        multiplier=multiplier,
        accumulator=mac - multiplier,
        mac=mac,
        mac_overhead=mac / baseline.mac - 1 if baseline else 0.0,
        element=element,
        decoders=decoders,
        registers=registers,
        element_total=total,
        element_overhead=overhead,
    )


def _library(library: Library) -> dict[str, Any]:
    full = library.full_adder
    return {
        "name": library.name,
        "area_unit": library.area_unit,
        "sha256": library.sha256,
        "full_adder": full.name if full else None,
    }
