"""Replays of the integer part of a block element alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anda.flow.activity import ReplayError, simulate
from anda.flow.library import Library
from anda.flow.netlist import read_netlist
from anda.flow.recipe import map_to_library
from golden.anda import AndaCodec
from hdl.baseline.block import BlockDot, BlockParameters
from hdl.emit import emit_verilog
from sim.replay_data import Replay
from sim.replays import bfp

RNG = np.random.default_rng(11)
X = RNG.normal(size=(66, 3, 8)).astype(np.float16)
W = RNG.integers(-4, 4, (66, 3, 8))
TRUNCATED = BlockParameters(bits=5, encoding="sign-magnitude", level_bits=3, block=8, lanes=4)
NEAREST = BlockParameters(bits=4, level_bits=3, block=8, lanes=8)


@pytest.mark.parametrize("parameters", [TRUNCATED, NEAREST])
def test_the_replay_fits_the_netlist(parameters: BlockParameters) -> None:
    component, library = BlockDot(parameters), Library.generic()
    mapped = map_to_library(emit_verilog(component), component.module_name, library, flatten=True)
    netlist = read_netlist(mapped.flat, component.module_name, library)
    replay = bfp.replay_sums(parameters, X, W)
    assert (replay.cycles, replay.macs) == (3 * parameters.beats + 1, 24)
    assert simulate(netlist, replay).results == 66 * 3
    first = replay.results[0]
    wrong = replace(first, values=first.values ^ (np.arange(3) == 2))
    with pytest.raises(ReplayError, match="result 2 of run 0 at sum_payload"):
        simulate(netlist, Replay(replay.inputs, (wrong,), replay.macs))


@pytest.mark.parametrize("parameters", [TRUNCATED, NEAREST])
def test_activations_are_groups_of_anda(parameters: BlockParameters) -> None:
    """So that an accumulator's replay can speak of them."""
    codec = AndaCodec(parameters.bits, parameters.encoding, bfp.rounding_of(parameters), parameters.block)
    q, _ = codec.quantize(X.reshape(66, 24))
    given = bfp.replay_sums(parameters, X, W).results[0].values
    assert (given == (q * W).sum(axis=-1)).all()


def test_weights_inside_are_refused() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        bfp.replay_sums(replace(NEAREST, weights="inside"), X, W)
