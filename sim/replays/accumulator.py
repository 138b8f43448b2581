"""Replays of the FP32 accumulator (contract, section 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import fused_accumulate_fp32, round_fp16
from golden.anda import AndaCodec
from golden.dot import group_dot
from golden.fp16 import FloatArray16
from hdl.accumulator import AccumulatorParameters
from sim.replay_data import Bits, Expected, Replay, constant, integers_to_bits
from sim.replays.beats import always

__all__ = ["replay"]

#: Cycles from a sum that ends a row to the next sum that is taken.
_AFTER_LAST = 3
#: Cycles between sums of one slot.
_SAME_SLOT = 2


def replay(
    parameters: AccumulatorParameters,
    codec: AndaCodec,
    beats: int,
    activations: FloatArray16,
    weights: NDArray[Any],
    scales: FloatArray16,
) -> Replay:
    """What `Accumulator` sees behind as many elements as it has slots, which end their groups together.

    Elements begin a group every `beats` cycles; their sums are handed over slot after slot. With fewer beats
    than the accumulator needs for all slots it is the accumulator that sets the pace.

    Parameters
    ----------
    parameters
        Of the accumulator.
    codec
        The number of planes, and how activations are rounded.
    beats : int
        Cycles a group takes in the elements.
    activations : float16 array [runs, slots, groups, lanes]
    weights : integer array [runs, groups, lanes]
    scales : float16 array [runs, groups]
    """
    p = parameters
    runs, slots, groups, lanes = activations.shape
    if slots != p.slots:
        raise ValueError(f"{p.name} serves {p.slots} elements, not {slots}")
    q, exponents = codec.quantize(activations.reshape(runs, slots, groups * lanes))
    totals = group_dot(q, weights[:, None])
    sums = fused_accumulate_fp32(totals, scales[:, None], codec.ulp_exponents(exponents))
    given = sums.view(np.uint32) if p.output == "fp32" else round_fp16(sums)[0].view(np.uint16)
    times, cycles = _schedule(p, beats, groups)
    # Between two sums the ports keep the one before; before the first one, that one.
    current = np.maximum(np.searchsorted(times.reshape(-1), np.arange(cycles), side="right") - 1, 0)
    group, slot = current // slots, current % slots
    valid = np.zeros((runs, cycles, 1), dtype=np.bool_)
    valid[:, times.reshape(-1)] = True
    bits = p.window.planes.bits
    inputs: dict[str, Bits] = {
        "sums_sum": integers_to_bits(totals, p.sum_bits)[:, slot, group],
        "sums_exponent": integers_to_bits(exponents, 5)[:, slot, group],
        "sums_scale": integers_to_bits(scales.view(np.uint16), 16)[:, group],
        "sums_first": np.broadcast_to((group == 0)[None, :, None], (runs, cycles, 1)),
        "sums_last": np.broadcast_to((group == groups - 1)[None, :, None], (runs, cycles, 1)),
        "sums_valid": valid,
        "planes": constant(codec.planes, bits, runs, cycles),
        "clear_nonfinite": constant(0, 1, runs, cycles),
    }
    results = [Expected("results_valid", "results_value", given)]
    if p.slot_bits:
        numbers = np.broadcast_to(np.arange(slots), (runs, slots))
        inputs["sums_slot"] = integers_to_bits(numbers, p.slot_bits)[:, slot]
        results.append(Expected("results_valid", "results_slot", numbers))
    if p.output == "fp16":
        inputs["clear_overflow"] = constant(0, 1, runs, cycles)
    if not p.always_taken:
        inputs["results_ready"] = always(runs, cycles)
    return Replay(inputs, tuple(results), slots * groups * lanes)


def _schedule(p: AccumulatorParameters, beats: int, groups: int) -> tuple[NDArray[np.intp], int]:
    """When each sum [groups, slots] is taken, and the cycles until the last result has left."""
    period = max(beats, p.slots, _SAME_SLOT)
    times = np.arange(groups)[:, None] * period + np.arange(p.slots)
    if not p.always_taken:
        times[-1] = times[-1, 0] + _AFTER_LAST * np.arange(p.slots)
    end = max(int(times[-1, -1]) + p.latency + 1, int(times[-1, 0]) + beats)
    return times, end
