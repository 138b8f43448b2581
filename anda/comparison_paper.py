"""The paper's table of elements beside ours: area and power of one element (Anda, HPCA 2025, figure 15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anda.comparison_tables import PAPER_PEERS, Rows

__all__ = ["PAPER_ELEMENTS", "PAPER_TABLES", "name_rows", "paper_rows"]

Table = tuple[list[str], list[list[str]]]
Data = Mapping[str, Any]
Row = Mapping[str, Any]

PAPER_ELEMENTS: dict[str, tuple[float, float]] = {
    "fp-fp": (1.00, 1.00),
    "fp-int": (0.63, 0.52),
    "ifpu": (0.26, 0.28),
    "figna": (0.18, 0.17),
    "figna-m11": (0.15, 0.12),
    "figna-m8": (0.12, 0.10),
    "published": (0.23, 0.20),
}
"""Area and power over FP-FP's.

The paper's law `efficiency * (M + 1) = constant` makes Anda's those of an element that takes a group in 16
cycles: 4 multiply-accumulates a cycle, as in all others.
"""

_BITS = 10
"""Mantissa bits of the groups whose power is told: the most that `compact` takes."""

_MISSING = "-"
_OURS = (("`compact`", "own"), ("`compact`, registers shared, as in FP-FP", "shared"))


def paper_rows(data: Data) -> Table:
    """Area and power of one element over those of FP-FP's, own registers in every element if not said.

    Power is that of an element at work at the common clock, whatever it gets done.
    """
    rows = Rows(data)
    body = []
    for name, (area, power) in PAPER_ELEMENTS.items():
        label = PAPER_PEERS[name][0] if name in PAPER_PEERS else "Anda: `published`"
        cells = [label, f"{area:.2f}", f"{power:.2f}"]
        for on in rows.real:
            cells += _over(_element(rows, on, name, "own"), rows.get(on, "fp-fp", "own"))
        body.append(cells)
    for label, accounting in _OURS:
        cells = [label, "", ""]
        for on in rows.real:
            cells += _over(_element(rows, on, "compact", accounting), rows.get(on, "fp-fp", accounting))
        body.append(cells)
    body.append(_anda_over_figna(rows))
    headers = [f"{on}: {what}" for on in rows.real for what in ("area", "power")]
    return ["", "paper: area", "power", *headers], body


def _anda_over_figna(rows: Rows) -> list[str]:
    """The one ratio that does not depend on FP-FP."""
    (area, power), (figna_area, figna_power) = PAPER_ELEMENTS["published"], PAPER_ELEMENTS["figna"]
    cells = ["`published` over FIGNA", f"{area / figna_area:.2f}", f"{power / figna_power:.2f}"]
    for on in rows.real:
        cells += _over(_element(rows, on, "published", "own"), rows.get(on, "figna", "own"))
    return cells


def _element(rows: Rows, on: str, name: str, accounting: str) -> Row | None:
    """A peer, or a preset at work on groups of so many bits."""
    if name in ("published", "compact"):
        return rows.anda(on, name, accounting, _BITS)
    return rows.get(on, name, accounting)


def _over(row: Row | None, base: Row | None) -> list[str]:
    """Area and power of an element over another's."""
    if row is None or base is None:
        return [_MISSING, _MISSING]
    energies = row["energy"], base["energy"]
    power = _MISSING if None in energies else f"{energies[0]['power_w'] / energies[1]['power_w']:.2f}"
    return [f"{row['area'] / base['area']:.2f}", power]


def name_rows(data: Data) -> Table:
    """Everything that was measured, by the name that measures it again."""
    found: dict[str, list[Row]] = {}
    for row in data["rows"]:
        found.setdefault(row["name"], []).append(row)
    body = []
    for name, rows in found.items():
        planes = sorted({row["planes"] for row in rows} - {0})
        told = f"{planes[0]} to {planes[-1]}" if planes else ""
        body.append([f"`{name}`", rows[0]["title"], rows[0]["kind"], told])
    return ["name", "what it is", "kind", "planes of a group"], body


#: For each table the data file it is written from, and its rows.
PAPER_TABLES: Mapping[str, tuple[str, Callable[[Data], Table]]] = {
    "comparison-paper": ("comparison", paper_rows),
    "comparison-names": ("comparison", name_rows),
}
