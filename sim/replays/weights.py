"""Replays of weight registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.replay_data import Expected, Replay, integers_from_bits, lanes_to_bits
from sim.replays.beats import LOAD_CYCLES, load_inputs

__all__ = ["replay"]

_WORD = 64


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
    results = tuple(
        Expected("valid", "levels", integers_from_bits(part), low, part.shape[-1])
        for low in range(0, seen.shape[-1], _WORD)
        for part in [seen[..., low : low + _WORD]]
    )
    return Replay(inputs, results, rows * groups * lanes)
