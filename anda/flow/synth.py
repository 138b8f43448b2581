"""Area and longest path of a Verilog design on a standard-cell library."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from anda.flow.library import Library
from anda.flow.recipe import RECIPE, cells_of, map_to_library
from anda.flow.report import AreaReport, CellUse, LibraryRecord
from anda.flow.timing import longest_path
from anda.flow.yosys import YosysError, tool_versions

__all__ = ["area", "read_verilog"]


def area(
    verilog: Path | str, top: str, library: Library | None = None, *, flatten: bool = True
) -> AreaReport:
    """Synthesize a Verilog file and report its area.

    Parameters
    ----------
    verilog
        Path of the file, or its text.
    top
        Module to synthesize.
    library
        Where to map to; the generic library by default.
    flatten
        Optimise across modules (smaller), or keep them to see the area of each.

    Raises
    ------
    YosysError
        When Yosys is missing or refuses the design, or the library lacks a cell that the design needs.
    """
    library = library or Library.generic()
    text = read_verilog(verilog)
    mapped = map_to_library(text, top, library, flatten=flatten)
    cells: Counter[str] = Counter()
    modules: dict[str, CellUse] = {}
    for module, (times, found) in cells_of(mapped.netlist, top, library).items():
        together = Counter({name: times * count for name, count in found.items()})
        modules[module] = CellUse(count=times, area=_area(together, library))
        cells += together
    uses = {name: CellUse(count=n, area=_area(Counter({name: n}), library)) for name, n in cells.items()}
    flops = [use for name, use in uses.items() if library.cells[name].sequential]
    adders = [adder.name for adder in (library.full_adder, library.half_adder) if adder]
    return AreaReport(
        top=top,
        flat=flatten,
        area=_area(cells, library),
        cell_count=cells.total(),
        flops=sum(use.count for use in flops),
        flop_area=round(sum(use.area for use in flops), 6),
        adders={name: cells[name] for name in adders if cells[name]},
        cells=_largest_first(uses),
        modules=_largest_first(modules),
        longest_path=longest_path(mapped.flat, top, library),
        library=_record(library),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
        recipe=f"{RECIPE}: {mapped.choice}",
        alternatives=mapped.alternatives,
        tools=tool_versions(),
    )


def read_verilog(verilog: Path | str) -> str:
    """The text of a Verilog file; text that holds a module is taken as it is."""
    if isinstance(verilog, str) and "endmodule" in verilog:
        return verilog
    path = Path(verilog)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise YosysError(f"Expected a Verilog file at {path}, got: {error.strerror}.") from error


def _area(cells: Counter[str], library: Library) -> float:
    return round(sum(library.cells[name].area * count for name, count in cells.items()), 6)


def _largest_first(uses: dict[str, CellUse]) -> dict[str, CellUse]:
    return dict(sorted(uses.items(), key=lambda item: (-item[1].area, item[0])))


def _record(library: Library) -> LibraryRecord:
    full, half = library.full_adder, library.half_adder
    return LibraryRecord(
        name=library.name,
        area_unit=library.area_unit,
        sha256=library.sha256,
        full_adder=full.name if full else None,
        half_adder=half.name if half else None,
    )
