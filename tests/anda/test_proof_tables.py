"""The recorded theorems are those there are, and came out as they should."""

from __future__ import annotations

from pathlib import Path

from anda.proof_tables import PROOF_TABLES
from anda.tables import read_data
from sim.proofs.catalog import accumulator_theorems, binary_theorems, general_theorems

DATA = read_data(Path(__file__).resolve().parents[2] / "docs" / "data")["proofs"]


def test_the_recorded_theorems_are_those_there_are() -> None:
    recorded = {row["name"]: row for row in DATA["rows"]}
    known = accumulator_theorems() + general_theorems() + binary_theorems()
    theorems = {theorem.name: theorem for theorem in known}
    assert set(recorded) == set(theorems)
    for name, theorem in theorems.items():
        row = recorded[name]
        assert (row["statement"], row["twin_of"]) == (theorem.statement, theorem.twin_of)
        assert (row["status"], row["depth"]) == (theorem.expected, theorem.depth)


def test_a_row_for_each_theorem_with_its_twins() -> None:
    headers, body = PROOF_TABLES["proofs"](DATA)
    assert len(headers) == len(body[0]) == 5
    rows = {row[0]: row for row in body}
    assert len(rows) == sum(theorem.twin_of is None for theorem in accumulator_theorems())
    assert rows["`planes 64x4 tc8 a18`"][-1] == "a17"
    assert rows["`budget planes P16 s8`"][-1] == "narrow, loose, least-first"
    assert all(row[-1] != "-" for row in body)
