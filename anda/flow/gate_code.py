"""Truth tables as short sequences of bitwise operations, to compute many copies of a cell at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Literal, NamedTuple

__all__ = ["GateCode", "Operation", "gate_code"]

#: Up to here every order of the inputs is tried.
_FEW = 5


class Operation(NamedTuple):
    """`registers[target] = registers[left] kind registers[right]`; `not` has no right operand."""

    kind: Literal["and", "or", "xor", "not"]
    target: int
    left: int
    right: int


class GateCode(NamedTuple):
    """Operations on registers; the first registers hold the inputs.

    Attributes
    ----------
    operations : tuple of Operation
    registers : int
        How many there are.
    outputs : dict of str to int or bool
        By output: the register that holds it in the end, or the constant that it is.
    """

    operations: tuple[Operation, ...]
    registers: int
    outputs: dict[str, int | bool]


def gate_code(tables: Mapping[str, int], pins: int) -> GateCode:
    """The shortest sequence found for functions of the same inputs.

    Parameters
    ----------
    tables : mapping of str to int
        Truth table of every output, as `anda.flow.logic.truth_table` gives it.
    pins : int
        Number of inputs.
    """
    orders = permutations(range(pins)) if pins <= _FEW else iter([tuple(range(pins))])
    inverted = product((False, True), repeat=len(tables))
    made = (
        _Builder(tables, pins, order, flags).code for order, flags in product(list(orders), list(inverted))
    )
    return min(made, key=lambda code: len(code.operations))


class _Builder:
    """Splits functions by one input after the other, and computes no function twice."""

    def __init__(
        self, tables: Mapping[str, int], pins: int, order: Sequence[int], inverted: Sequence[bool]
    ) -> None:
        self.ones = (1 << (1 << pins)) - 1
        self.order = order
        self.operations: list[Operation] = []
        self.columns = [sum(1 << i for i in range(1 << pins) if i >> k & 1) for k in range(pins)]
        self.known = {column: k for k, column in enumerate(self.columns)}
        self.registers = pins
        found = {}
        for (name, table), flag in zip(tables.items(), inverted, strict=True):
            constant = table in (0, self.ones)
            found[name] = bool(table) if constant else self._output(table, flag)
        self.code = GateCode(tuple(self.operations), self.registers, found)

    def _output(self, table: int, inverted: bool) -> int:
        """The register of an output, made by way of its inverse if told so."""
        if inverted:
            self._register(table ^ self.ones)
        return self._register(table)

    def _apply(self, kind: Literal["and", "or", "xor", "not"], table: int, left: int, right: int) -> int:
        """The register of `table`, which is `left kind right`."""
        self.operations.append(Operation(kind, self.registers, left, right))
        self.known[table] = self.registers
        self.registers += 1
        return self.registers - 1

    def _register(self, table: int) -> int:
        """The register that holds a function that is not constant."""
        if table in self.known:
            return self.known[table]
        inverse = table ^ self.ones
        if inverse in self.known:
            return self._apply("not", table, self.known[inverse], 0)
        pin = next(k for k in self.order if self._depends(table, k))
        low, high = self._cofactors(table, pin)
        x, column = pin, self.columns[pin]
        if low == 0:
            return self._apply("and", table, x, self._register(high))
        if high == self.ones:
            return self._apply("or", table, x, self._register(low))
        if low == high ^ self.ones:
            return self._apply("xor", table, x, self._register(low))
        if low == self.ones:  # the inverse is an AND with the input itself
            return self._apply("not", table, self._register(inverse), 0)
        if high == 0:
            return self._apply("and", table, self._register(column ^ self.ones), self._register(low))
        return self._apply("xor", table, self._register(low), self._register(column & (low ^ high)))

    def _depends(self, table: int, pin: int) -> bool:
        low, high = self._cofactors(table, pin)
        return low != high

    def _cofactors(self, table: int, pin: int) -> tuple[int, int]:
        """The function with one input at 0 and at 1, each as a function of all inputs."""
        column, shift = self.columns[pin], 1 << pin
        low, high = table & ~column & self.ones, table & column
        return low | low << shift, high | high >> shift
