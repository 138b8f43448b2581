"""Area of a Verilog design on a standard-cell library.

One recipe for every design; `docs/area.md` says how it was chosen and what it gains:

1. read, flatten, word-level optimisation, with the adder modules kept whole;
2. adder instances that would waste their cell are dissolved into gates;
3. adder modules become the library's cells, flip-flops the smallest the library has;
4. ABC maps the rest for area.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from anda.flow.adders import kept_adders, technology_map, wasteful_adders
from anda.flow.flops import oversized_flops
from anda.flow.library import Library
from anda.flow.report import AreaReport, CellUse, LibraryRecord
from anda.flow.yosys import Netlist, YosysError, quoted, run_yosys, yosys_version

__all__ = ["RECIPE", "area", "mapped_netlist", "read_verilog"]

#: Changes whenever areas may change for the same tools: figures compare only within one recipe.
RECIPE = "flat-adders-1"

#: Cells without silicon: what a flattened scope was called.
_NOTHING = frozenset({"$scopeinfo"})


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
    netlist = mapped_netlist(text, top, library, flatten=flatten)
    instances = Counter(_instances(netlist, top))
    cells: Counter[str] = Counter()
    modules: dict[str, CellUse] = {}
    for module, times in instances.items():
        found = _leaf_cells(netlist, module, library)
        modules[module] = CellUse(count=times, area=times * _area(found, library))
        for name, count in found.items():
            cells[name] += times * count
    uses = {name: CellUse(count=n, area=n * library.cells[name].area) for name, n in cells.items()}
    flops = {name: use for name, use in uses.items() if library.cells[name].sequential}
    adder_names = [adder.name for adder in (library.full_adder, library.half_adder) if adder]
    return AreaReport(
        top=top,
        flat=flatten,
        area=_area(cells, library),
        cell_count=cells.total(),
        flops=sum(use.count for use in flops.values()),
        flop_area=sum(use.area for use in flops.values()),
        adders={name: cells[name] for name in adder_names if cells[name]},
        cells=dict(sorted(uses.items(), key=lambda item: (-item[1].area, item[0]))),
        modules=dict(sorted(modules.items(), key=lambda item: (-item[1].area, item[0]))),
        library=_record(library),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
        recipe=RECIPE,
        tools={"pyosys": yosys_version()},
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


def mapped_netlist(verilog: str, top: str, library: Library, *, flatten: bool = True) -> Netlist:
    """Synthesize Verilog text down to the library's cells.

    Returns
    -------
    Netlist
        As Yosys' `write_json` prints it.
    """
    liberty = " ".join(f"-liberty {quoted(path)}" for path in library.files)
    unused = " ".join(f"-dont_use {name}" for name in library.unusable)
    flops = " ".join(f"-dont_use {name}" for name in oversized_flops(library))
    run = run_yosys(
        [
            "read_rtlil coarse.il",
            "synth -run fine:check",
            "techmap -map adders.v",
            f"dfflibmap {liberty} {unused} {flops}",
            "opt",
            f"abc {liberty} {unused}",
            "opt_clean -purge",
            "write_json mapped.json",
        ],
        inputs={"coarse.il": _coarse(verilog, top, library, flatten), "adders.v": technology_map(library)},
    )
    return run.netlists["mapped"]


def _coarse(verilog: str, top: str, library: Library, flatten: bool) -> str:
    """The design in RTLIL after word-level optimisation, with the adders worth keeping."""
    kept = [adder.name for adder in kept_adders(library)]
    run = run_yosys(
        [
            "read_verilog -sv design.v",
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept),
            f"synth -run begin:fine -top {top}" + (" -flatten" if flatten else ""),
            # Plain names, so that single instances can be selected without escaping.
            *(f"rename -hide t:{name}" for name in kept),
            *(f"rename -enumerate -pattern {name}_% t:{name}" for name in kept),
            "write_rtlil coarse.il",
            "write_json coarse.json",
        ],
        inputs={"design.v": verilog},
    )
    while wasteful := wasteful_adders(run.netlists["coarse"], library):
        run = run_yosys(
            [
                "read_rtlil coarse.il",
                "setattr -mod -set keep_hierarchy 1 *",
                *(line for name, instances in wasteful.items() for line in _dissolve(name, instances)),
                "flatten",
                "setattr -mod -unset keep_hierarchy *",
                *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept),
                f"hierarchy -top {top}",
                "opt -full",
                "write_rtlil coarse.il",
                "write_json coarse.json",
            ],
            inputs={"coarse.il": run.rtlil["coarse"]},
        )
    return run.rtlil["coarse"]


def _dissolve(module: str, instances: list[str]) -> Iterator[str]:
    """Commands that turn instances of an adder module into a twin that is flattened."""
    yield f"copy {module} {module}_gates"
    yield f"setattr -mod -unset keep_hierarchy {module}_gates"
    for instance in instances:
        yield f"chtype -set {module}_gates {instance}"


def _instances(netlist: Netlist, module: str) -> Iterator[str]:
    """The module and every module instance below it, once per instance."""
    yield module
    for cell in netlist["modules"][module]["cells"].values():
        if cell["type"] in netlist["modules"]:
            yield from _instances(netlist, cell["type"])


def _leaf_cells(netlist: Netlist, module: str, library: Library) -> Counter[str]:
    """Library cells directly inside a module."""
    types = Counter(cell["type"] for cell in netlist["modules"][module]["cells"].values())
    found = Counter({name: n for name, n in types.items() if name not in netlist["modules"]})
    for name in _NOTHING:
        del found[name]
    if unmapped := sorted(name for name in found if name not in library.cells):
        raise YosysError(
            f"Expected every cell of {module} to be in the library {library.name}, "
            f"it has none for {', '.join(unmapped)}."
        )
    return found


def _area(cells: Counter[str], library: Library) -> float:
    return sum(library.cells[name].area * count for name, count in cells.items())


def _record(library: Library) -> LibraryRecord:
    full, half = library.full_adder, library.half_adder
    return LibraryRecord(
        name=library.name,
        area_unit=library.area_unit,
        sha256=library.sha256,
        full_adder=full.name if full else None,
        half_adder=half.name if half else None,
    )
