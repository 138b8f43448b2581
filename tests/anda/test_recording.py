from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from anda.config import Design, parse
from anda.fixture import Projection
from anda.generate import generate
from anda.recording import Recording, Workload
from anda.tops import tops
from golden.weights import IntegerWeights
from sim.build import available_simulators
from sim.runner import BenchResult, run_bench

COMPACT = """
name = "tiny_compact"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 8
[pe]
weights = "shared"
rows = 2
[compressor]
[accumulator]
elements = 2
[datapath]
columns = 2
"""

PUBLISHED = """
name = "tiny_published"
[format]
encoding = "sign-magnitude"
rounding = "truncate"
group = 8
max_planes = 9
[pe]
weights = "inside"
reduction = "tree"
[compressor]
[accumulator]
[datapath]
columns = 2
"""

PLANES = 5

WORK = Path(__file__).parents[2] / "build" / "sim"
"""One place for all tests: what is compiled once serves every run."""


def tiny_projections() -> dict[str, Projection]:
    """Two projections: one of two scale blocks, the last one short, and one with a short last group."""
    rng = np.random.default_rng(11)
    found = {}
    for name, length in (("o", 136), ("down", 44)):
        x = (rng.normal(size=(4, length)) * 2.0 ** rng.integers(-6, 6, (4, length))).astype(np.float16)
        weights = IntegerWeights.quantize(rng.normal(size=(2, length)))
        found[name] = Projection(x, weights.levels, weights.scales)
    return found


def play(design: Design, recording: Recording, tmp_path: Path) -> tuple[BenchResult, Path]:
    product = generate(design, next(top for top in tops(design) if top.role == recording.role))
    report = tmp_path / "report.json"
    result = run_bench(
        "anda.replay",
        product.verilog,
        product.name,
        parameters={**asdict(recording), "report": str(report)},
        # Icarus has nothing to compile, which is quicker for so little data.
        simulator="icarus" if "icarus" in available_simulators() else "auto",
        seed=3,
        work=WORK,
    )
    return result, report


@pytest.mark.parametrize("text", [COMPACT, PUBLISHED], ids=["compact", "published"])
@pytest.mark.parametrize("stage", ["compress", "dot", "accumulate", "datapath"])
def test_hardware_gives_what_is_recorded(text: str, stage: str, tmp_path: Path) -> None:
    design = parse(text, "tiny.toml")
    work = Workload(design, tiny_projections(), PLANES)
    recording: Recording = getattr(work, stage)()
    result, report = play(design, recording, tmp_path)
    result.check()
    cycles = json.loads(report.read_text())["cycles"]
    if stage == "compress":
        assert len(recording.sink.items) == work.groups * PLANES
    if stage == "dot":
        # One plane a cycle, and the one cycle of latency.
        assert cycles == pytest.approx(work.products * PLANES / work.rows, abs=4)


def test_one_wrong_bit_is_found(tmp_path: Path) -> None:
    design = parse(COMPACT, "tiny.toml")
    recording = Workload(design, tiny_projections(), PLANES).accumulate()
    items = [list(item) for item in recording.sink.items]
    items[-1][0] ^= 1
    result, report = play(design, replace(recording, sink=replace(recording.sink, items=items)), tmp_path)
    assert not result.ok
    assert f"item {len(items) - 1} should be value {items[-1][0]}" in result.failures[0]
    assert not report.exists()


def test_results_are_the_golden_product() -> None:
    projections = tiny_projections()
    work = Workload(parse(COMPACT, "tiny.toml"), projections, 8)
    for name, projection in projections.items():
        stored = work.codec.decode(work.codec.encode(projection.x))
        results = work.results(name)
        assert results.dtype == np.float32
        np.testing.assert_allclose(results, stored @ projection.weights.decode().T, rtol=1e-5)
    assert work.groups == 4 * (17 + 6)
    assert work.products == 2 * work.groups


def test_a_shape_that_does_not_fit_the_design_is_named() -> None:
    projections = {
        name: Projection(p.x[:3], p.levels[:1], p.scales[:1]) for name, p in tiny_projections().items()
    }
    work = Workload(parse(COMPACT, "tiny.toml"), projections, PLANES)
    with pytest.raises(ValueError, match="3 tokens of o cannot be taken 2 at a time"):
        work.dot()
    with pytest.raises(ValueError, match="1 channels do not fill rows of 2 columns"):
        work.datapath()
