"""Replays of random rows on the gates of the generic library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.activity import simulate
from anda.flow.library import Library
from anda.flow.netlist import read_netlist
from anda.flow.recipe import map_to_library
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from sim.replay_data import Replay


def random_row(runs: int, groups: int) -> tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.float16]]:
    """Activations of a heavy tail, INT4 levels and scales, as replays take them."""
    rng = np.random.default_rng(runs)
    activations = rng.standard_t(3, (runs, groups, 64)).astype(np.float16)
    levels = rng.integers(-8, 8, (runs, groups, 64))
    return activations, levels, rng.uniform(0.001, 0.02, (runs, groups)).astype(np.float16)


def run_on_gates(component: NamedComponent, replay: Replay) -> None:
    """Map a component, and check every result of its replay."""
    top, library = component.module_name, Library.generic()
    mapped: Any = map_to_library(emit_verilog(component), top, library, flatten=True)
    simulate(read_netlist(mapped.flat, top, library), replay)
