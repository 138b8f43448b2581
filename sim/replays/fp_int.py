"""Replays of the FP-INT element: two groups of a row under way, operands in every cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_int import fp_int_product
from golden.fp16 import FloatArray16
from hdl.baseline.fp_int import FpIntParameters
from sim.replay_data import Bits, Expected, Replay, constant, integers_to_bits, lanes_to_bits
from sim.replays.beats import always

__all__ = ["replay"]

#: Cycles from the operands that end a group to the hand-over of its first sum, and between two of them.
_TO_TAIL, _SAME_SLOT = 3, 2


def replay(
    parameters: FpIntParameters, activations: FloatArray16, weights: NDArray[Any], scales: FloatArray16
) -> Replay:
    """What `FpInt` sees: element `i` of a group goes to lane `i mod lanes`.

    Even groups go to slot 0 and odd ones to slot 1, half a group later, a beat every second cycle each. Only
    the first and the last group have one half to themselves, which idles.

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
    runs, groups, size = activations.shape
    steps = size // p.lanes
    number, step = np.divmod(np.arange(groups * steps), steps)
    times = number * steps + step * p.slots + number % p.slots
    order = np.argsort(times, kind="stable")
    ends = times.reshape(groups, steps)[:, -1] + _TO_TAIL + _SAME_SLOT * (p.lanes - 1)
    cycles = int(times.max()) + p.latency + 1
    # Ports keep what comes next until it is taken, and the last one to the end.
    clock = np.arange(cycles)
    beat = order[np.minimum(np.searchsorted(times[order], clock), len(order) - 1)]
    group = np.minimum(np.searchsorted(ends, clock), groups - 1)

    def flag(values: NDArray[np.bool_]) -> Bits:
        return np.broadcast_to(values[:, None], (runs, cycles, 1))

    x = lanes_to_bits(activations.view(np.uint16).reshape(runs, -1, p.lanes), 16)
    levels = lanes_to_bits(weights.reshape(runs, -1, p.lanes), 4)
    inputs: dict[str, Bits] = {
        "activations_values": x[:, beat],
        "levels": levels[:, beat],
        "activations_slot": flag(number[beat] % p.slots == 1),
        "activations_first": flag(step[beat] == 0),
        "activations_last": flag(step[beat] == steps - 1),
        "activations_valid": flag(np.isin(clock, times)),
        "groups_scale": integers_to_bits(scales.view(np.uint16), 16)[:, group],
        "groups_first": flag(group == 0),
        "groups_last": flag(group == groups - 1),
        "groups_valid": flag(clock <= ends[-1]),
        "results_ready": always(runs, cycles),
        "clear_nonfinite": constant(0, 1, runs, cycles),
    }
    result = fp_int_product(activations, weights, scales, p.lanes).view(np.uint32)
    expected = Expected("results_valid", "results_payload", result[:, None])
    return Replay(inputs, (expected,), groups * size)
