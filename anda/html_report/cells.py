"""Tables of the documentation as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

__all__ = ["html_table", "inline", "parse_markdown"]

_CODE = re.compile(r"`([^`]*)`")
_MARKS = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    # Links of the documentation lead to its other pages, which this one does not have.
    (re.compile(r"\[([^\]]+)\]\([^)]+\)"), r"\1"),
    (re.compile(r"\\([*_`|\\])"), r"\1"),
)
_NUMBER = re.compile(r"^[\s*]*[-+±]?[\d.,]+(e[-+]?\d+)?\s*(%|x|[a-zµ²]{1,6})?[\s*]*$|^-?$")
_PAPER = re.compile(r"\bpaper\b", re.IGNORECASE)
#: Characters up to which the cells of a column are not broken into lines.
_SHORT = 40
_CLAIM = '<span class="badge paper">paper\'s claim</span>'


def inline(text: str) -> str:
    """Code, emphasis and links of one cell or sentence of Markdown.

    >>> inline("**2** `x<y`")
    '<strong>2</strong> <code>x&lt;y</code>'
    """
    codes: list[str] = []

    def kept(match: re.Match[str]) -> str:
        codes.append(f"<code>{escape(match[1], quote=False)}</code>")
        return f"\0{len(codes) - 1}\0"

    out = escape(_CODE.sub(kept, text), quote=False)
    for mark, put in _MARKS:
        out = mark.sub(put, out)
    return re.sub(r"\0(\d+)\0", lambda match: codes[int(match[1])], out)


def parse_markdown(table: str) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of a table as `anda.tables` writes it.

    Raises
    ------
    ValueError
        When it is none, or a row has another number of cells than the header.
    """
    lines = [line for line in table.splitlines() if line.strip()]
    if len(lines) < 2 or not re.fullmatch(r"[|\s:-]+", lines[1]):
        raise ValueError("expected a table of Markdown, its second line is no rule")
    headers, *rows = [_cells(line) for at, line in enumerate(lines) if at != 1]
    for row in rows:
        if len(row) != len(headers):
            raise ValueError(f"expected {len(headers)} cells as in the header, a row has {len(row)}: {row}")
    return headers, rows


def html_table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> str:
    """A table that scrolls by itself when it is too wide; what a paper claims is marked as such."""
    claimed = [bool(_PAPER.search(header)) for header in headers]
    short = [max((len(row[at]) for row in rows), default=0) <= _SHORT for at in range(len(headers))]
    numeric = [all(_NUMBER.match(row[at]) for row in rows) for at in range(len(headers))]
    head = "".join(
        f'<th scope="col"{_class(claimed[at], numeric[at])}>{inline(header)}{_CLAIM * claimed[at]}</th>'
        for at, header in enumerate(headers)
    )
    body = []
    for row in rows:
        own = bool(_PAPER.search(row[0])) and not claimed[0]
        cells = [
            f'<th scope="row"{_class(own, numeric[0], short[0])}>{inline(row[0])}{_CLAIM * own}</th>',
            *(
                f"<td{_class(own or claimed[at], numeric[at], short[at])}>{inline(cell)}</td>"
                for at, cell in enumerate(row)
                if at
            ),
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _class(claimed: bool, numeric: bool, short: bool = False) -> str:
    marks = (("claimed", claimed), ("number", numeric), ("short", short and not numeric))
    names = [name for name, holds in marks if holds]
    return f' class="{" ".join(names)}"' if names else ""


def _cells(line: str) -> list[str]:
    """What stands between the bars, which may also be part of a code or escaped."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]
