"""Replays of the block elements and of the term-serial one: they fit the netlist, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.bitmod import BitMod, BitModParameters
from hdl.baseline.block import BlockParameters
from hdl.baseline.figna import figna
from hdl.baseline.mxint8 import MxInt8, MxInt8Parameters
from hdl.modules import NamedComponent
from sim.replay_data import Replay
from sim.replays import bfp, bitmod, mxint8
from tests.sim.baseline.real import random_row, run_on_gates

ROW = random_row(runs=3, groups=3)
BOUND = BfpParameters(block=BlockParameters(bits=3))
MAGNITUDES = BfpParameters(
    block=BlockParameters(
        bits=4, encoding="sign-magnitude", wires="sign-magnitude", products="bits", lanes=32
    )
)
ELEMENTS: dict[str, Callable[[], tuple[NamedComponent, Replay]]] = {
    "figna": lambda: (Bfp(figna(8)), bfp.replay(figna(8), *ROW)),
    "a group a cycle": lambda: (Bfp(BOUND), bfp.replay(BOUND, *ROW)),
    "magnitudes": lambda: (Bfp(MAGNITUDES), bfp.replay(MAGNITUDES, *ROW)),
    "mxint8 by int4": lambda: (
        MxInt8(MxInt8Parameters(lanes=16)),
        mxint8.replay(MxInt8Parameters(lanes=16), *ROW),
    ),
    "mxint8 by mxint8": lambda: (
        MxInt8(MxInt8Parameters(kind="mxint8")),
        mxint8.replay(MxInt8Parameters(kind="mxint8"), *ROW),
    ),
    "bitmod": lambda: (BitMod(BitModParameters()), bitmod.replay(BitModParameters(), *ROW)),
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", ELEMENTS)
def test_the_replay_fits_the_netlist(name: str) -> None:
    run_on_gates(*ELEMENTS[name]())


def test_a_replay_wastes_no_cycle() -> None:
    """As many beats as the groups take, and what the last result needs."""
    for parameters, replay, rows, cycles in (
        (figna(8), bfp.replay, 1, 3 * 16),
        (BOUND, bfp.replay, 2, 3 * 2 + 2),
        (MxInt8Parameters(), mxint8.replay, 1, 3 * 16),
        (BitModParameters(), bitmod.replay, 1, 3 * 32),
    ):
        made = replay(parameters, *ROW)
        assert made.macs == rows * 3 * 64
        assert made.cycles == cycles + parameters.latency


def test_weights_inside_are_refused() -> None:
    with pytest.raises(ValueError, match="for weights outside, not inside"):
        bfp.replay(figna(weights="inside"), *ROW)
