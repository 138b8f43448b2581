"""The bench of the accelerator: it passes, finds faults, and goes on for long."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.array import ArrayParameters
from hdl.emit import emit_verilog
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from sim.build import BuildError, available_simulators
from sim.runner import run_bench
from sim.verify import bench_of, verify
from tests.sim.mutants import mutants

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"

TINY = AcceleratorParameters(
    engine=EngineParameters(
        array=ArrayParameters(pe=PeParameters(lanes=8, max_planes=4), rows=2, columns=2, sharing=2),
        plane_words=100,
        plane_groups=30,
        weight_words=50,
    )
)

GATED = AcceleratorParameters(
    engine=replace(TINY.engine, elementwise_words=12, silu=True), weights_bits=64, results_bits=128
)

#: Faults in each part.
COUNT = 8

#: What is not inside the engine, which has a bench of its own.
OUTSIDE = (
    "anda_accelerator_registers",
    "anda_accelerator_core",
    "anda_job_checker",
    "anda_activation_receiver",
    "anda_weight_receiver",
    "anda_result_sender",
    "anda_beat_buffer",
    "anda_gate_receiver",
)


@pytest.mark.parametrize("parameters", [TINY, GATED])
def test_everything_is_reached(parameters: AcceleratorParameters, sim_work: Path) -> None:
    report = verify(Accelerator(parameters), seed=1, simulator=SMALL, quick=True, work=sim_work).check()
    missing = {name: report.coverage.unreached(name) for name in report.coverage}
    assert not any(missing.values()), missing


@pytest.mark.nightly
def test_soak(sim_work: Path) -> None:
    for parameters in 2 * [TINY, GATED]:
        verify(Accelerator(parameters), simulator=SMALL, work=sim_work).check()


@pytest.mark.nightly
@pytest.mark.parametrize("part", OUTSIDE)
def test_faults_outside_the_engine_are_found(part: str, sim_work: Path) -> None:
    top = Accelerator(GATED)
    verilog = emit_verilog(top)
    found = re.search(rf"^module {part}.*?^endmodule$", verilog, flags=re.M | re.S)
    assert found is not None
    bench, parameters = bench_of(top, quick=True)
    survivors = []
    for change, text in mutants(found.group(), COUNT, Random(1)):
        try:
            result = run_bench(
                bench,
                verilog.replace(found.group(), text),
                top.module_name,
                parameters=parameters,
                simulator=SMALL,
                seed=1,
                work=sim_work,
            )
        except BuildError:
            continue
        if result.ok:
            survivors.append(change)
    # One in four may be a fault that changes nothing.
    assert len(survivors) <= COUNT // 4, survivors
