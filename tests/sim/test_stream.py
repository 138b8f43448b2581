"""Stream agents: each way a design can break the rules is found, and the patterns are what they say."""

from __future__ import annotations

import re
from itertools import groupby, islice
from pathlib import Path
from random import Random

import pytest

from sim.build import available_simulators
from sim.runner import run_bench
from sim.stream import STALLS, stall
from tests.sim.standin import BUGS, verilog

QUICK = min(available_simulators())


COMPLAINTS = {
    "drops": r"before it was taken|should be|no transfer",
    "repeats": r"item \d+ .*(should be|nothing more)",
    "unstable": r"the payload changed from payload \d+ to payload \d+ before it was taken",
    "waits": r"no transfer in 500 cycles .* items: .* result: 0 came",
    "impatient": r"valid was taken back before the transfer",
    "wrong": r"should be payload 255 but is payload 254",
}


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug != "none"])
def test_broken_designs_are_found(bug: str, sim_work: Path) -> None:
    result = run_bench(
        "tests.sim.standin",
        verilog(bug),
        "standin",
        parameters={"items": 40},
        simulator=QUICK,
        seed=5,
        work=sim_work,
    )
    assert not result.ok
    assert re.search(COMPLAINTS[bug], "\n".join(result.failures)), result.failures


def _share(pattern: str) -> float:
    return sum(islice(stall(pattern, Random(1)), 20_000)) / 20_000


def test_patterns_go_as_often_as_they_say() -> None:
    shares = {pattern: _share(pattern) for pattern in STALLS}
    assert shares["never"] == 1
    assert shares["alternate"] == 0.5
    assert shares["rarely"] == pytest.approx(7 / 8, abs=0.02)
    assert shares["often"] == pytest.approx(1 / 8, abs=0.02)
    assert shares["bursts"] == pytest.approx(1 / 2, abs=0.05)
    assert shares["late"] == pytest.approx(1 / 2.5, abs=0.02)


def test_bursts_are_long() -> None:
    lengths = [len(list(run)) for _, run in groupby(islice(stall("bursts", Random(2)), 5000))]
    assert max(lengths) == 12
    assert sum(lengths) / len(lengths) > 5


def test_unknown_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a stall pattern is one of never, rarely, .*, not 'sometimes'"):
        stall("sometimes", Random())
