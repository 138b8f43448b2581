"""The runner: results, failures, seeds, waves, caching, and runs that test nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.build import BuildError, available_simulators, build, pick_simulator
from sim.runner import run_bench
from tests.sim.standin import verilog

BENCH = "tests.sim.standin"
SIMULATORS = sorted(available_simulators())
QUICK = SIMULATORS[0]  # Icarus where it is installed: it builds in no time


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_good_design_passes_on_every_simulator(simulator: str, tmp_path: Path, sim_work: Path) -> None:
    result = run_bench(
        BENCH,
        verilog(),
        "standin",
        parameters={"items": 6},
        simulator=simulator,
        seed=7,
        waves=True,
        work=sim_work,
    ).check()
    assert [test.name for test in result.tests] == ["items_come_out", "reset_forgets"]
    assert result.seed == 7
    assert result.waves is not None
    assert result.waves.suffix == {"icarus": ".fst", "verilator": ".vcd"}[simulator]
    assert result.waves.stat().st_size > 1000
    assert result.coverage.percent("source & sink") == pytest.approx(100 * 36 / 42)
    assert result.coverage.unreached("sink") == ["asleep"]


def test_failures_carry_message_seed_and_log(sim_work: Path) -> None:
    result = run_bench(
        BENCH, verilog("repeats"), "standin", parameters={"items": 8}, simulator=QUICK, seed=3, work=sim_work
    )
    assert not result.ok
    with pytest.raises(
        AssertionError, match=r"(?s)seed 3.*items_come_out on standin: stream result.*end of "
    ):
        result.check()


def test_a_seed_repeats_a_run_exactly(sim_work: Path) -> None:
    def failures(seed: int | None) -> tuple[list[str], int]:
        result = run_bench(
            BENCH,
            verilog("repeats"),
            "standin",
            parameters={"items": 8},
            simulator=QUICK,
            seed=seed,
            work=sim_work,
        )
        return result.failures, result.seed

    drawn, seed = failures(None)
    assert drawn
    assert failures(seed) == (drawn, seed)


def test_a_run_without_tests_fails(sim_work: Path) -> None:
    result = run_bench(BENCH, verilog(), "standin", simulator=QUICK, tests=["no_such_test"], work=sim_work)
    assert not result.ok
    assert "no test ran" in result.failures[0]


def test_a_bench_that_cannot_be_imported_fails(sim_work: Path) -> None:
    result = run_bench("tests.sim.no_such_bench", verilog(), "standin", simulator=QUICK, work=sim_work)
    assert "no test ran" in result.failures[0]
    assert "no_such_bench" in result.failures[0]


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_bad_verilog_is_refused_with_the_simulators_words(simulator: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?i)syntax error"):
        build("module t(input a; endmodule", "t", simulator=simulator, waves=False, cache=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("t-")]


def test_equal_verilog_is_built_once(tmp_path: Path) -> None:
    first = build(verilog(), "standin", simulator=QUICK, waves=False, cache=tmp_path)
    stamp = (first.directory / "standin.v").stat().st_mtime_ns
    again = build(verilog(), "standin", simulator=QUICK, waves=False, cache=tmp_path)
    assert again == first
    assert (again.directory / "standin.v").stat().st_mtime_ns == stamp
    other = build(verilog("wrong"), "standin", simulator=QUICK, waves=False, cache=tmp_path)
    assert other.directory != first.directory


def test_picking_a_simulator() -> None:
    assert pick_simulator() == "verilator"
    assert [pick_simulator(name) for name in SIMULATORS] == SIMULATORS
    with pytest.raises(ValueError, match="must be one of auto, verilator, icarus, not 'vcs'"):
        pick_simulator("vcs")
