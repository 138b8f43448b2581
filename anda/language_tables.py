"""The tables of docs/language.md, from the scores in docs/data/language.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from golden.bitplanes import Encoding

__all__ = ["BLOCKS", "ENCODINGS", "LANGUAGE_TABLES", "gains", "rows_of", "texts_of"]

Row = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]

ENCODINGS: dict[str, Encoding] = {"2a": "sign-magnitude", "2b": "twos-complement"}
"""The two formats of the contract, section 2, and their encodings."""

BLOCKS = (128, 64, 32)
"""Weights that share a scale, the contract's own number first."""

_NO_GAIN = "-"


def texts_of(data: Row) -> list[str]:
    """Names of the texts, in order."""
    return list(dict.fromkeys(row["text"] for row in data["rows"]))


def rows_of(data: Row, section: str, text: str, **facts: Any) -> list[Row]:
    """Rows of a section on a text, of which all these facts hold."""
    return [
        row
        for row in data["rows"]
        if row["section"] == section
        and row["text"] == text
        and all(row.get(key) == value for key, value in facts.items())
    ]


def _plane_rows(data: Row) -> Table:
    """Both encodings beside each other, planes by planes, text by text."""
    headers = ["text", "planes"]
    headers += [f"{name}: {what}" for what in ("KL", "top-1, %", "perplexity, %") for name in ENCODINGS]
    body = []
    for text in texts_of(data):
        base = _float(data, text)["perplexity"]
        found = {
            name: {row["planes"]: row for row in rows_of(data, "planes", text, encoding=name)}
            for name in ENCODINGS
        }
        for planes in sorted(set().union(*found.values())):
            pair = [rows.get(planes) for rows in found.values()]
            cells = [_kl(row) for row in pair] + [_top1(row) for row in pair]
            body.append([text, str(planes), *cells, *(_change(row, base) for row in pair)])
    return headers, body


def gains(data: Row, text: str) -> list[dict[str, int | None]]:
    """For each M of 2a, the fewest planes of 2b that are at least as good; None when none measured is.

    As good means: no larger divergence, no lower top-1 agreement, a perplexity no farther from that of the
    float model.
    """
    base = _float(data, text)["perplexity"]
    ours = sorted(rows_of(data, "planes", text, encoding="2b"), key=lambda row: int(row["planes"]))
    better: dict[str, Callable[[Row, Row], bool]] = {
        "kl": lambda our, their: our["kl"] <= their["kl"],
        "top1": lambda our, their: our["top1"] >= their["top1"],
        "perplexity": lambda our, their: abs(our["perplexity"] - base) <= abs(their["perplexity"] - base),
    }
    found = []
    for theirs in rows_of(data, "planes", text, encoding="2a"):
        needed = {
            key: next((our["planes"] for our in ours if as_good(our, theirs)), None)
            for key, as_good in better.items()
        }
        found.append({"mantissa": theirs["planes"] - 1, "planes": theirs["planes"], **needed})
    return found


def _gain_rows(data: Row) -> Table:
    """What 2b gains over 2a: planes at equal divergence, agreement and perplexity."""
    headers = ["text", "2a: M", "planes", "2b: planes at equal KL", "at equal top-1", "at equal perplexity"]
    body = []
    for text in texts_of(data):
        for row in gains(data, text):
            needed = [_saved(row["planes"], row[key]) for key in ("kl", "top1", "perplexity")]
            body.append([text, str(row["mantissa"]), str(row["planes"]), *needed])
    return headers, body


def _saved(planes: int | None, needed: int | None) -> str:
    if planes is None or needed is None:
        return _NO_GAIN
    return f"{needed} ({needed - planes:+d})"


def _weight_rows(data: Row) -> Table:
    """All 4-bit formats in the order of their divergence on the first text, and all blocks."""
    texts = texts_of(data)
    base = _float(data, texts[0])["perplexity"]
    shown = [(text, block) for text in texts for block in BLOCKS if rows_of(data, f"weights-{block}", text)]
    headers = ["format", "bits", "top-1, %", "perplexity, %"]
    headers += [f"{text}: KL, block {block}" for text, block in shown]
    kl = {(row["format"], row["text"], row["block"]): _kl(row) for row in data["rows"] if _is_weights(row)}
    body = []
    for row in sorted(rows_of(data, f"weights-{BLOCKS[0]}", texts[0]), key=lambda row: float(row["kl"])):
        name, own = row["format"], row["block"]
        cells = [f"`{name}`" + ("" if own == BLOCKS[0] else f", block {own}"), f"{row['bits']:.3f}"]
        cells += [_top1(row), _change(row, base)]
        for text, block in shown:
            # A format that fixes its block has one column.
            if own == BLOCKS[0] or block == BLOCKS[0]:
                cells.append(kl[name, text, min(own, block)])
            else:
                cells.append("")
        body.append(cells)
    return headers, body


def _is_weights(row: Row) -> bool:
    return str(row["section"]).startswith("weights-")


def _simple_rows(
    section: str, label: Callable[[Row], Sequence[str]], *headers: str
) -> Callable[[Row], Table]:
    """A table with the three scores of each text behind what `label` says of a row."""

    def rows(data: Row) -> Table:
        texts = [text for text in texts_of(data) if rows_of(data, section, text)]
        whats = [f"{text}: {what}" for text in texts for what in ("KL", "top-1, %", "perplexity, %")]
        found = {(row["plan"], row["text"]): row for row in data["rows"] if row["section"] == section}
        body = []
        for row in rows_of(data, section, texts[0]) if texts else []:
            cells = list(label(row))
            for text in texts:
                other = found[row["plan"], text]
                base = _float(data, text)["perplexity"]
                cells += [_kl(other), _top1(other), _change(other, base)]
            body.append(cells)
        return [*headers, *whats], body

    return rows


def _plan_label(row: Row) -> list[str]:
    planes = row["planes"]
    return [f"`{row['plan']}`", "" if planes is None else str(planes)]


def _format_label(row: Row) -> list[str]:
    return [f"`{row['format']}`", f"{row['bits']:.2f}"]


def _float_rows(data: Row) -> Table:
    """The float model on each text."""
    body = []
    for text in data["texts"]:
        perplexity = _float(data, text["name"])["perplexity"]
        source = f"{text['package']}, {text['licence']}"
        body.append([text["name"], text["description"], source, f"{text['tokens']:,}", f"{perplexity:.2f}"])
    return ["text", "what it is", "from", "tokens", "perplexity in floating point"], body


def _float(data: Row, text: str) -> Row:
    (row,) = rows_of(data, "float", text)
    return row


def _kl(row: Row | None) -> str:
    return "" if row is None else f"{row['kl']:.2g}" if row["kl"] < 0.001 else f"{row['kl']:.4f}"


def _top1(row: Row | None) -> str:
    return "" if row is None else f"{100 * row['top1']:.1f}"


def _change(row: Row | None, base: float) -> str:
    """How far the perplexity is from the float model's, in percent of that."""
    return "" if row is None else f"{100 * (row['perplexity'] / base - 1):+.2f}"


LANGUAGE_TABLES: dict[str, Callable[[Row], Table]] = {
    "language-float": _float_rows,
    "language-planes": _plane_rows,
    "language-gain": _gain_rows,
    "language-weights": _weight_rows,
    "language-activations": _simple_rows("activations", _format_label, "format", "bits"),
    "language-kv": _simple_rows("kv", _plan_label, "plan", "planes"),
    "language-together": _simple_rows("together", _plan_label, "plan", "planes"),
}
"""What renders each table of the page: headers and rows."""
