"""The tables of the documentation: measured into data files, written from them into the pages.

A data file records what it was measured with; a page holds each table between two comments that name it. The
test suite writes the tables again from the data and compares, so that no page says what no file holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from anda import fixture
from anda.abq_language_tables import ABQ_LANGUAGE_TABLES
from anda.abq_tables import ABQ_TABLES
from anda.accuracy import compare_encodings
from anda.axe_area import area_rows, sharing_rows
from anda.axe_tables import AXE_TABLES
from anda.comparison_tables import COMPARISON_TABLES
from anda.config import load
from anda.flow import synth
from anda.flow.library import Library
from anda.fpga_table import fpga_rows
from anda.generate import generate
from anda.language_check import check_rows
from anda.language_tables import LANGUAGE_TABLES
from anda.mac_table import PAPER, MacRow, read_rows
from anda.narrow_tables import narrow_rows
from anda.power_check import POWER_CHECK_TABLES
from anda.projection_table import projection_rows
from anda.proof_tables import PROOF_TABLES
from anda.search_tables import SEARCH_TABLES
from anda.system_efficiency_tables import EFFICIENCY_TABLES
from anda.system_tables import SYSTEM_TABLES
from anda.tops import tops
from anda.weight_tables import profile_rows, quantize_rows
from hdl.emit import tool_versions
from hdl.heap import AdderCells

__all__ = ["TABLES", "measure_accuracy", "measure_area", "read_data", "write_tables"]

_UNITS = {"um2": "µm²"}
#: Roles whose area is told.
_ROLES = ("pe", "column", "compressor", "accumulator")


def measure_area(libraries: Mapping[str, Library], report: Callable[[str], None]) -> dict[str, Any]:
    """Area of the components of both presets on each library.

    Parameters
    ----------
    libraries : mapping of str to Library
        By the short name that the table shows.
    report : callable
        Told about each synthesis before it runs.
    """
    rows = []
    for short, library in libraries.items():
        cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
        for preset in ("published", "compact"):
            design = load(preset)
            for top in tops(design, cells):
                if top.role not in _ROLES:
                    continue
                report(f"{preset} {top.role} on {short}")
                product = generate(design, top)
                found = synth.area(product.verilog, product.name, library)
                rows.append(
                    {
                        "design": preset,
                        "configuration_sha256": design.hash,
                        "component": top.role,
                        "elements": top.parameters.get("rows", 1),
                        "on": short,
                        **found.model_dump(mode="json", exclude={"cells", "modules", "kind"}),
                    }
                )
    return {"evidence": "synthesized", "tools": tool_versions(), "rows": rows}


def measure_accuracy() -> dict[str, Any]:
    """Both formats on the real activations that come with the project."""
    rows = [asdict(row) for row in compare_encodings(fixture.load())]
    return {"evidence": "computed", "tools": tool_versions(), "rows": rows}


def write_tables(page: str, data: Mapping[str, Any]) -> str:
    """The page with each table it names replaced by what the data say.

    Raises
    ------
    ValueError
        When the page names a table that does not exist.
    """

    def written(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in TABLES:
            raise ValueError(f"a page names a table {name!r}, but there are only {', '.join(TABLES)}")
        source, render = TABLES[name]
        return f"<!-- table: {name} -->\n{render(data[source])}\n<!-- end -->"

    return re.sub(r"<!-- table: (\S+) -->\n.*?<!-- end -->", written, page, flags=re.S)


def _area_table(data: Mapping[str, Any]) -> str:
    """One element as published and ours, and what each share of the other components costs."""
    rows = data["rows"]
    units = {row["on"]: _UNITS.get(row["library"]["area_unit"], row["library"]["area_unit"]) for row in rows}
    area = {(row["design"], row["component"], row["on"]): row["area"] / row["elements"] for row in rows}
    told = [
        ("processing element, `published`", "published", "pe"),
        ("processing element, `compact`", "compact", "pe"),
        ("the same with its share of the weight registers", "compact", "column"),
        ("accumulator, `published` (1 element)", "published", "accumulator"),
        ("accumulator, `compact` (4 elements)", "compact", "accumulator"),
        ("compressor lane, `published`", "published", "compressor"),
        ("compressor lane, `compact`", "compact", "compressor"),
    ]
    body = [[label, *(f"{area[design, role, name]:,.1f}" for name in units)] for label, design, role in told]
    ratios = [area["compact", "pe", name] / area["published", "pe", name] for name in units]
    body.insert(2, ["ratio of the two", *(f"**{ratio:.3f}**" for ratio in ratios)])
    return _markdown(["", *(f"{name}, {unit}" for name, unit in units.items())], body)


def _accuracy_table(data: Mapping[str, Any]) -> str:
    """Ratio of signal to quantization noise, projection by projection."""
    rows = data["rows"]
    lengths = list(dict.fromkeys(row["length"] for row in rows))
    found = {(row["projection"], row["length"]): row for row in rows}
    body = []
    for name in dict.fromkeys(row["projection"] for row in rows):
        for label, key in (("2a", "published_db"), ("2b", "compact_db")):
            body.append([f"{name}, {label}", *(f"{found[name, length][key]:.2f}" for length in lengths)])
        body.append(["difference", *(f"{found[name, length]['difference_db']:+.2f}" for length in lengths)])
    return _markdown(["dB", *(f"{n} bits" for n in lengths)], body)


def _mac_table(data: Mapping[str, Any]) -> str:
    """The bit-parallel unit on each library."""
    found = {on: read_rows(data, on) for on in data["libraries"]}
    first = next(iter(found.values()))
    body = []
    for name, row in first.items():
        cells = [f"`{name}`", f"{row.sqnr_db:.2f}", str(row.accumulator_bits)]
        for rows in found.values():
            own = rows[name]
            areas = (own.multiplier, own.accumulator, own.mac)
            cells += [*(f"{area:,.0f}" for area in areas), _overhead(own.mac_overhead)]
        body.append(cells)
    headers = ["", "SQNR, dB", "accumulator bits"]
    for on, unit in _units(data).items():
        headers += [f"{on}: multiplier, {unit}", "accumulator", "MAC", "overhead"]
    return _markdown(headers, body)


def _mac_element_table(data: Mapping[str, Any]) -> str:
    """The same formats as weights of the bit-serial element, on each library."""
    found = {on: read_rows(data, on) for on in data["libraries"]}
    first = next(iter(found.values()))
    body = []
    for name, row in first.items():
        cells = [f"`{name}`", f"{row.sqnr_db:.2f}", str(row.level_bits)]
        for rows in found.values():
            cells += _element_cells(rows[name])
        body.append(cells)
    headers = ["", "SQNR, dB", "level bits"]
    for on, unit in _units(data).items():
        headers += [f"{on}: element, {unit}", "registers", "decoders", "share of decoders", "overhead"]
    return _markdown(headers, body)


def _element_cells(row: MacRow) -> list[str]:
    if row.element is None or row.registers is None or row.decoders is None:
        return ["too wide", *["-"] * 4]
    areas = (row.element, row.registers, row.decoders)
    return [
        *(f"{area:,.0f}" for area in areas),
        f"{row.decoder_share or 0:.1%}",
        _overhead(row.element_overhead or 0),
    ]


def _mac_paper_table(data: Mapping[str, Any]) -> str:
    """Published units in the order of their area, and what the same formats cost here."""
    found = {on: read_rows(data, on) for on in data["libraries"]}
    names = sorted(PAPER, key=lambda name: PAPER[name].mac)
    places = {on: sorted(names, key=lambda name: rows[name].mac) for on, rows in found.items()}
    body = []
    for place, name in enumerate(names, start=1):
        paper = PAPER[name]
        exact = next(iter(found.values()))[name].accumulator_bits
        widths = (
            f"{paper.accumulator_bits}"
            if paper.accumulator_bits == exact
            else (f"{paper.accumulator_bits}, exact **{exact}**")
        )
        cells = [
            f"`{name}`",
            widths,
            f"{paper.mac:.1f}",
            _overhead(paper.mac / PAPER["int4"].mac - 1),
            str(place),
        ]
        for on, rows in found.items():
            cells += [_overhead(rows[name].mac_overhead), str(places[on].index(name) + 1)]
        body.append(cells)
    headers = ["", "accumulator bits", "paper: MAC, µm²", "overhead", "place"]
    for on in found:
        headers += [f"{on}: overhead", "place"]
    return _markdown(headers, body)


def _units(data: Mapping[str, Any]) -> dict[str, str]:
    units = {on: library["area_unit"] for on, library in data["libraries"].items()}
    return {on: _UNITS.get(unit, unit) for on, unit in units.items()}


def _overhead(ratio: float) -> str:
    return f"{ratio:+.1%}"


def _speed_table(data: Mapping[str, Any]) -> str:
    """Rates of the golden model beside a peer of the same run."""
    body = [
        [
            row["name"],
            f"{row['rate']:,.1f} {row['unit']}",
            f"{row['target']:,.1f}",
            f"{row['times_slower']:.2f}",
            f"{row['peer']}: {row['peer_rate']:,.1f}",
        ]
        for row in data["measurements"]
    ]
    return _markdown(["what", "rate", "asked", "times slower", "peer in the same run"], body)


def _markdown(headers: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headers) + " |", "|---" + "|--:" * (len(headers) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def _written(
    rows: Callable[[Mapping[str, Any]], tuple[list[str], list[list[str]]]], data: Mapping[str, Any]
) -> str:
    return _markdown(*rows(data))


#: For each table the data file it is written from, and the function that writes it.
TABLES: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "area": ("area", _area_table),
    "accuracy": ("accuracy", _accuracy_table),
    "speed": ("bench", _speed_table),
    "mac": ("mac", _mac_table),
    "mac-element": ("mac", _mac_element_table),
    "mac-paper": ("mac", _mac_paper_table),
    "profile": ("profile", lambda data: _markdown(*profile_rows(data))),
    "axe-language": ("axe_language", lambda data: _markdown(*narrow_rows(data))),
    "axe-area": ("axe_area", lambda data: _markdown(*area_rows(data))),
    "axe-sharing": ("axe_area", lambda data: _markdown(*sharing_rows(data))),
    "quantize": ("quantize", lambda data: _markdown(*quantize_rows(data))),
    "llm-check": ("llm_check", partial(_written, check_rows)),
    "fpga": ("fpga", partial(_written, fpga_rows)),
    "projection": ("projection", partial(_written, projection_rows)),
    **{name: (source, partial(_written, rows)) for name, (source, rows) in ABQ_TABLES.items()},
    **{name: ("abq_language", partial(_written, rows)) for name, rows in ABQ_LANGUAGE_TABLES.items()},
    **{name: ("axe", partial(_written, rows)) for name, rows in AXE_TABLES.items()},
    **{name: (source, partial(_written, rows)) for name, (source, rows) in COMPARISON_TABLES.items()},
    **{name: ("language", partial(_written, rows)) for name, rows in LANGUAGE_TABLES.items()},
    **{name: ("power", partial(_written, rows)) for name, rows in POWER_CHECK_TABLES.items()},
    **{name: ("proofs", partial(_written, rows)) for name, rows in PROOF_TABLES.items()},
    **{name: ("search", partial(_written, rows)) for name, rows in SEARCH_TABLES.items()},
    **{name: ("system_cycles", partial(_written, rows)) for name, rows in SYSTEM_TABLES.items()},
    **{name: ("system", partial(_written, rows)) for name, rows in EFFICIENCY_TABLES.items()},
}


def read_data(directory: Path) -> dict[str, Any]:
    """The data files of the documentation, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}
