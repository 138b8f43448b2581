"""Replays of weight registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.replay_data import Replay, lanes_to_bits
from sim.replays.beats import LOAD_CYCLES, expected_words, load_inputs

__all__ = ["replay"]


def replay(weights: NDArray[Any], level_bits: int, beats: int, rows: int) -> Replay:
    """What `WeightBuffer` sees while the rows of a column use each set for a group.

    Parameters
    ----------
    weights : integer array [runs, groups, lanes]
    level_bits : int
    beats : int
        Cycles a group takes.
    rows : int
        Elements that read the registers: what they multiply counts.
    """
    runs, groups, lanes = weights.shape
    cycles = LOAD_CYCLES + groups * beats
    retire = np.zeros((runs, cycles, 1), dtype=np.bool_)
    retire[:, LOAD_CYCLES + beats - 1 :: beats] = True
    inputs = load_inputs(weights, level_bits, beats, cycles) | {"retire": retire}
    seen = np.repeat(lanes_to_bits(weights, level_bits), beats, axis=1)
    return Replay(inputs, expected_words("valid", "levels", seen), rows * groups * lanes)
