"""The theorems about binary hardware: each comes out as it should, and each has twins that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.proofs.catalog import binary_theorems

THEOREMS = {theorem.name: theorem for theorem in binary_theorems()}
QUICK = [
    "binary serial",
    "binary parallel",
    "binary serial signs",
    "binary serial narrow",
    "binary correction",
    "binary decoder swapped",
]


@pytest.mark.parametrize("name", QUICK)
def test_binary_theorems(name: str, tmp_path: Path) -> None:
    THEOREMS[name].decide(tmp_path).check()


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in QUICK])
def test_more_binary_theorems(name: str, tmp_path: Path) -> None:
    THEOREMS[name].decide(tmp_path).check()


def test_every_kind_of_hardware_has_a_twin_that_fails() -> None:
    assert len(THEOREMS) == len(binary_theorems())
    twins = {theorem.twin_of for theorem in THEOREMS.values() if theorem.expected == "failed"}
    assert twins == {"binary serial", "binary correction", "binary decoder"}
