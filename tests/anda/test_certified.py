# amaranth: UnusedElaboratable=no
"""Hardware as narrow as a certificate allows, and the inputs that would not fit one bit less."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from anda.certified import certified_element, certified_stages, witness_recording
from anda.ptq.certificate import Certificate, certify
from golden.interval import Interval
from golden.multistage import Stage
from hdl.column import PeColumn
from hdl.emit import emit_verilog
from hdl.pe import PeParameters
from sim.build import available_simulators
from sim.runner import BenchResult, run_bench


def layer(signed: bool, tile: int | None = 32) -> tuple[np.ndarray, Certificate]:
    """Levels [4, 80], most of them small: the last group of a row is half a one."""
    rng = np.random.default_rng(5)
    levels = np.clip(np.rint(rng.laplace(0, 1, (4, 80))), -8, 7).astype(np.int64)
    levels[0, 0] = -8
    return levels, certify(levels, activation_bits=6, activation_signed=signed, tile=tile, group=32)


def play(levels: np.ndarray, certificate: Certificate, p: PeParameters, work: Path) -> BenchResult:
    """The witnesses on the Verilog of a column of one such element; the sums are those of the certificate."""
    column = PeColumn(p, rows=1)
    recording = witness_recording(certificate, levels, p)
    return run_bench(
        "anda.replay",
        emit_verilog(column),
        column.module_name,
        parameters={**asdict(recording), "report": str(work.resolve() / "cycles.json")},
        simulator=min(available_simulators()),
        seed=1,
        work=work,
    )


@pytest.mark.parametrize("signed", [True, False])
def test_the_certified_width_holds_the_witnesses_and_one_bit_less_does_not(
    signed: bool, tmp_path: Path
) -> None:
    levels, certificate = layer(signed)
    element = certified_element(certificate)
    assert element.lanes == 32
    assert element.level_bits == 4
    assert element.sum_bits < element.type_range.bits
    play(levels, certificate, element, tmp_path).check()
    half = 1 << (element.sum_bits - 2)
    group = certificate.stage("group").range
    narrow = replace(element, certified=Interval(max(group.min, -half), min(group.max, half - 1)))
    assert narrow.sum_bits == element.sum_bits - 1
    # It gives the sums modulo its width, and read as signed numbers these are others.
    play(levels, certificate, narrow, tmp_path).check()
    wrapped = [(total + half) % (2 * half) - half for total in (group.min, group.max)]
    assert wrapped != [group.min, group.max]


def test_stages_are_those_of_the_certificate() -> None:
    _, certificate = layer(True)
    p = certified_stages(certificate, slots=3)
    outer = certificate.stage("outer")
    # A tile is one group: its sum is in the element's own register.
    assert p.stages == (Stage(outer.bits, 3),)
    assert p.stage_ranges == (outer.range,)
    assert p.slots == 3
    _, wide = layer(True, tile=64)
    both = certified_stages(wide)
    assert [stage.count for stage in both.stages] == [2, 2]
    assert both.stages[0].bits == wide.inner_bits
    assert both.term_range == wide.stage("group").range


def test_a_row_of_one_group_needs_no_accumulator() -> None:
    levels = np.ones((2, 16), dtype=np.int64)
    certificate = certify(levels, activation_bits=4, activation_signed=True, tile=None, group=16)
    with pytest.raises(ValueError, match="a row of 16 inputs is a single group"):
        certified_stages(certificate)
