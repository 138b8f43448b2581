"""Replays of the AxCore-like element: INT4 levels are taken for the nearest E2M1 values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.axcore import LEVELS, axcore_product
from golden.fp16 import FloatArray16
from hdl.baseline.axcore import AxCoreParameters
from sim.replay_data import Replay, integers_to_bits, lanes_to_bits
from sim.replays.grouped import grouped_replay

__all__ = ["replay"]


def replay(
    parameters: AxCoreParameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `AxCore` sees. Its weights are E2M1: each level becomes the nearest value, of two the smaller.

    Parameters
    ----------
    parameters
        With weights outside.
    activations : float16 array [runs, groups, elements]
    weights : integer array [runs, groups, elements]
        Levels, -8 to 7.
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    p = parameters
    if p.weights != "outside":
        raise ValueError("a replay is for weights outside, not inside")
    runs = activations.shape[0]
    magnitudes = np.abs(np.array(LEVELS) - np.abs(weights)[..., np.newaxis]).argmin(axis=-1)
    codes = magnitudes | np.where(weights < 0, 8, 0)
    result = axcore_product(activations, codes, scales, p.lanes)
    beats = {
        "activations_values": lanes_to_bits(activations.view(np.uint16).reshape(runs, -1, p.lanes), 16),
        "levels": lanes_to_bits(codes.reshape(runs, -1, p.lanes), 4),
    }
    groups = {"groups_scale": integers_to_bits(scales.view(np.uint16), 16)}
    return grouped_replay(beats, groups, result, 1, p.latency, weights[0].size)
