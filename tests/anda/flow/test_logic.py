from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anda.flow.logic import complement, truth_table

PINS = ("A", "B1", "C")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[str, str]:
    """The same random function in Liberty and in Python."""
    if depth == 0 or draw(st.booleans()):
        pin = draw(st.sampled_from(PINS))
        return pin, pin
    operator = draw(st.sampled_from(("not", "after", "and", "juxtaposed", "or", "xor")))
    liberty, python = draw(expressions(depth=depth - 1))
    if operator == "not":
        return f"!({liberty})", f"(1 - {python})"
    if operator == "after":
        return f"({liberty})'", f"(1 - {python})"
    other_liberty, other_python = draw(expressions(depth=depth - 1))
    sign, meaning = {
        "and": (draw(st.sampled_from(("*", " & "))), "&"),
        "juxtaposed": (" ", "&"),
        "or": (draw(st.sampled_from(("+", " | "))), "|"),
        "xor": ("^", "^"),
    }[operator]
    return f"({liberty}){sign}({other_liberty})", f"({python} {meaning} {other_python})"


@given(expressions())
def test_tables_agree_with_python(pair: tuple[str, str]):
    liberty, python = pair
    table = truth_table(liberty, PINS)
    for c, b, a in product((0, 1), repeat=3):
        assert table >> (a + 2 * b + 4 * c) & 1 == eval(python, {"A": a, "B1": b, "C": c})


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("A + B1 * C", "A + (B1 * C)"),
        ("A * B1 ^ C", "A * (B1 ^ C)"),
        ("!A B1'", "(!A) * (!B1)"),
        ("A^B1+C", "(A ^ B1) | C"),
        ("!!A", "A''"),
        ("1 A + 0", "A"),
    ],
)
def test_precedence(text: str, same: str):
    assert truth_table(text, PINS) == truth_table(same, PINS)


def test_complement_inverts_every_row():
    assert complement(truth_table("A ^ C", PINS), 3) == truth_table("!(A ^ C)", PINS)


@pytest.mark.parametrize("text", ["", "A +", "(A", "A)", "A * IQ", "A ? C", "!"])
def test_refuses_what_is_no_function_of_the_pins(text: str):
    with pytest.raises(ValueError, match="Expected"):
        truth_table(text, PINS)


def test_refuses_too_many_pins():
    with pytest.raises(ValueError, match="at most 12 inputs"):
        truth_table("P0", [f"P{i}" for i in range(13)])
