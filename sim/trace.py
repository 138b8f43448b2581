"""Traces of proofs as text: the value of every named signal in every cycle."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from vcd.reader import TokenKind, tokenize

__all__ = ["Trace", "read_vcd"]

#: Simulated time from one cycle to the next in the traces of yosys-smtbmc.
_STEP = 10


@dataclass(frozen=True)
class Trace:
    """Values of signals over the cycles of a run.

    Attributes
    ----------
    signals : dict of str to list of int or None
        By hierarchical name; one value a cycle, None where the run leaves it open.
    widths : dict of str to int
        In bits.
    """

    signals: dict[str, list[int | None]]
    widths: dict[str, int]

    @property
    def cycles(self) -> int:
        """Length of the run."""
        return max(map(len, self.signals.values()), default=0)

    def text(self, deep: bool = False) -> str:
        """A table for people: a row a signal, a column a cycle; wide values in hexadecimal.

        Parameters
        ----------
        deep : bool
            Show the signals inside submodules too, if there are any at the top.
        """
        top = {name: values for name, values in self.signals.items() if "." not in name}
        shown = self.signals if deep or not top else top
        header = ["cycle", *map(str, range(self.cycles))]
        rows = [header, *([n, *(self._shown(n, v) for v in vs)] for n, vs in sorted(shown.items()))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(row[1:], widths[1:], strict=True))]
            )
            for row in rows
        ]
        return "\n".join(lines)

    def _shown(self, name: str, value: int | None) -> str:
        if value is None:
            return "-"
        return str(value) if self.widths[name] <= 24 else f"{value:#x}"


def read_vcd(path: Path, signed: Set[str] = frozenset()) -> Trace:
    """Read a trace that yosys-smtbmc wrote.

    Signals without a name of the designer's own are left out, and so is the clock.

    Parameters
    ----------
    path : Path
    signed : set of str
        Names of the signals to be read as two's-complement numbers.
    """
    names: dict[str, list[str]] = {}
    widths: dict[str, int] = {}
    scope: list[str] = []
    current: dict[str, int | None] = {}
    columns: list[dict[str, int | None]] = []
    now = 0
    with path.open("rb") as stream:
        for token in tokenize(stream):
            if token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                name = ".".join([*scope[1:], token.var.reference.removeprefix("\\")])
                # Elements of an array (`name<0>`) and the clock repeat what other rows say.
                if "$" not in name and "<" not in name and name not in ("smt_step", "smt_clock", "clk"):
                    names.setdefault(token.var.id_code, []).append(name)
                    widths[name] = token.var.size
            elif token.kind is TokenKind.CHANGE_TIME:
                if token.time_change // _STEP != now:
                    columns.extend(dict(current) for _ in range(token.time_change // _STEP - now))
                    now = token.time_change // _STEP
            elif token.kind is TokenKind.CHANGE_VECTOR:
                current[token.vector_change.id_code] = _number(token.vector_change.value)
            elif token.kind is TokenKind.CHANGE_SCALAR:
                current[token.scalar_change.id_code] = _number(token.scalar_change.value)
    signals = {}
    for code, group in names.items():
        for name in group:
            values = [column.get(code) for column in columns]
            signals[name] = [_as_signed(v, widths[name]) for v in values] if name in signed else values
    return Trace(signals, widths)


def _number(value: int | str) -> int | None:
    """A vector comes as an integer, or as text if a bit is open; a scalar comes as text."""
    if isinstance(value, int):
        return value
    return int(value) if value in ("0", "1") else None


def _as_signed(value: int | None, width: int) -> int | None:
    return value - (1 << width) if value is not None and value >> (width - 1) else value
