"""Sequences of bitwise operations compute the truth tables they were made from, in few steps."""

from __future__ import annotations

import random

import pytest

from anda.flow.gate_code import GateCode, gate_code
from anda.flow.logic import truth_table


def _run(code: GateCode, inputs: list[int]) -> dict[str, int]:
    registers = inputs + [0] * (code.registers - len(inputs))
    for kind, target, left, right in code.operations:
        a, b = registers[left], registers[right]
        registers[target] = {"and": a & b, "or": a | b, "xor": a ^ b, "not": 1 - a}[kind]
    return {
        name: int(where) if isinstance(where, bool) else registers[where]
        for name, where in code.outputs.items()
    }


@pytest.mark.parametrize("pins", range(1, 7))
def test_any_two_functions(pins: int) -> None:
    choose = random.Random(pins)
    for _ in range(20 if pins < 5 else 3):
        tables = {name: choose.getrandbits(1 << pins) for name in "xy"}
        code = gate_code(tables, pins)
        for row in range(1 << pins):
            found = _run(code, [row >> k & 1 for k in range(pins)])
            assert found == {name: table >> row & 1 for name, table in tables.items()}


def test_constants_and_wires_need_no_operation() -> None:
    code = gate_code({"low": 0, "high": 0b1111, "wire": 0b1100}, 2)
    assert code.operations == ()
    assert code.outputs == {"low": False, "high": True, "wire": 1}


@pytest.mark.parametrize(
    ("functions", "pins", "steps"),
    [
        (["!(a b)"], "ab", 2),
        (["!(a + b + c)"], "abc", 3),
        (["a ^ b ^ c"], "abc", 2),
        (["a !s + b s"], "abs", 3),
        (["a ^ b ^ c", "a b + b c + a c"], "abc", 5),
    ],
)
def test_common_cells_take_few_steps(functions: list[str], pins: str, steps: int) -> None:
    tables = {str(k): truth_table(function, pins) for k, function in enumerate(functions)}
    assert len(gate_code(tables, len(pins)).operations) == steps
