"""The table of docs/abq_language.md, from docs/data/abq_language.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ABQ_LANGUAGE_TABLES", "name_of"]

Row = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]


def name_of(row: Row) -> str:
    """Widths of a row, such as W2*A8."""
    recipe = row["recipe"]
    return f"W{recipe['weights']}A{recipe['activations']}"


def _rows(data: Row) -> Table:
    """Every pair and method, both texts; the best divergence of a pair and text in bold."""
    texts = list(data["float"])
    best = {
        (name, text): min(row["scores"][text]["kl"] for row in data["rows"] if name_of(row) == name)
        for name in map(name_of, data["rows"])
        for text in texts
    }
    body = []
    for row in data["rows"]:
        cells = [name_of(row).replace("*", r"\*"), row["method"], f"{row['bits_per_weight']:.3f}"]
        for text in texts:
            scores = row["scores"][text]
            kl = f"{scores['kl']:.4f}"
            cells += [
                _perplexity(scores["perplexity"]),
                f"**{kl}**" if scores["kl"] == best[name_of(row), text] else kl,
                f"{100 * scores['top1']:.1f}",
            ]
        body.append([*cells, f"{row['processor_seconds']:,}"])
    headers = ["", "method", "bits per weight"]
    for text in texts:
        headers += [f"{text}: perplexity", "KL, nats", "top-1, %"]
    return [*headers, "processor, s"], body


def _perplexity(value: float) -> str:
    return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"


ABQ_LANGUAGE_TABLES: dict[str, Callable[[Row], Table]] = {"abq-language": _rows}
"""What renders each table of the page: headers and rows."""
