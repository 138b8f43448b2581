# amaranth: UnusedElaboratable=no
"""The theorems about binary hardware: each comes out as it should, and each has twins that fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hdl.binary import BinaryParameters
from sim.proofs.binary import BinarySum, binary_order
from sim.proofs.binary_faults import faulty_order
from sim.proofs.catalog import binary_theorems

THEOREMS = {theorem.name: theorem for theorem in binary_theorems()}
#: A twin for each theorem, and some of the theorems.
QUICK = [
    "binary serial",
    "binary serial signs",
    "binary serial mixed signs sides",
    "binary serial unsigned narrow",
    "binary weights parallel places",
    "binary activations parallel places",
    "binary parallel",
    "binary parallel product",
    "binary blocks dropped",
    "binary gaps gapless",
    "binary wide weights least-first",
    "binary correction",
    "binary correction unsigned",
    "binary decoder swapped",
]


def decide(name: str, work: Path) -> None:
    verdict = THEOREMS[name].decide(work).check()
    of = verdict.theorem.twin_of
    if of is None:
        return
    assert verdict.result.trace is not None
    # Not a step on the way, which the faulty order has in common with the theorem: what the theorem says.
    conclusion = {"binary correction": "the_corrected_sum", "binary decoder": "word_2"}
    assert verdict.result.failing_property == conclusion.get(of, "the_result_is_the_sum_of_the_products")


@pytest.mark.parametrize("name", QUICK)
def test_binary_theorems(name: str, tmp_path: Path) -> None:
    decide(name, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in QUICK])
def test_more_binary_theorems(name: str, tmp_path: Path) -> None:
    decide(name, tmp_path)


def test_quick_twins_are_of_every_theorem() -> None:
    assert {THEOREMS[name].twin_of for name in QUICK} - {None} == {
        theorem.name for theorem in THEOREMS.values() if theorem.twin_of is None
    }


def test_faulty_orders_are_other_ones() -> None:
    parameters = BinaryParameters(
        activation_planes=2,
        weight_planes=4,
        weight_planes_per_cycle=3,
        activations="signed",
        weights="signed",
    )
    order = binary_order(parameters)
    assert [step.adds for step in order] == [True, True, False, True, True]
    assert faulty_order(order, "") == order == faulty_order(order, "places")
    assert len(faulty_order(order, "gapless")) == 4
    assert [step.adds for step in faulty_order(order, "dropped")] == [True, True, False, True, False]
    assert not any(step.shifts for step in faulty_order(order, "shift"))
    assert not any(step.weights_negative for step in faulty_order(order, "signs"))
    rising = faulty_order(order, "least-first")
    assert [(step.activations, step.weights) for step in rising if step.adds] == [
        (step.activations, step.weights) for step in reversed(order) if step.adds
    ]
    assert [step.shifts for step in rising] == [step.shifts for step in order]


def test_what_cannot_be_proved_is_refused() -> None:
    parameters = BinaryParameters(lanes=2, terms=2, activations="signed", weights="signed")
    for wrong in (replace(parameters, weights="either"), replace(parameters, terms=3)):
        with pytest.raises(ValueError, match="for one kind of sign and one group of lanes"):
            BinarySum(wrong)
