"""Faulty versions of the peers, which their benches must find."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from sim.bench_table import bench_of
from sim.build import BuildError, available_simulators
from sim.runner import run_bench
from tests.sim.mutants import mutants

#: Icarus builds in no time.
SMALL = "icarus" if "icarus" in available_simulators() else "verilator"


def survivors(component: NamedComponent, count: int, work: Path) -> list[str]:
    """The faults, of `count` at random places, that the bench of a component does not find."""
    bench, parameters = bench_of(component, quick=True)
    found = []
    for change, text in mutants(emit_verilog(component), count, Random(1)):
        try:
            top = component.module_name
            result = run_bench(bench, text, top, parameters=parameters, simulator=SMALL, seed=1, work=work)
        except BuildError:
            continue
        if result.ok:
            found.append(change)
    return found
