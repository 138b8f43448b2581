"""The comparison of elements: areas, paths, energies, each measured once and kept; rows made of them.

`docs/data/comparison.json` holds what `Comparison.data` returns:

- `tools`, `recipe`, `timing` (whose delays), `rows_of_an_array`;
- `libraries`: by name `area_unit`, `sha256`, `clock_mhz` (the common clock; null where delays are no times);
- `parts`: by library and Verilog module `what`, `serves`, `area`, `cells`, `flops`, `delay`, `delay_unit`,
  `verilog_sha256`, `recipe`, and `power`: by element and planes ("0" without planes) the fields `ENERGIES` in
  fJ for each multiply-accumulate of all `serves` elements that the part serves, `leakage_w` and `results`,
  the number of results that were compared with the golden model;
- `rows`: one for each library, element (`name`, `title`, `source`, `kind`), accounting of weight registers
  (`accounting`: "shared" by 16 rows or "own") and number of planes (`planes`, 0 without planes;
  `mantissa_bits`, M of the paper at equal accuracy). `macs_per_cycle` of one element; `area` of the element
  with its shares; `area_per_mac`: over `macs_per_cycle`; `delay` in `delay_unit`, the longest path of its
  parts, where what leads into the element is in front of its own; `mhz` (null where delays are no times);
  `meets_clock`; `energy`: null, or `dynamic_fj`, `clock_fj`, `glitch_fj`, `leakage_fj` and `total_fj` for one
  multiply-accumulate at the common clock, and `power_w` of one element; `made_of`: module and share;
  `command` that measures the row again;
- `converters`: for each library and element with converters `converter`, `module`, `area`, `delay`, and
  `share_of_array`: its part of the area of an array of 16 x 16 elements with shared weight registers.

Rows are there as soon as all their parts are, so that a file of an interrupted run is a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anda.comparison_rows import comparison_rows, converter_rows
from anda.comparison_subjects import ROWS, Part, Subject
from anda.flow.library import Library
from anda.flow.netlist import read_netlist
from anda.flow.power import PowerMeter
from anda.flow.recipe import RECIPE, Mapped, map_to_library, netlist_area
from anda.flow.timing import longest_path
from anda.flow.yosys import tool_versions
from anda.kept import Kept, sources_sha256
from hdl.emit import emit_verilog
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from sim.replay_data import Replay

__all__ = ["CLOCKS_MHZ", "ENERGIES", "Comparison"]

CLOCKS_MHZ = {"sky130": 40.0, "ASAP7": 150.0, "SG13G2": 40.0}
"""Common clock by the name of a library."""

_CLOCK_MHZ = 40.0

ENERGIES = (
    "dynamic_fj_per_mac",
    "switching_fj_per_mac",
    "inputs_fj_per_mac",
    "logic_fj_per_mac",
    "flops_fj_per_mac",
    "clock_fj_per_mac",
    "glitch_fj_per_mac",
)
"""Fields of a part's power, as `anda.flow.power.PowerReport` has them."""

#: Modules that decide what a replay costs on a netlist.
_POWER_SOURCES = tuple(
    f"anda.flow.{name}" for name in ("activity", "netlist", "power", "power_sum", "power_tables", "timing")
)


@dataclass
class Comparison:
    """A comparison under way.

    Attributes
    ----------
    libraries : mapping of str to Library
        By the name that rows carry.
    kept : Kept
        Netlists and energies of earlier runs.
    report : callable
        Told about each run of tools before it begins.
    clocks_mhz : mapping of str to float
        Common clock by the name of a library.
    parts : dict
        What was found so far, by library and module.
    """

    libraries: Mapping[str, Library]
    kept: Kept
    report: Callable[[str], None] = lambda _: None
    clocks_mhz: Mapping[str, float] = field(default_factory=lambda: CLOCKS_MHZ)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    _verilog: dict[str, str] = field(default_factory=dict)

    def measure(
        self,
        on: str,
        subject: Subject,
        *,
        planes: Sequence[int] | None = None,
        power: bool = True,
        converters: bool = True,
    ) -> None:
        """Measure all parts of a subject on a library.

        Parameters
        ----------
        on
            The library's name.
        subject
        planes
            For energies: only these numbers of planes, of those that the subject has.
        power
            Whether to replay, where the library has energies.
        converters
            Whether to synthesize its converters as well.

        Raises
        ------
        ValueError
            A component cannot be mapped, or computes anything but the golden results.
        """
        self.subjects.setdefault(subject.name, subject)
        wanted = [p for p in subject.planes if planes is None or p in planes]
        parts = [use.part for use in subject.uses("own")]
        for part in parts + [use.part for use in subject.converters if converters]:
            self._measure(
                on, subject.name, part, wanted if power and has_energies(self.libraries[on]) else []
            )

    def take_over(self, data: Mapping[str, Any]) -> None:
        """Keep the areas of `docs/data/area.json`: those of the same Verilog, library, recipe and tools."""
        for row in data["rows"]:
            path = row["longest_path"]
            recipe, _, _ = row["recipe"].partition(":")
            content = {
                "verilog": row["verilog_sha256"],
                "library": sorted(row["library"]["sha256"].values()),
                "recipe": recipe,
                "tools": row["tools"],
            }
            area = {
                "area": row["area"],
                "cells": row["cell_count"],
                "flops": row["flops"],
                "delay": path["delay"],
                "delay_unit": path["unit"],
                "recipe": row["recipe"],
            }
            self.kept.put({"kind": "area", **content}, area)

    def data(self) -> dict[str, Any]:
        """Everything found so far, as the data file has it."""
        libraries = {
            on: {
                "area_unit": library.area_unit,
                "sha256": library.sha256,
                "clock_mhz": self._clock(on) if library.time_unit != "tau" else None,
            }
            for on, library in self.libraries.items()
        }
        found = {
            "evidence": "synthesized; energies simulated on the mapped netlist",
            "tools": tool_versions(),
            "recipe": RECIPE,
            "timing": "anda.flow.timing",
            "rows_of_an_array": ROWS,
            "libraries": libraries,
            "parts": self.parts,
        }
        rows = list(comparison_rows(found, self.subjects.values()))
        return {**found, "rows": rows, "converters": list(converter_rows(found, self.subjects.values()))}

    def _clock(self, on: str) -> float:
        return self.clocks_mhz.get(on, _CLOCK_MHZ)

    def _measure(self, on: str, name: str, part: Part, planes: Sequence[int]) -> None:
        library = self.libraries[on]
        cells = cells_for(library)
        component = part.component(cells)
        top = component.module_name
        found = self.parts.setdefault(on, {}).setdefault(top, {})
        wanted = planes if part.replay else []
        if found and all(str(count) in found["power"].get(name, {}) for count in wanted):
            return
        verilog = self._verilog.get(top) or emit_verilog(component)
        self._verilog[top] = verilog
        content = self._content(verilog, library)
        if not found:
            area = self.kept.get({"kind": "area", **content})
            if area is None:
                area = _area(top, self._mapped(content, component, verilog, on), library)
                self.kept.put({"kind": "area", **content}, area)
            found |= {"what": part.what, "serves": part.serves, **area, "verilog_sha256": content["verilog"]}
            found["power"] = {}
        if part.replay is None:
            return
        power = found["power"].setdefault(name, {})
        meter: PowerMeter | None = None
        for count in planes:
            if str(count) in power:
                continue
            replay = part.replay(cells, count)
            key = {
                "kind": "power",
                **content,
                "replay": _replay_sha256(replay),
                "sources": sources_sha256(*_POWER_SOURCES),
            }
            energies = self.kept.get(key)
            if energies is None:
                if meter is None:
                    mapped = self._mapped(content, component, verilog, on)
                    meter = PowerMeter(component, library, mapped=mapped)
                self.report(f"power of {top} on {on}, {count} planes")
                energies = _energies(meter, replay)
                self.kept.put(key, energies)
            power[str(count)] = energies

    def _mapped(self, content: Mapping[str, Any], component: NamedComponent, verilog: str, on: str) -> Mapped:
        """The netlist, as kept or from a run of Yosys."""
        kept = self.kept.get({"kind": "netlist", **content})
        if kept is not None:
            return Mapped(**kept)
        self.report(f"{component.module_name} on {on}")
        mapped = map_to_library(verilog, component.module_name, self.libraries[on], flatten=True)
        self.kept.put({"kind": "netlist", **content}, vars(mapped))
        return mapped

    def _content(self, verilog: str, library: Library) -> dict[str, Any]:
        return {
            "verilog": hashlib.sha256(verilog.encode()).hexdigest(),
            "library": sorted(library.sha256.values()),
            "recipe": RECIPE,
            "tools": tool_versions(),
        }


def cells_for(library: Library) -> AdderCells:
    """The adder cells that a library has."""
    return AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN


def has_energies(library: Library) -> bool:
    """Whether it describes a real process, so that power can be asked of it."""
    return library.time_unit != "tau"


def _area(top: str, mapped: Mapped, library: Library) -> dict[str, Any]:
    netlist = read_netlist(mapped.flat, top, library)
    path = longest_path(mapped.flat, top, library)
    return {
        "area": netlist_area(mapped.flat, top, library),
        "cells": netlist.cells,
        "flops": sum(len(group.names) for group in netlist.flops),
        "delay": path.delay if path else 0.0,
        "delay_unit": path.unit if path else library.time_unit,
        "recipe": f"{RECIPE}: {mapped.choice}",
    }


def _energies(meter: PowerMeter, replay: Replay) -> dict[str, Any]:
    """Energies do not depend on the clock, so any will do."""
    report = meter.measure(replay, 1e6)
    names = (*ENERGIES, "leakage_w", "results", "macs", "cycles", "runs")
    return {name: getattr(report, name) for name in names}


def _replay_sha256(replay: Replay) -> str:
    digest = hashlib.sha256()
    for name, bits in sorted(replay.inputs.items()):
        digest.update(f"{name} {bits.shape} ".encode() + np.packbits(bits).tobytes())
    for result in replay.results:
        digest.update(repr((result.valid, result.data, result.low, result.bits)).encode())
        digest.update(np.ascontiguousarray(result.values, dtype=np.int64).tobytes())
    digest.update(str(replay.macs).encode())
    return digest.hexdigest()
