"""Tables of the theorems, from what `scripts/measure_proofs.py` found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

__all__ = ["PROOF_TABLES"]


def _rows(about: str, data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A row for each theorem, and in its last cell the twins that fail."""
    rows = [row for row in data["rows"] if row["about"] == about]
    twins: dict[str, list[str]] = {}
    for row in rows:
        if row["twin_of"] is not None:
            name, theorem = row["name"], row["twin_of"]
            fault = name.removeprefix(theorem) if name.startswith(theorem) else name.rpartition(" ")[2]
            twins.setdefault(theorem, []).append(fault.strip())
    body = [
        [
            f"`{row['name']}`",
            row["statement"],
            f"{row['engine']}, {row['depth']}",
            f"{row['cpu_seconds']:.1f}",
            ", ".join(twins.get(row["name"], [])) or "-",
        ]
        for row in rows
        if row["twin_of"] is None
    ]
    return ["", "statement", "engine, depth", "CPU seconds", "twins that fail"], body


#: By the name that a page gives.
PROOF_TABLES: dict[str, Callable[[Mapping[str, Any]], tuple[list[str], list[list[str]]]]] = {
    "proofs": partial(_rows, "accumulators"),
    "proofs-parts": partial(_rows, "parts"),
    "proofs-binary": partial(_rows, "binary"),
}
