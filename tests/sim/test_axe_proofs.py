# amaranth: UnusedElaboratable=no
"""Theorems about accumulators: for any weights, under an l1 budget, with certified weights none overflows."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from anda.ptq.certificate import certify
from golden.dot import group_dot
from golden.interval import Interval
from golden.multistage import Stage
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement
from sim.proofs.budget import TileBudget
from sim.proofs.budget_theorems import budget_theorems
from sim.proofs.catalog import accumulator_theorems, theorems_of
from sim.proofs.certified import certified_element_theorems, certified_theorems, example_row
from sim.proofs.element import ElementSum
from sim.proofs.lanes import lane_theorems
from sim.proofs.multistage import multistage_theorems
from sim.proofs.multistage_model import MultiStageProof

THEOREMS = {theorem.name: theorem for theorem in accumulator_theorems()}
QUICK = [
    "budget running P16 s8",
    "budget running P16 s8 narrow",
    "budget running P16 s8 one-sided",
    "budget planes P16 s8",
    "budget planes P16 s8 loose",
    "budget planes P16 s8 least-first",
    "stages t6_wrap6x3_wrap7xn",
    "stages t6_wrap6x3_wrap7xn flags",
    "stages t6_saturate6x3_saturate7xn",
    "stages t6_saturate6x3_saturate7xn policy",
    "stages t16_safe16x2_safe18x4",
    "stages t16_safe16x2_safe18x4 loose 0",
]


@pytest.mark.parametrize("name", QUICK)
def test_accumulators_never_overflow_and_faulty_ones_do(name: str, tmp_path: Path) -> None:
    verdict = THEOREMS[name].decide(tmp_path).check()
    if verdict.theorem.twin_of is not None:
        assert verdict.result.failing_property is not None
        assert verdict.result.trace is not None


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in THEOREMS if name not in QUICK])
def test_more_accumulators(name: str, tmp_path: Path) -> None:
    THEOREMS[name].decide(tmp_path).check()


@pytest.mark.nightly
@pytest.mark.parametrize(
    "budget",
    [
        TileBudget.of_register(bits, activations, activation_signed=signed)
        for bits, activations, signed in ((12, 8, True), (18, 8, False), (14, 4, True), (18, 6, True))
    ],
    ids=str,
)
def test_budgets_of_other_registers(budget: TileBudget, tmp_path: Path) -> None:
    for theorem in budget_theorems(budget):
        theorem.decide(tmp_path).check()


def test_a_narrow_register_fails_with_a_true_run(tmp_path: Path) -> None:
    result = THEOREMS["budget planes P16 s8 narrow"].decide(tmp_path).check().result
    assert result.trace is not None
    signals = {name: values for name, values in result.trace.signals.items() if None not in values}
    exact, register = signals["exact"][-1], signals["register"][-1]
    assert exact is not None
    assert exact != register
    assert Interval.of_bits(16, signed=True).contains(Interval(exact, exact))
    assert not Interval.of_bits(15, signed=True).contains(Interval(exact, exact))


def names_of(component: NamedComponent) -> list[str]:
    return [theorem.name for theorem in theorems_of(component)]


def test_components_have_theorems_of_their_own_sizes() -> None:
    stages = (Stage(10, 2), Stage(11, 2), Stage(9, None, "saturate"))
    p = MultiStageParameters(term_bits=9, stages=stages, slots=4)
    names = names_of(MultiStageAccumulator(p))
    assert names == [theorem.name for theorem in multistage_theorems(p)]
    title = "stages t9_safe10x2_safe11x2_saturate9xn"
    assert names == [title, f"{title} narrow 0", f"{title} narrow 1", f"{title} flags", f"{title} policy"]

    unsigned = PeParameters(max_planes=4, activations="unsigned")
    assert names_of(ProcessingElement(unsigned))[0] == "lane 64x4 un4"
    certified = replace(unsigned, certified=Interval(-700, 900))
    names = names_of(ProcessingElement(certified))
    assert names[:2] == ["budget plane -700..900 u4", "budget plane -700..900 u4 one-sided"]
    assert "budget planes -700..900 u4 narrow" in names
    magnitudes = PeParameters(encoding="sign-magnitude", certified=Interval(-700, 900))
    assert names_of(ProcessingElement(magnitudes)) == []


def test_twins_are_left_out_where_the_fault_is_none() -> None:
    wide = MultiStageParameters(term_bits=6, stages=(Stage(9, 2), Stage(12, 2)))
    assert [theorem.twin_of for theorem in multistage_theorems(wide)] == [None]
    long = MultiStageParameters(term_bits=6, stages=(Stage(10, 16), Stage(14, 16)))
    assert [theorem.twin_of for theorem in multistage_theorems(long)] == [None]
    tight = TileBudget(Interval(-9000, 14000))
    assert not any("loose" in theorem.name for theorem in budget_theorems(tight))


@pytest.mark.parametrize(("bits", "signed"), list(product((4, 8), (True, False))))
def test_proofs_and_certificates_agree_on_worst_cases(bits: int, signed: bool) -> None:
    row = example_row(bits, activation_signed=signed, tiles=3)
    certificate = certify(
        np.array([row.levels]), activation_bits=bits, activation_signed=signed, tile=row.tile, group=row.lanes
    )
    assert row.element.sum_range == certificate.stage("group").range
    assert row.element.exact_bits == certificate.stage("group").bits
    names = [theorem.name for theorem in certified_theorems(row)]
    stages = f"{certificate.inner_bits}x2 {certificate.outer_bits}x3"
    assert f"stages of certified {row.name} {stages}" in names
    for group, span in enumerate(row.group_ranges):
        levels = np.array(row.levels[group * 64 : group * 64 + 64])
        ends = [int(group_dot(np.array(row.reaching(group, highest=h)), levels)) for h in (False, True)]
        assert ends == [span.min, span.max]


def test_the_highest_sum_under_a_budget_is_found() -> None:
    for bits, activations, signed in ((10, 4, True), (9, 3, True), (10, 4, False)):
        budget = TileBudget.of_register(bits, activations, activation_signed=signed)
        mu, nu, limit = budget.activations.min, budget.activations.max, budget.range.max
        reached = max(
            nu * a - mu * b
            for a in range(limit // nu + 1)
            for b in range(limit // nu + 1)
            if nu * a - mu * b <= limit and mu * a - nu * b >= -limit
        )
        assert budget.highest == reached


def test_what_cannot_be_proved_is_refused() -> None:
    row = example_row(4, lanes=16, tile=16, tiles=1)
    with pytest.raises(ValueError, match="exact for the certified weights only"):
        ElementSum(row.element)
    with pytest.raises(ValueError, match="about any weights, not about those of a certificate"):
        lane_theorems(row.element)
    with pytest.raises(ValueError, match="there are 1 groups, and no group 1"):
        row.reaching(1, highest=True)
    several = MultiStageAccumulator(
        MultiStageParameters(term_bits=4, stages=(Stage(6, None, "wrap"),), slots=2)
    )
    with pytest.raises(ValueError, match="for one slot, not for 2"):
        MultiStageProof(several)
    assert len(certified_element_theorems(row)) == 2
