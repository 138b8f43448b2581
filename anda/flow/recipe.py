"""From Verilog to a netlist of library cells: one recipe for every design.

1. Read, flatten, word-level optimisation, with the adder modules kept whole.
2. Adder instances that would waste their cell are dissolved into gates.
3. Adder modules become the library's cells, flip-flops the smallest the library has.
4. ABC maps the rest for area, with two mappers; where the library has flip-flops with enable, both
   with and without them. The smallest of these two or four netlists is the result.

Trying alternatives on every design and keeping the smallest needs no hand on any design: no mapper wins
everywhere (`docs/area.md` has the figures).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from anda.flow.adders import kept_adders, technology_map, wasteful_adders
from anda.flow.cache import cache_folder
from anda.flow.flops import enable_flops, oversized_flops
from anda.flow.library import Library
from anda.flow.yosys import Netlist, YosysError, YosysRun, design_name, quoted, run_yosys

__all__ = ["RECIPE", "Mapped", "cells_of", "map_to_library", "netlist_area"]

#: Changes whenever areas may change for the same tools: figures compare only within one recipe.
RECIPE = "area-2"

#: Cells without silicon: the name of a flattened scope.
_NOTHING = "$scopeinfo"

_FLOP = re.compile(r"cell \$_(?:S|AL)?DFF")
_FLOP_WITH_ENABLE = re.compile(r"cell \$_(?:S?DFFE|SDFFCE|DFFSRE|ALDFFE)_")

_OPTIMISE = "strash;&get,-n;&fraig,-x;&put;scorr;dc2;dretime;strash;&get,-n;&dch,-f"
#: `&nf` is best on plain logic, `amap` finds exclusive ORs, majorities and multiplexers.
_MAPPERS = {"nf": f"{_OPTIMISE};&nf,-R,10,-F,10;&put", "amap": f"{_OPTIMISE};&put;amap"}


@dataclass(frozen=True)
class Mapped:
    """A design as cells of a library.

    Attributes
    ----------
    netlist
        As Yosys' `write_json` prints it.
    flat
        The same without modules below the top.
    choice
        Which alternative it is, such as ``amap, without enable flip-flops``.
    alternatives
        Area of every alternative that was tried, the smallest first.
    """

    netlist: Netlist
    flat: Netlist
    choice: str
    alternatives: dict[str, float]


def map_to_library(verilog: str, top: str, library: Library, *, flatten: bool) -> Mapped:
    """Synthesize Verilog text down to the library's cells.

    Raises
    ------
    YosysError
        When Yosys refuses the design, or the library lacks a cell that the design needs.
    """
    fine = run_yosys(
        [
            "read_rtlil coarse.il",
            "synth -run fine:check",
            "techmap -map adders.v",
            "write_rtlil fine.il",
        ],
        inputs={"coarse.il": _coarse(verilog, top, library, flatten), "adders.v": technology_map(library)},
    ).rtlil["fine"]
    if _FLOP.search(fine) and not any(cell.sequential == "ff" for cell in library.usable):
        raise YosysError(
            f"{top} has flip-flops, and {library.name} should have a cell for them, but has none"
        )
    # `&nf` crashes without a buffer, which every real library has.
    mappers = _MAPPERS if library.gate("a", "a") else {"amap": _MAPPERS["amap"]}
    alternatives = {mapper: (script, oversized_flops(library)) for mapper, script in mappers.items()}
    if _FLOP_WITH_ENABLE.search(fine) and (enables := enable_flops(library)):
        for mapper, (script, avoided) in list(alternatives.items()):
            alternatives[f"{mapper}, without enable flip-flops"] = script, avoided + enables
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            choice: pool.submit(_mapped, fine, library, script, avoided)
            for choice, (script, avoided) in alternatives.items()
        }
        runs = {choice: job.result() for choice, job in jobs.items()}
    areas = {choice: netlist_area(run.netlists["mapped"], top, library) for choice, run in runs.items()}
    choice = min(areas, key=lambda name: areas[name])
    return Mapped(
        netlist=runs[choice].netlists["mapped"],
        flat=runs[choice].netlists["flat"],
        choice=choice,
        alternatives=dict(sorted(areas.items(), key=lambda item: item[1])),
    )


def cells_of(netlist: Netlist, top: str, library: Library) -> dict[str, tuple[int, Counter[str]]]:
    """Every module below `top`, itself included: number of instances, library cells directly inside.

    Raises
    ------
    YosysError
        When a cell is neither in the library nor a module.
    """
    times = Counter(_instances(netlist, top))
    return {module: (count, _leaf_cells(netlist, module, library)) for module, count in times.items()}


def netlist_area(netlist: Netlist, top: str, library: Library) -> float:
    """Area of all cells of a mapped netlist."""
    modules = cells_of(netlist, top, library).values()
    area = sum(times * library.cells[name].area * n for times, cells in modules for name, n in cells.items())
    # Millionths of the unit are float noise, and would end in reports.
    return round(area, 6)


def _coarse(verilog: str, top: str, library: Library, flatten: bool) -> str:
    """The design in RTLIL after word-level optimisation, with the adders worth keeping."""
    kept = [adder.name for adder in kept_adders(library)]
    run = run_yosys(
        [
            "read_verilog -sv design.v",
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept),
            f"synth -run begin:fine -top {design_name(top)}" + (" -flatten" if flatten else ""),
            # Plain names, so that single instances can be selected without escaping.
            *(f"rename -hide t:{name}" for name in kept),
            *(f"rename -enumerate -pattern {name}_% t:{name}" for name in kept),
            "write_rtlil coarse.il",
            "write_json coarse.json",
        ],
        inputs={"design.v": verilog},
    )
    while wasteful := wasteful_adders(run.netlists["coarse"], library):
        run = _dissolve(run, top, wasteful, kept)
    return run.rtlil["coarse"]


def _dissolve(run: YosysRun, top: str, wasteful: dict[str, list[str]], kept: list[str]) -> YosysRun:
    """Turn instances of adder modules into twins that are flattened, and optimise around their gates."""

    def twins() -> Iterator[str]:
        for module, instances in wasteful.items():
            yield f"copy {module} {module}_gates"
            yield f"setattr -mod -unset keep_hierarchy {module}_gates"
            for instance in instances:
                yield f"chtype -set {module}_gates {instance}"

    return run_yosys(
        [
            "read_rtlil coarse.il",
            "setattr -mod -set keep_hierarchy 1 *",
            *twins(),
            "flatten",
            "setattr -mod -unset keep_hierarchy *",
            *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in kept),
            f"hierarchy -top {design_name(top)}",
            "opt -full",
            "write_rtlil coarse.il",
            "write_json coarse.json",
        ],
        inputs={"coarse.il": run.rtlil["coarse"]},
    )


def _mapped(fine: str, library: Library, script: str, avoided: list[str]) -> YosysRun:
    liberty = " ".join(f"-liberty {quoted(path)}" for path in library.files)
    unused = " ".join(f"-dont_use {name}" for name in library.unusable)
    flops = " ".join(f"-dont_use {name}" for name in avoided)
    return run_yosys(
        [
            "read_rtlil fine.il",
            # By default Yosys tells one version of a library from another by the time of its file.
            f"libcache -scl -dir {quoted(cache_folder('abc', library.digest[:16]))}",
            f"dfflibmap {liberty} {unused} {flops}",
            "opt",
            f"abc {liberty} {unused} -script +{script}",
            "opt_clean",
            "write_json mapped.json",
            "flatten",
            "opt_clean",
            "write_json flat.json",
        ],
        inputs={"fine.il": fine},
    )


def _instances(netlist: Netlist, module: str) -> Iterator[str]:
    """The module and every module instance below it, once per instance."""
    yield module
    for cell in netlist["modules"][module]["cells"].values():
        if cell["type"] in netlist["modules"]:
            yield from _instances(netlist, cell["type"])


def _leaf_cells(netlist: Netlist, module: str, library: Library) -> Counter[str]:
    types = Counter(cell["type"] for cell in netlist["modules"][module]["cells"].values())
    found = Counter({name: n for name, n in types.items() if name not in netlist["modules"]})
    del found[_NOTHING]
    if unmapped := sorted(name for name in found if name not in library.cells):
        raise YosysError(
            f"Expected every cell of {module} to be in the library {library.name}, "
            f"it has none for {', '.join(unmapped)}."
        )
    return found
