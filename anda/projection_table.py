"""The table of docs/projection.md, from docs/data/projection.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["projection_rows"]


def projection_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Each product with the counters of the accelerator."""
    headers = ["matrix", "N x K x C", "planes", "results compared", "cycles", "cycle model", "beats"]
    headers += ["check", "weights", "sums", "MAC a cycle", "of", "array busy"]
    body = [
        [
            f"`{row['tensor']}`",
            f"{row['n']} x {row['k']} x {row['c']}",
            str(row["planes"]),
            *(f"{row[name]:,}" for name in ("results", "cycles", "model_cycles", "beats", "check")),
            *(f"{row['stalls'][reason]:,}" for reason in ("weights", "sums")),
            f"{row['macs_per_cycle']:,.1f}",
            f"{row['peak_macs_per_cycle']:,.1f}",
            f"{row['utilization']:.2%}",
        ]
        for row in data["rows"]
    ]
    return headers, body
