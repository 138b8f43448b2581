"""The tables of docs/search.md, from the answers in docs/data/search.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["SEARCH_TABLES", "chosen", "title"]

Row = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]

_GOALS = {"bops": "bit operations", "cycles": "cycles", "traffic": "memory", "energy": "energy"}
_KINDS = ("qkv", "o", "up_gate", "down")


def chosen(data: Row, **facts: Any) -> list[Row]:
    """Searches of which all these facts hold."""
    return [row for row in data["searches"] if all(row[key] == value for key, value in facts.items())]


def title(row: Row) -> str:
    """A search in few words."""
    return f"{row['encoding']} {row['method']}, {'layers' if row['per_layer'] else 'kinds'}"


def _search_rows(data: Row, delta: float) -> Table:
    """Searches for bit operations at one tolerance: effort, savings, and accuracy on both parts."""
    headers = ["tolerance on", "search", "qkv o up_gate down", "evaluations", "effort", "s"]
    headers += ["bit operations", "cycles", "KL", "unseen: KL", "top-1, %", "perplexity, %"]
    body = []
    for row in chosen(data, delta=delta, goal="bops"):
        limit = f"{row['metric']} ≤ {row['limit']:.4g}" + (f", as {row['kl_of']}'s" if row["kl_of"] else "")
        best = row["best"]
        answer = [_lengths(best), *_effort(row), *_found(data, best)] if best else ["none", *_effort(row)]
        body.append([limit, title(row), *answer, *["-"] * (len(headers) - 2 - len(answer))])
    return headers, body


def _goal_rows(data: Row) -> Table:
    """What each objective is worth: savings of the combinations found for it, by all four."""
    headers = ["searched for", "mean lengths", *_GOALS.values(), "KL"]
    body = []
    for row in chosen(data, encoding="2b", per_layer=True, metric="kl", kl_of=None):
        if row["delta"] == data["searches"][0]["delta"] and (best := row["best"]) is not None:
            savings = [f"{best['savings'][goal]:.3f}" for goal in _GOALS]
            body.append([_GOALS[row["goal"]], _lengths(best), *savings, f"{best['calibration']['kl']:.5f}"])
    return headers, body


def _uniform_rows(data: Row) -> Table:
    """The same length everywhere, both encodings at the same length: M of 2a beside P = M of 2b."""
    headers = ["length"]
    headers += [
        f"{name}: {what}" for name in ("2a", "2b") for what in ("planes", "cycles", "KL", "perplexity, %")
    ]
    found = {(row["encoding"], row["length"]): row for row in data["uniform"]}
    body = []
    for length in sorted({length for _, length in found}):
        cells = [str(length)]
        for name in ("2a", "2b"):
            row = found[name, length]
            scores = row["held_out"]
            planes = length + (name == "2a")
            cells += [
                str(planes),
                f"{row['savings']['cycles']:.2f}",
                f"{scores['kl']:.5f}",
                _change(data, scores),
            ]
        body.append(cells)
    return headers, body


def _effort(row: Row) -> list[str]:
    return [str(row["evaluations"]), f"{row['effort']:.1f}", f"{row['seconds']:.0f}"]


def _found(data: Row, best: Row) -> list[str]:
    savings = best["savings"]
    unseen = best["held_out"]
    return [
        f"{savings['bops']:.3f}",
        f"{savings['cycles']:.3f}",
        f"{best['calibration']['kl']:.5f}",
        f"{unseen['kl']:.5f}",
        f"{100 * unseen['top1']:.1f}",
        _change(data, unseen),
    ]


def _lengths(best: Row) -> str:
    """The lengths of the kinds, or their means over the layers."""
    numbers = [[int(n) for n in best["lengths"][kind].split()] for kind in _KINDS]
    if all(len(own) == 1 for own in numbers):
        return " ".join(str(own[0]) for own in numbers)
    return " ".join(f"{sum(own) / len(own):.2f}" for own in numbers)


def _change(data: Row, scores: Row) -> str:
    """Perplexity against the float model's on the same part."""
    return f"{100 * (scores['perplexity'] / data['float']['held_out']['perplexity'] - 1):+.2f}"


SEARCH_TABLES: dict[str, Callable[[Row], Table]] = {
    "search-1": lambda data: _search_rows(data, 0.01),
    "search-01": lambda data: _search_rows(data, 0.001),
    "search-goals": _goal_rows,
    "search-uniform": _uniform_rows,
}
"""For each table what makes its headers and rows of the data."""
