"""The netlists of our own elements compute what their replays expect."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from anda.flow.activity import Activity, ReplayError, simulate
from anda.flow.library import Library
from anda.flow.netlist import read_netlist
from anda.flow.recipe import map_to_library
from golden.anda import AndaCodec
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.column import PeColumn
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from hdl.pairs import PairAdders, PairDecoder
from hdl.pe import PeParameters, ProcessingElement
from hdl.weights import WeightBuffer
from sim.replay_data import Expected, Replay
from sim.replays import accumulator, pairs, pe, weights

RNG = np.random.default_rng(5)
X = RNG.normal(size=(70, 3, 4, 8)).astype(np.float16)
"""Activations of 70 runs, 3 rows, 4 groups of 8."""
W = RNG.integers(-4, 4, (70, 4, 8))
S = RNG.normal(size=(70, 4)).astype(np.float16)


def _run(component: NamedComponent, *replays: Replay) -> list[Activity]:
    library, top = Library.generic(), component.module_name
    mapped = map_to_library(emit_verilog(component), top, library, flatten=True)
    netlist = read_netlist(mapped.flat, top, library)
    return [simulate(netlist, replay) for replay in replays]


def _spoiled(replay: Replay) -> Replay:
    """The same with one wrong result in the last run."""
    first = replay.results[0]
    values = first.values.copy()
    values[-1, -1] ^= 1
    wrong = Expected(first.valid, first.data, values, first.low, first.bits)
    return Replay(replay.inputs, (wrong, *replay.results[1:]), replay.macs)


ELEMENTS = {
    "twos-complement": PeParameters(lanes=8, level_bits=3, max_planes=5),
    "sign-magnitude, tree, weights inside": PeParameters(
        lanes=8, level_bits=3, max_planes=5, encoding="sign-magnitude", weights="inside", reduction="tree"
    ),
    "two planes a cycle": PeParameters(
        lanes=8, level_bits=3, max_planes=5, planes_per_cycle=2, weights="inside"
    ),
    "pairs": PeParameters(lanes=8, level_bits=3, max_planes=5, products="pairs"),
    "pairs, two planes a cycle": PeParameters(
        lanes=8, level_bits=3, max_planes=5, planes_per_cycle=2, products="pairs"
    ),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_elements(name: str) -> None:
    parameters = ELEMENTS[name]
    codecs = [AndaCodec(planes, parameters.encoding, group=8) for planes in (2, 5)]
    replays = [pe.replay(parameters, codec, X[:, 0], W) for codec in codecs]
    found = _run(ProcessingElement(parameters), *replays)
    assert [activity.results for activity in found] == [70 * 4] * 2
    start = 2 if parameters.weights == "inside" else 0
    assert [replay.cycles for replay in replays] == [start + 4 * parameters.beats(p) + 1 for p in (2, 5)]
    assert replays[0].macs == 32


def test_a_wrong_result_stops_it() -> None:
    parameters = ELEMENTS["twos-complement"]
    replay = pe.replay(parameters, AndaCodec(3, group=8), X[:, 0], W)
    with pytest.raises(ReplayError, match="result 3 of run 69 at result_payload"):
        _run(ProcessingElement(parameters), _spoiled(replay))


def test_a_column_and_its_registers() -> None:
    parameters = ELEMENTS["twos-complement"]
    codec = AndaCodec(4, group=8)
    column = pe.replay_column(parameters, codec, X, W)
    (found,) = _run(PeColumn(parameters, rows=3), column)
    assert (found.results, column.macs) == (70 * 3 * 4, 3 * 32)
    registers = weights.replay(W, 3, 4, rows=3)
    (found,) = _run(WeightBuffer(lanes=8, level_bits=3), registers)
    assert (found.results, registers.macs) == (70 * 4 * 4, 3 * 32)


def test_what_stands_around_elements_that_take_pairs() -> None:
    parameters = ELEMENTS["pairs, two planes a cycle"]
    codec = AndaCodec(5, group=8)
    lines = pairs.replay_decoder(parameters, codec, X[:, 0])
    (found,) = _run(PairDecoder(bits=16), lines)
    assert (found.results, lines.macs) == (70 * 4 * 3, 32)
    with pytest.raises(ReplayError, match="result 11 of run 69 at lines_words"):
        _run(PairDecoder(bits=16), _spoiled(lines))
    sums = pairs.replay_adders(W, 3, 3)
    (found,) = _run(PairAdders(lanes=8, level_bits=3), sums)
    assert (found.results, sums.macs) == (70 * 4 * 3, 32)
    column = pe.replay_column(parameters, codec, X, W)
    (found,) = _run(PeColumn(parameters, rows=3), column)
    assert found.results == 70 * 3 * 4


@pytest.mark.parametrize(
    ("changes", "beats", "cycles"),
    [
        # The last of four groups waits three cycles for each result but the last, whose latency is three.
        ({"slots": 3, "output": "fp32"}, 4, 12 + 2 * 3 + 3 + 1),
        ({"slots": 3, "output": "fp32", "always_taken": True}, 4, 12 + 2 + 3 + 1),
        # Two beats are too few for three slots: the accumulator sets the pace.
        ({"slots": 3, "output": "fp16", "always_taken": True}, 2, 9 + 2 + 3 + 1),
    ],
)
def test_accumulators(changes: dict[str, object], beats: int, cycles: int) -> None:
    make: Callable[..., AccumulatorParameters] = AccumulatorParameters
    parameters = make(sum_bits=10, max_planes=5, **changes)
    replay = accumulator.replay(parameters, AndaCodec(4, group=8), beats, X, W, S)
    assert replay.cycles == cycles
    (found,) = _run(Accumulator(parameters), replay)
    assert found.results == 2 * 70 * 3


def test_what_does_not_fit_is_refused() -> None:
    parameters = ELEMENTS["twos-complement"]
    with pytest.raises(ValueError, match="takes groups of 8 in up to 5 planes of twos-complement, not Anda"):
        pe.replay(parameters, AndaCodec(6, group=8), X[:, 0], W)
    with pytest.raises(ValueError, match="serves 2 elements, not 3"):
        accumulator.replay(AccumulatorParameters(sum_bits=10, slots=2), AndaCodec(4, group=8), 4, X, W, S)
