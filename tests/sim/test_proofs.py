"""The theorems: each comes out as it should, and faulty hardware is refuted."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module

from hdl.cells import FullAdder
from hdl.compressor import Compressor, CompressorParameters
from hdl.emit import emit_rtlil
from hdl.pe import PeParameters, ProcessingElement
from sim.formal import prove
from sim.proofs.catalog import accumulator_theorems, binary_theorems, general_theorems, theorems_of
from sim.proofs.heap import CellSum, heap_theorems
from sim.proofs.lanes import lane_theorems
from sim.proofs.theorem import Theorem, proof_table, prove_all

GENERAL = {theorem.name: theorem for theorem in general_theorems()}
QUICK = [
    "cell fulladder inverting",
    "cell fulladder inverting carry",
    "cell halfadder",
    "heap mixed numbers plain",
    "heap dropped carries inverting carry-save",
    "heap dropped carries inverting carry-save top bit",
    "pair of 4 bits inverting",
    "pair of 4 bits inverting narrow",
    "pair of 4 bits inverting overlapping",
    "element tree 1",
    "element tree 1 narrow",
    "element heap 2",
    "element pairs 1",
    "element pairs 1 narrow",
    "element streams outside",
    "element streams outside impatient",
    "element streams inside",
    "stream compressor",
    "stream compressor impatient",
    "stream compressor pipelined",
    "stream accumulator",
]
COMPACT = PeParameters(max_planes=7)
PUBLISHED = PeParameters(max_planes=7, encoding="sign-magnitude")


@pytest.mark.parametrize("name", QUICK)
def test_general_theorems(name: str, tmp_path: Path) -> None:
    GENERAL[name].decide(tmp_path).check()


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in GENERAL if name not in QUICK])
def test_more_general_theorems(name: str, tmp_path: Path) -> None:
    GENERAL[name].decide(tmp_path).check()


@pytest.mark.parametrize("parameters", [COMPACT, PUBLISHED], ids=["compact", "published"])
def test_64_lanes_never_overflow_and_one_bit_less_does(parameters: PeParameters, tmp_path: Path) -> None:
    verdicts = prove_all(lane_theorems(parameters), tmp_path)
    for verdict in verdicts:
        verdict.check()
    assert [verdict.theorem.expected for verdict in verdicts] == ["proved", "failed"] * 3
    twin = verdicts[-1].result
    assert twin.failing_property == "the_accumulator_is_exact"
    assert twin.trace is not None
    final = twin.trace.signals["exact"][-1]
    assert final is not None
    narrow = verdicts[-1].theorem.name.rpartition(" a")[2]
    assert not -(1 << (int(narrow) - 1)) <= final < 1 << (int(narrow) - 1)
    assert f"{final}" in str(verdicts[-1])


@pytest.mark.nightly
@pytest.mark.parametrize(
    "parameters",
    [
        PeParameters(max_planes=17),
        PeParameters(max_planes=17, encoding="sign-magnitude"),
        PeParameters(lanes=256, level_bits=8, max_planes=12),
        PeParameters(lanes=8, level_bits=1, max_planes=17),
    ],
    ids=lambda p: p.name,
)
def test_large_elements_never_overflow(parameters: PeParameters, tmp_path: Path) -> None:
    for verdict in prove_all(lane_theorems(parameters), tmp_path):
        verdict.check()


def test_a_faulty_cell_is_refuted(tmp_path: Path) -> None:
    class Faulty(FullAdder):
        def build(self) -> Module:
            m = Module()
            m.d.comb += [self.outputs[0].eq(self.a ^ self.b ^ self.c), self.outputs[1].eq(self.a & self.b)]
            return m

    cell = CellSum(Faulty())
    result = prove(cell, cell.inputs(), depth=1, work=tmp_path)
    assert (result.status, result.failing_property) == ("failed", "the_cell_adds")
    assert result.trace is not None
    inputs = [result.trace.signals[name][0] for name in "abc"]
    assert sorted(bit or 0 for bit in inputs) == [0, 1, 1]


def test_a_theorem_that_comes_out_otherwise_is_shown(tmp_path: Path) -> None:
    theorem = heap_theorems()[0]
    wrong = Theorem(theorem.name, theorem.statement, theorem.design, 1, expected="failed")
    verdict = wrong.decide(tmp_path)
    assert not verdict.ok
    with pytest.raises(
        AssertionError, match=r"The cell adds its inputs\. This should be failed, and is proved"
    ):
        verdict.check()
    assert proof_table([verdict]).row_count == 1


def test_every_theorem_has_a_twin_that_fails() -> None:
    catalogue = general_theorems() + accumulator_theorems() + binary_theorems()
    theorems = {theorem.name: theorem for theorem in catalogue}
    assert len(theorems) == len(catalogue)
    twins = [theorem for theorem in catalogue if theorem.twin_of is not None]
    assert {theorem.expected for theorem in twins} == {"failed"}
    others = [theorem for theorem in catalogue if theorem.twin_of is None]
    assert {theorem.expected for theorem in others} == {"proved"}
    assert {theorem.twin_of for theorem in twins} == {theorem.name for theorem in others}


def test_components_have_theorems_of_their_own() -> None:
    element = ProcessingElement(COMPACT)
    compressor = Compressor(CompressorParameters(group=8))
    for component in (element, compressor):
        emit_rtlil(component)
    assert [t.name for t in theorems_of(element)] == [t.name for t in lane_theorems(COMPACT)]
    assert theorems_of(compressor) == []
