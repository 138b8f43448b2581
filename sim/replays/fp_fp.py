"""Replays of the FP16 multiply-adds and of the dot product unit: one row, spread over lanes and slots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.baseline.fp_fp import dequantize, fma_accumulate
from golden.baseline.fp_fp_dot import dot_accumulate
from golden.fp16 import FloatArray16
from hdl.baseline.fp_fp import FpFpParameters
from hdl.baseline.fp_fp_dot import FpFpDotParameters
from sim.replay_data import Bits, Expected, Replay, integers_to_bits, lanes_to_bits
from sim.replays.beats import always

__all__ = ["replay"]

#: Cycles from the operands that end a sum to the next that are taken.
_AFTER_LAST = 3


def replay(
    parameters: FpFpParameters | FpFpDotParameters,
    activations: FloatArray16,
    weights: NDArray[Any],
    scales: FloatArray16,
) -> Replay:
    """What an element sees: number `i` of a row goes to lane `i mod lanes`, and the slots take their turns.

    Weights are dequantized to FP16 before; every slot gives a sum of its own, of `FpFp` each of its lanes.

    Parameters
    ----------
    parameters
        With weights outside.
    activations : float16 array [runs, groups, lanes of a group]
    weights : integer array [runs, groups, lanes of a group]
        Levels, -8 to 7.
    scales : float16 array [runs, groups]

    Raises
    ------
    ValueError
        When weights are inside, or a row does not fill lanes and slots evenly.
    """
    p = parameters
    runs, length = activations.shape[0], activations[0].size
    if p.weights != "outside":
        raise ValueError("a replay is for weights outside, not inside")
    if length % (p.lanes * p.slots):
        raise ValueError(f"{length} elements do not fill {p.lanes} lanes of {p.slots} slots evenly")
    x = activations.reshape(runs, -1, p.lanes)
    w = dequantize(weights, scales[..., np.newaxis])[0].reshape(x.shape)
    count = x.shape[1]
    times = np.arange(count) * (1 if p.slots > 1 else 2)
    times[count - p.slots :] = times[count - p.slots] + _AFTER_LAST * np.arange(p.slots)
    cycles = int(times[-1]) + p.latency + 1
    if isinstance(p, FpFpDotParameters):
        # A register is in front of the loop: it takes what comes next when its own goes on.
        times = np.concatenate([[0], times[:-1] + 1])
    # Operands are offered as soon as those before them are taken, and the last ones stay at the ports.
    step = np.minimum(np.searchsorted(times, np.arange(cycles)), count - 1)

    def flag(of_step: NDArray[np.bool_]) -> Bits:
        return np.broadcast_to(of_step[:, None], (runs, cycles, 1))

    inputs: dict[str, Bits] = {
        "activations_values": lanes_to_bits(x.view(np.uint16), 16)[:, step],
        "levels": lanes_to_bits(w.view(np.uint16), 16)[:, step],
        "activations_first": flag(step < p.slots),
        "activations_last": flag(step >= count - p.slots),
        "activations_valid": flag(np.arange(cycles) <= times[-1]),
        "results_ready": always(runs, cycles),
    }
    if p.slot_bits:
        slot = np.broadcast_to(step % p.slots, (runs, cycles))
        inputs["activations_slot"] = integers_to_bits(slot, p.slot_bits)
    # [runs, slots, steps of a slot, lanes]
    split = [np.moveaxis(a.reshape(runs, -1, p.slots, p.lanes), 2, 1) for a in (x, w)]
    if isinstance(p, FpFpDotParameters):
        flat = [a.reshape(runs, p.slots, -1) for a in split]
        totals = dot_accumulate(flat[0], flat[1], p.lanes, p.guard).view(np.uint32)
        return Replay(inputs, (Expected("results_valid", "results_values", totals),), length)
    of_lanes = [np.moveaxis(a, 3, 2) for a in split]
    sums = fma_accumulate(of_lanes[0], of_lanes[1]).view(np.uint32)
    results = [
        Expected("results_valid", "results_values", sums[..., lane], low=32 * lane, bits=32)
        for lane in range(p.lanes)
    ]
    return Replay(inputs, tuple(results), length)
