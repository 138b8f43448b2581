"""Truth tables of Liberty ``function`` expressions.

A table over the pins ``(p0, p1, ...)`` is one integer: bit ``i`` is the output when pin ``k`` has the
value of bit ``k`` of ``i``. Two functions are the same exactly when their integers are, which is how
adder cells are found whatever a library calls them.

Operators and precedence follow the Liberty reference: inversion (``!a``, ``a'``), then ``^``, then
AND (``a * b``, ``a & b``, ``a b``), then OR (``a + b``, ``a | b``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["HALF_CARRY", "HALF_SUM", "MAJORITY", "MUX", "NAND2", "PARITY", "complement", "truth_table"]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.\[\]]*)|([01])|([!'^*&+|()]))")
#: A table has 2**pins bits; no cell worth mapping has more pins than this.
_MOST_PINS = 12


def truth_table(expression: str, pins: Sequence[str]) -> int:
    """Truth table of `expression` over `pins`.

    Raises
    ------
    ValueError
        On a syntax error, on a name that is not in `pins` (``IQ`` of a flop), or with too many pins.
    """
    if len(pins) > _MOST_PINS:
        raise ValueError(f"Expected at most {_MOST_PINS} inputs in a cell function, got {len(pins)}.")
    parser = _Parser(expression, pins)
    table = parser.disjunction()
    parser.expect_end()
    return table


def complement(table: int, pins: int) -> int:
    """The table of the inverted output, over a number of pins."""
    return table ^ ((1 << (1 << pins)) - 1)


class _Parser:
    """Recursive descent over the tokens; every rule returns the table of what it read."""

    def __init__(self, expression: str, pins: Sequence[str]) -> None:
        self.expression = expression
        self.ones = (1 << (1 << len(pins))) - 1
        self.columns = {pin: _column(k, len(pins)) for k, pin in enumerate(pins)}
        self.tokens = self._tokens()
        self.position = 0

    def _tokens(self) -> list[str]:
        tokens = []
        text = self.expression.strip()
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"Expected a Liberty function, got {self.expression!r}.")
            tokens.append(match[0].strip())
            position = match.end()
        return tokens

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _accept(self, *tokens: str) -> bool:
        if self._peek() and self._peek() in tokens:
            self.position += 1
            return True
        return False

    def disjunction(self) -> int:
        table = self.conjunction()
        while self._accept("+", "|"):
            table |= self.conjunction()
        return table

    def conjunction(self) -> int:
        table = self.exclusive()
        while self._accept("*", "&") or self._peek() not in ("", ")", "+", "|", "^", "'"):
            table &= self.exclusive()
        return table

    def exclusive(self) -> int:
        table = self.inversion()
        while self._accept("^"):
            table ^= self.inversion()
        return table

    def inversion(self) -> int:
        if self._accept("!"):
            return self.ones ^ self.inversion()
        table = self.primary()
        while self._accept("'"):
            table ^= self.ones
        return table

    def primary(self) -> int:
        token = self._peek()
        self.position += 1
        if token == "(":
            table = self.disjunction()
            if not self._accept(")"):
                raise ValueError(f"Expected ')' in the Liberty function {self.expression!r}.")
            return table
        if token in ("0", "1"):
            return self.ones if token == "1" else 0
        if token not in self.columns:
            raise ValueError(
                f"Expected one of the pins {', '.join(self.columns)} in the Liberty function "
                f"{self.expression!r}, got {token or 'its end'!r}."
            )
        return self.columns[token]

    def expect_end(self) -> None:
        if self.position < len(self.tokens):
            raise ValueError(
                f"Expected the end of the Liberty function {self.expression!r}, got {self._peek()!r}."
            )


def _column(pin: int, pins: int) -> int:
    """Table of the function that is pin number `pin`."""
    return sum(1 << i for i in range(1 << pins) if i >> pin & 1)


HALF_SUM = truth_table("a ^ b", "ab")
HALF_CARRY = truth_table("a * b", "ab")
NAND2 = truth_table("!(a * b)", "ab")
PARITY = truth_table("a ^ b ^ c", "abc")
MAJORITY = truth_table("a b + b c + a c", "abc")
MUX = truth_table("a !c + b c", "abc")
