"""Widths from both sides: proved to hold, and one bit less overflows with inputs that the hardware is given.

The element of 64 lanes and weights of 4 bits, for any weights and for those of a certificate, and the stages
behind it. At the exact width the generated Verilog gives the exact sum of the reaching inputs; with one bit
less it gives what the golden model says that wrapping leaves, which is another number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda.ptq.certificate import Certificate, certify
from golden.bitplanes import pack
from golden.dot import group_dot
from golden.interval import Interval
from golden.multistage import MultiStage, Stage, bit_serial
from hdl.emit import emit_verilog
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement
from sim.bench import pack_lanes
from sim.build import available_simulators
from sim.proofs.certified import CertifiedRow, certified_theorems, example_row
from sim.proofs.element import NarrowParameters
from sim.proofs.lanes import lane_theorems
from sim.proofs.multistage import UncheckedParameters, multistage_theorems
from sim.proofs.theorem import Theorem, Verdict
from sim.runner import run_bench

# Icarus builds small designs in no time.
SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


@dataclass(frozen=True)
class Reached:
    """Inputs of one group: activations and levels [lanes]."""

    q: np.ndarray
    levels: np.ndarray

    @property
    def exact(self) -> int:
        return int(group_dot(self.q, self.levels))

    def wrapped(self, p: PeParameters, bits: int) -> int:
        planes = p.max_planes + (p.activations == "unsigned")
        return int(bit_serial(self.q, self.levels, planes, bits, "wrap")[0])

    def overflows(self, p: PeParameters, bits: int) -> bool:
        planes = p.max_planes + (p.activations == "unsigned")
        return bool(bit_serial(self.q, self.levels, planes, bits, "wrap")[1])


def run_element(p: PeParameters, reached: Sequence[Reached], results: Sequence[int], work: Path) -> None:
    """The element's Verilog gives these results for these groups."""
    element = ProcessingElement(p)
    items: list[tuple[int, ...]] = []
    for group in reached:
        if p.activations == "unsigned":
            words = pack(group.q, p.max_planes + 1, "sign-magnitude")[1:]
        else:
            words = pack(group.q, p.max_planes, "twos-complement")
        (levels,) = pack_lanes(group.levels[None], p.level_bits)
        items += [(int(word), i == 0, i == len(words) - 1, levels) for i, word in enumerate(words)]
    parameters = {
        "source": {
            "name": "planes",
            "fields": ["words", "first", "last"],
            "beside": ["levels"],
            "items": items,
        },
        "sink": {
            "name": "result",
            "fields": ["payload"],
            "signed": ["payload"],
            "items": [[value] for value in results],
        },
    }
    replay(emit_verilog(element), element.module_name, parameters, work)


def run_stages(p: MultiStageParameters, terms: Sequence[int], result: int, work: Path) -> None:
    """The stages' Verilog gives this result for a row of these terms."""
    accumulator = MultiStageAccumulator(p)
    items = [(term, i == 0, i == len(terms) - 1) for i, term in enumerate(terms)]
    parameters = {
        "source": {"name": "terms", "fields": ["term", "first", "last"], "beside": [], "items": items},
        "sink": {"name": "results", "fields": ["value"], "signed": ["value"], "items": [[result]]},
    }
    replay(emit_verilog(accumulator), accumulator.module_name, parameters, work, SMALL)


def replay(
    verilog: str, top: str, parameters: dict[str, Any], work: Path, simulator: str = "verilator"
) -> None:
    bench = "sim.benches.replay"
    run_bench(bench, verilog, top, parameters=parameters, simulator=simulator, seed=1, work=work).check()


def decide(theorems: list[Theorem], work: Path) -> dict[str, Verdict]:
    """Every theorem and its twin, decided as they should be."""
    return {theorem.name: theorem.decide(work).check() for theorem in theorems}


def one_less(element: PeParameters) -> PeParameters:
    """The element with one bit less than its range needs."""
    if element.certified is None:
        return NarrowParameters(**{f.name: getattr(element, f.name) for f in fields(element)})
    half = 1 << (element.exact_bits - 2)
    inside = Interval(max(element.certified.min, -half), min(element.certified.max, half - 1))
    return replace(element, certified=inside)


def certificate_of(row: CertifiedRow) -> Certificate:
    levels = np.array([row.levels])
    return certify(
        levels,
        activation_bits=row.activation_bits,
        activation_signed=row.activation_signed,
        tile=row.tile,
        group=row.lanes,
    )


def check_element(p: PeParameters, reached: list[Reached], work: Path) -> None:
    """Exact at the width, wrapped to another number with one bit less; one end at least needs the bit."""
    exact = [group.exact for group in reached]
    ends = Interval(min(exact), max(exact))
    assert ends == p.sum_range
    assert not any(group.overflows(p, p.exact_bits) for group in reached)
    run_element(p, reached, exact, work)
    narrow = one_less(p)
    assert narrow.sum_bits == p.exact_bits - 1
    needing = [group for group in reached if group.overflows(p, narrow.sum_bits)]
    wrapped = [group.wrapped(p, narrow.sum_bits) for group in needing]
    assert needing
    assert all(value != group.exact for value, group in zip(wrapped, needing, strict=True))
    run_element(narrow, needing, wrapped, work)


DATA_TYPES = [
    PeParameters(max_planes=8),
    pytest.param(PeParameters(max_planes=4), marks=pytest.mark.nightly),
    pytest.param(PeParameters(max_planes=8, activations="unsigned"), marks=pytest.mark.nightly),
    pytest.param(PeParameters(max_planes=4, activations="unsigned"), marks=pytest.mark.nightly),
]


@pytest.mark.parametrize("p", DATA_TYPES, ids=lambda p: p.name)
def test_width_of_the_element_for_any_weights(p: PeParameters, tmp_path: Path, sim_work: Path) -> None:
    verdicts = decide(lane_theorems(p)[-2:], tmp_path)
    twin = verdicts[f"planes {lane_theorems(p)[0].name.removeprefix('lane ')} a{p.exact_bits - 1}"].result
    assert twin.trace is not None
    witness = twin.trace.signals["exact"][-1]
    assert witness is not None
    assert not Interval.of_bits(p.exact_bits - 1, signed=True).contains(Interval(witness, witness))
    x, w = p.activation_range, p.level_range
    pairs = [(x.min, w.min), (x.max, w.min), (x.min, w.max), (x.max, w.max)]
    ordered = sorted(pairs, key=lambda pair: pair[0] * pair[1])
    reached = [
        Reached(np.full(p.lanes, q), np.full(p.lanes, level)) for q, level in (ordered[0], ordered[-1])
    ]
    check_element(p, reached, sim_work)


ROWS = [
    example_row(8),
    pytest.param(example_row(4), marks=pytest.mark.nightly),
    pytest.param(example_row(8, activation_signed=False), marks=pytest.mark.nightly),
    pytest.param(example_row(4, activation_signed=False), marks=pytest.mark.nightly),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_width_of_the_element_for_certified_weights(
    row: CertifiedRow, tmp_path: Path, sim_work: Path
) -> None:
    stage = certificate_of(row).stage("group")
    p = row.element
    assert (stage.range, stage.bits) == (p.sum_range, p.exact_bits)
    assert p.exact_bits < replace(p, certified=None).exact_bits
    decide(certified_theorems(row)[:2], tmp_path)
    reached = [
        Reached(np.array(end.activations), np.array(row.levels[end.start : end.start + row.lanes]))
        for end in (stage.lowest, stage.highest)
    ]
    check_element(p, reached, sim_work)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_widths_of_the_stages_for_certified_weights(
    row: CertifiedRow, tmp_path: Path, sim_work: Path
) -> None:
    certificate = certificate_of(row)
    theorems = certified_theorems(row)[2:]
    bits = f"{certificate.inner_bits}x{row.tile // row.lanes} {certificate.outer_bits}x"
    assert bits in theorems[0].name
    decide(theorems, tmp_path)

    count, tiles = row.tile // row.lanes, len(row.levels) // row.tile
    stages = (Stage(certificate.inner_bits, count), Stage(certificate.outer_bits, tiles))
    inner, outer = certificate.stage("inner"), certificate.stage("outer")
    p = MultiStageParameters(
        term_bits=certificate.stage("group").bits, stages=stages, ranges=(inner.range, outer.range)
    )
    levels = np.array(row.levels).reshape(-1, row.lanes)
    for number, stage in enumerate((inner, outer)):
        register = Interval.of_bits(stage.bits - 1, signed=True)
        ends = ((stage.lowest, stage.min), (stage.highest, stage.max))
        end, value = next(e for e in ends if not register.contains(Interval(e[1], e[1])))
        first = end.start // row.lanes
        q = np.array(end.activations).reshape(-1, row.lanes)
        terms = [int(t) for t in group_dot(q, levels[first : first + len(q)])]
        check_stages(p, number, terms, value, sim_work)


@pytest.mark.nightly
def test_widths_of_the_stages_for_any_weights(tmp_path: Path, sim_work: Path) -> None:
    element = PeParameters(max_planes=8).sum_range
    stages = (Stage(19, 2), Stage(21, 4))
    p = MultiStageParameters(term_bits=18, term_range=element, stages=stages)
    decide(multistage_theorems(p), tmp_path)
    check_stages(p, 0, [element.max] * 2, 2 * element.max, sim_work)
    check_stages(p, 1, [element.max] * 8, 8 * element.max, sim_work)


def check_stages(p: MultiStageParameters, number: int, terms: list[int], exact: int, work: Path) -> None:
    """Exact at the width of a stage, wrapped to another number with one bit less."""
    sums, overflow = MultiStage(p.stages).accumulate(np.array(terms))
    assert (int(sums), bool(overflow.any())) == (exact, False)
    run_stages(p, terms, exact, work)
    narrow = [replace(s, bits=s.bits - (i == number)) for i, s in enumerate(p.stages)]
    wrapping = MultiStage(tuple(replace(stage, policy="wrap") for stage in narrow))
    sums, overflow = wrapping.accumulate(np.array(terms))
    assert overflow[number]
    assert int(sums) != exact
    given = {f.name: getattr(p, f.name) for f in fields(p)}
    run_stages(UncheckedParameters(**{**given, "stages": tuple(narrow)}), terms, int(sums), work)
