"""Chains of given data on an accelerator: what is right passes, one wrong bit or cycle does not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden import formats
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.array import ArrayParameters
from hdl.emit import emit_verilog
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from sim.build import available_simulators
from sim.chain import Chain, chain_bench
from sim.coverage import Coverage
from sim.driver import Driver
from sim.runner import BenchResult, BenchTest, run_bench
from sim.verify import verify

SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


def accelerator(form: str | None = None, **element: Any) -> AcceleratorParameters:
    weights = formats.get(form) if form else None
    pe = PeParameters(lanes=8, max_planes=4, level_bits=(weights and weights.level_bits) or 3, **element)
    array = ArrayParameters(pe=pe, rows=2, columns=2, sharing=2, format=weights)
    return AcceleratorParameters(
        engine=EngineParameters(array=array, plane_words=100, plane_groups=30, weight_words=80)
    )


def chain(*sizes: int) -> Chain:
    r = np.random.default_rng(3)
    x = r.standard_normal((3, sizes[0])).astype(np.float16)
    matrices = tuple(r.standard_normal((c, k)) for k, c in pairwise(sizes))
    return Chain(x, matrices, (4, 3, 2)[: len(matrices)])


def run(parameters: AcceleratorParameters, given: dict[str, Any], work: Path, *tests: str) -> BenchResult:
    top = Accelerator(parameters)
    return run_bench(
        "sim.benches.accelerator_chain",
        emit_verilog(top),
        top.module_name,
        parameters=given,
        simulator=SMALL,
        seed=1,
        tests=tests or None,
        work=work,
    )


def test_a_chain_passes_and_what_is_wrong_does_not(sim_work: Path) -> None:
    parameters = accelerator()
    bench, given = chain_bench(parameters, chain(11, 9, 5), sim_work)
    assert bench == "sim.benches.accelerator_chain"
    first, second = given["products"]
    assert first["shape"] == [3, 11, 9]
    assert second["shape"] == [3, 9, 5]
    assert first["keep"] == {"planes": 3, "base": second["base"], "exponent_base": second["exponent_base"]}
    assert None not in (first["cycles"], second["cycles"])
    result = run(parameters, given, sim_work).check()
    assert len(result.tests) == 3
    assert result.coverage.percent("chain: stalls") == 100
    second["cycles"] += 1
    late = run(parameters, given, sim_work, "the_model_counts_every_cycle")
    assert "AssertionError" in late.failures[0] or "cycles" in late.failures[0]
    with np.load(given["data"]) as data:
        changed = dict(data)
    changed["results_0"].view(np.uint16)[2, 8] ^= 1
    np.savez(given["data"], **changed)
    wrong = run(parameters, given, sim_work, "results_of_the_first_product")
    assert "product 0: 1 of 27 results are wrong, the first at [2 8]" in wrong.failures[0]


@pytest.mark.nightly
@pytest.mark.parametrize("form", ["int4-zp", "e2m1-sp", "w2-star", None])
@pytest.mark.parametrize("encoding", ["twos-complement", "sign-magnitude"])
def test_chains_of_every_kind_of_weights(form: str | None, encoding: str, sim_work: Path) -> None:
    parameters = accelerator(form, encoding=encoding)
    _, given = chain_bench(parameters, chain(17, 8, 7, 3), sim_work)
    run(parameters, given, sim_work).check()


def test_a_chain_is_run_besides_the_bench(sim_work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benches = []

    def record(bench: str, *_: Any, parameters: dict[str, Any], seed: int | None, **__: Any) -> BenchResult:
        benches.append(bench)
        log = sim_work / "log.txt"
        return BenchResult(
            bench, "top", SMALL, 1, (BenchTest("t", 0.1, None),), 0.0, 0.1, Coverage(), log, None
        )

    monkeypatch.setattr("sim.verify.run_bench", record)
    report = verify(Accelerator(accelerator()), chain=lambda _: chain(11, 9), work=sim_work).check()
    assert benches == ["sim.benches.accelerator", "sim.benches.accelerator_chain"]
    assert len(report.runs) == 2


def test_what_does_not_fit_is_refused(sim_work: Path) -> None:
    large = chain(300, 9, 5)
    assert not large.fits(accelerator())
    assert large.needs(Driver(accelerator().build))["plane_words"] == 2 * 38 * 4 + 2 * 2 * 3
    with pytest.raises(ValueError, match="plane_words must be at least 316 for this chain"):
        chain_bench(accelerator(), large, sim_work)
