"""The table of a language model on accumulators of several widths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["narrow_rows"]


def narrow_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A row for each recipe of `docs/data/axe_language.json`."""
    body = []
    for row in data["rows"]:
        recipe = row["recipe"]
        limit = "none" if recipe["inner_bits"] is None else f"{recipe['inner_bits']} bits"
        body.append(
            [
                f"W4A{recipe['activation_bits']}",
                limit,
                str(row["inner_bits"]),
                str(row["outer_bits"]),
                f"{row['perplexity']:.2f}",
                f"{row['kl']:.3f}",
                f"{row['top1']:.1%}",
            ]
        )
    headers = ["", "limit of a tile", "bits of a tile", "bits of a row", "perplexity", "KL, nats", "top-1"]
    return headers, body
