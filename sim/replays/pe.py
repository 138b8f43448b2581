"""Replays of the processing element and of a column of them (contract, section 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import AndaCodec
from golden.dot import group_dot
from golden.fp16 import FloatArray16
from hdl.pe import PeParameters
from sim.pairs import pair_levels, pair_lines
from sim.replay_data import Bits, Expected, Replay, lanes_to_bits
from sim.replays.beats import LOAD_CYCLES, always, beat_inputs, load_inputs, require_codec

__all__ = ["replay", "replay_column"]


def replay(
    parameters: PeParameters, codec: AndaCodec, activations: FloatArray16, weights: NDArray[Any]
) -> Replay:
    """What `ProcessingElement` sees for groups of one row of activations, one after the other.

    Parameters
    ----------
    parameters
        Of the element. Weights outside change with the first beat of a group; inside, each set is loaded two
        cycles before.
    codec
        The number of planes, and how activations are rounded.
    activations : float16 array [runs, groups, lanes]
    weights : integer array [runs, groups, lanes]
        Levels.

    Raises
    ------
    ValueError
        When the codec is none of this element's.
    """
    q, exact, beats = _quantized(parameters, codec, activations[:, None], weights)
    runs, groups, _ = weights.shape
    inside = parameters.weights == "inside"
    start = LOAD_CYCLES if inside else 0
    cycles = start + groups * beats + parameters.latency
    inputs = beat_inputs(parameters, codec, q, start, cycles)
    if inside:
        inputs |= load_inputs(weights, parameters.level_bits, beats, cycles)
    else:
        group = np.minimum(np.arange(cycles) // beats, groups - 1)
        pairs = parameters.products == "pairs"
        levels = (pair_levels if pairs else lanes_to_bits)(weights, parameters.level_bits)
        inputs["levels"] = levels[:, group]
        if pairs:
            inputs["planes_words"] = pair_lines(inputs["planes_words"])
    inputs["result_ready"] = always(runs, cycles)
    result = Expected("result_valid", "result_payload", exact[:, 0])
    return Replay(inputs, (result,), groups * parameters.lanes)


def replay_column(
    parameters: PeParameters, codec: AndaCodec, activations: FloatArray16, weights: NDArray[Any]
) -> Replay:
    """What `PeColumn` sees: rows of activations with the same weights, loaded two cycles ahead.

    Parameters
    ----------
    parameters
        Of every element.
    codec
    activations : float16 array [runs, rows, groups, lanes]
    weights : integer array [runs, groups, lanes]

    Raises
    ------
    ValueError
        When the codec is none of these elements'.
    """
    q, exact, beats = _quantized(parameters, codec, activations, weights)
    runs, rows, groups, _ = q.shape
    cycles = LOAD_CYCLES + groups * beats + parameters.latency
    inputs: dict[str, Bits] = beat_inputs(parameters, codec, q, LOAD_CYCLES, cycles)
    inputs |= load_inputs(weights, parameters.level_bits, beats, cycles)
    inputs["results_ready"] = always(runs, cycles)
    bits = parameters.sum_bits
    results = tuple(
        Expected("results_valid", "results_payload", exact[:, row], row * bits, bits) for row in range(rows)
    )
    return Replay(inputs, results, rows * groups * parameters.lanes)


def _quantized(
    parameters: PeParameters, codec: AndaCodec, activations: FloatArray16, weights: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64], int]:
    """Integers [runs, rows, groups, lanes], their exact dot products, and the cycles of a group."""
    require_codec(parameters, codec)
    runs, rows, groups, lanes = activations.shape
    q, _ = codec.quantize(activations.reshape(runs, rows, groups * lanes))
    return q, group_dot(q, weights[:, None]), parameters.beats(codec.planes)
