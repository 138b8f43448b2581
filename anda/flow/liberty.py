"""A tolerant reader of Liberty files: groups, attributes, and nothing it was not asked for.

Liberty is a tree of groups ``name (args) { attributes and groups }``. Nine tenths of a real file are
timing and power tables that a question about areas and functions never looks at, so the reader can
leave named groups out: it hops over them by counting braces. The five ASAP7 files (46 MB) take half a
second so, and some fifteen with `liberty-parser` from PyPI, which reads everything.

The expression language of ``function`` attributes is in `anda.flow.logic`, the cells built from the
groups in `anda.flow.library`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = [
    "FEMTOFARADS",
    "PICOSECONDS",
    "TABLE_GROUPS",
    "Group",
    "LibertyError",
    "numbers",
    "parse_liberty",
    "unit_size",
]

#: Units of time in picoseconds, and of capacitance in femtofarads.
PICOSECONDS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6}
FEMTOFARADS = {"af": 1e-3, "ff": 1.0, "pf": 1e3, "nf": 1e6}

#: Groups that only timing and power need, left out when cells and functions are all one wants.
TABLE_GROUPS = frozenset(
    {
        "timing",
        "internal_power",
        "leakage_power",
        "lu_table_template",
        "power_lut_template",
        "normalized_driver_waveform",
        "output_current_template",
        "receiver_capacitance",
    }
)

_STATEMENT = re.compile(
    r"""[\s;\\]*(?:
        (?P<name>[A-Za-z_][\w.]*)\s*(?:
            \(\s*(?P<args>(?:"[^"]*"|[^()"])*)\)\s*(?P<open>\{)?
          | :[\s\\]*(?P<value>"[^"]*"|[^;{}\n]*)
        )
      | (?P<close>\})
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_BRACE = re.compile(r"[{}]")
_STRING_OR_COMMENT = re.compile(r'"[^"]*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_ARGUMENT = re.compile(r'"([^"]*)"|([^\s,"\\]+)')


class LibertyError(ValueError):
    """A Liberty file that cannot be read; the message says what was expected and on which line."""


@dataclass
class Group:
    """One Liberty group.

    Attributes
    ----------
    kind
        ``library``, ``cell``, ``pin``, ``timing`` and so on.
    args
        The words between the parentheses, without quotes.
    attributes
        Simple attributes (``area : 3.75;``) as their text without quotes.
    lists
        Complex attributes (``capacitive_load_unit (1, ff);``) as their arguments.
    groups
        Groups inside, in the order of the file, without those that were left out.
    """

    kind: str
    args: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    @property
    def name(self) -> str:
        """First word between the parentheses, empty if there is none."""
        return self.args[0] if self.args else ""

    def children(self, *kinds: str) -> Iterator[Group]:
        """Groups inside of one of the given kinds, in the order of the file."""
        return (group for group in self.groups if group.kind in kinds)

    def number(self, attribute: str, default: float = 0.0) -> float:
        """A simple attribute as a number; `default` where it is absent or no number."""
        try:
            return float(self.attributes[attribute])
        except (KeyError, ValueError):
            return default

    def flag(self, attribute: str) -> bool:
        """Whether a simple attribute is present and true."""
        return self.attributes.get(attribute, "false").lower() in ("true", "1")


def parse_liberty(
    text: str,
    *,
    leave_out: frozenset[str] = TABLE_GROUPS,
    cells: frozenset[str] | None = None,
    source: str = "text",
) -> Group:
    """Read the text of one Liberty file.

    Parameters
    ----------
    text
        Contents of the file.
    leave_out
        Kinds of groups to hop over with everything inside.
    cells
        Names of the cells to read; all by default.
    source
        How error messages call the file.

    Returns
    -------
    Group
        The ``library`` group.

    Raises
    ------
    LibertyError
        When the text holds no library, or its braces do not match.
    """
    text = _without_comments(text)
    root = Group("file", ())
    stack = [root]
    position = 0
    while True:
        match = _STATEMENT.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise LibertyError(
                f"{source}, line {_line(text, start)}: expected a Liberty statement, "
                f"got {text[start : start + 40].splitlines()[0]!r}."
            )
        position = match.end()
        if match["close"]:
            if len(stack) == 1:
                raise LibertyError(f"{source}, line {_line(text, position)}: '}}' without its '{{'.")
            stack.pop()
        elif match["end"] is not None:
            break
        elif match["args"] is None:
            stack[-1].attributes[match["name"]] = match["value"].strip().strip('"')
        elif match["open"]:
            group = Group(match["name"], _arguments(match["args"]))
            skipped_cell = cells is not None and group.kind == "cell" and group.name not in cells
            if group.kind in leave_out or skipped_cell:
                position = _after_group(text, position, source)
                continue
            stack[-1].groups.append(group)
            stack.append(group)
        else:
            stack[-1].lists[match["name"]] = _arguments(match["args"])
    if len(stack) > 1:
        raise LibertyError(f"{source}: the group {stack[-1].kind} ({stack[-1].name}) has no closing '}}'.")
    for group in root.children("library"):
        return group
    raise LibertyError(f"{source}: expected a group 'library (name) {{ ... }}', found none.")


def numbers(words: Iterable[str]) -> tuple[float, ...]:
    """All numbers in the words of a list attribute, such as `index_1 ("1, 2, 3");`."""
    return tuple(float(word) for text in words for word in text.replace(",", " ").replace("\\", " ").split())


def unit_size(text: str, units: Mapping[str, float]) -> float:
    """A unit such as ``10ps`` as a number.

    Parameters
    ----------
    text
        As in the file, in any case.
    units
        What each unit is worth, the longer one of two that end alike first.

    Raises
    ------
    LibertyError
        When it is none of the units.
    """
    text = text.strip().lower()
    for name, size in units.items():
        if text.endswith(name):
            return float(text.removesuffix(name) or 1) * size
    raise LibertyError(f"Expected a unit among {', '.join(units)}, got {text!r}.")


def _arguments(text: str) -> tuple[str, ...]:
    return tuple(quoted or bare for quoted, bare in _ARGUMENT.findall(text))


def _after_group(text: str, position: int, source: str) -> int:
    depth = 1
    for brace in _BRACE.finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    raise LibertyError(f"{source}, line {_line(text, position)}: this group has no closing '}}'.")


def _without_comments(text: str) -> str:
    """Comments become as many line ends as they held, so that line numbers stay true.

    Strings are matched too, only to be kept: they may hold ``//`` (addresses, dates).
    """
    if "/*" not in text and "//" not in text:
        return text

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return found if found.startswith('"') else "\n" * found.count("\n") + " "

    return _STRING_OR_COMMENT.sub(blank, text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
