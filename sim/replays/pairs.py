"""Replays of what stands around elements that take products of pairs: adders of levels, decoder of words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import AndaCodec
from golden.fp16 import FloatArray16
from hdl.pe import PeParameters
from sim.pairs import pair_levels, pair_lines
from sim.replay_data import Replay, lanes_to_bits
from sim.replays.beats import always, beat_inputs, expected_words, require_codec

__all__ = ["replay_adders", "replay_decoder"]


def replay_adders(weights: NDArray[Any], level_bits: int, beats: int) -> Replay:
    """What `PairAdders` sees behind registers whose levels serve a group each.

    Parameters
    ----------
    weights : integer array [runs, groups, lanes]
    level_bits : int
    beats : int
        Cycles a group takes.

    Returns
    -------
    Replay
        Its multiply-accumulates are those of one element.
    """
    runs, groups, lanes = weights.shape
    inputs = {
        "levels_payload": np.repeat(lanes_to_bits(weights, level_bits), beats, axis=1),
        "levels_valid": always(runs, groups * beats),
    }
    sums = np.repeat(pair_levels(weights, level_bits), beats, axis=1)
    return Replay(inputs, expected_words("pairs_valid", "pairs_payload", sums), groups * lanes)


def replay_decoder(parameters: PeParameters, codec: AndaCodec, activations: FloatArray16) -> Replay:
    """What `PairDecoder` sees of one row: groups one after the other.

    Parameters
    ----------
    parameters
        Of the elements.
    codec
        The number of planes, and how activations are rounded.
    activations : float16 array [runs, groups, lanes]

    Returns
    -------
    Replay
        Its multiply-accumulates are those of one element.

    Raises
    ------
    ValueError
        When the codec is none of these elements'.
    """
    require_codec(parameters, codec)
    runs, groups, lanes = activations.shape
    cycles = groups * parameters.beats(codec.planes)
    q, _ = codec.quantize(activations.reshape(runs, 1, groups * lanes))
    inputs = beat_inputs(parameters, codec, q, 0, cycles)
    lines = pair_lines(inputs["planes_words"])
    inputs["lines_ready"] = always(runs, cycles)
    return Replay(inputs, expected_words("lines_valid", "lines_words", lines), groups * lanes)
