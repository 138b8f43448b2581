"""Replays of elements that take a group in equal beats without a gap, and its scale behind the last one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sim.replay_data import Bits, Expected, Replay, constant
from sim.replays.beats import always

__all__ = ["grouped_replay"]

#: Cycles from the last beat of a group to the one in which its scale is taken.
_TO_SCALE = 3


def grouped_replay(
    beats: Mapping[str, Bits],
    groups: Mapping[str, Bits],
    results: NDArray[np.float32],
    beat_cycles: int,
    latency: int,
    macs: int,
) -> Replay:
    """One row a run.

    Parameters
    ----------
    beats : mapping of str to bool array [runs, beats, width]
        Ports that change from beat to beat.
    groups : mapping of str to bool array [runs, groups, width]
        Ports that change from group to group.
    results : float32 array [runs]
    beat_cycles : int
        Cycles that a beat stays.
    latency : int
        Cycles from the end of the last beat to the result.
    macs : int
        Of a run.
    """
    runs, count = next(iter(beats.values())).shape[:2]
    of_row = next(iter(groups.values())).shape[1]
    steps = count // of_row
    clock = np.arange(count * beat_cycles + latency)
    beat = np.minimum(clock // beat_cycles, count - 1)
    ends = np.arange(1, of_row + 1) * steps * beat_cycles - 1 + _TO_SCALE
    # A scale stays until it is taken, and the last one to the end.
    group = np.minimum(np.searchsorted(ends, clock), of_row - 1)

    def flag(values: NDArray[np.bool_]) -> Bits:
        return np.broadcast_to(values[:, None], (runs, len(clock), 1))

    inputs: dict[str, Bits] = {
        **{name: bits[:, beat] for name, bits in beats.items()},
        **{name: bits[:, group] for name, bits in groups.items()},
        "activations_first": flag(beat % steps == 0),
        "activations_last": flag(beat % steps == steps - 1),
        "activations_valid": flag(clock < count * beat_cycles),
        "groups_first": flag(group == 0),
        "groups_last": flag(group == of_row - 1),
        "groups_valid": flag(clock <= ends[-1]),
        "results_ready": always(runs, len(clock)),
        "clear_nonfinite": constant(0, 1, runs, len(clock)),
    }
    expected = Expected("results_valid", "results_payload", results.view(np.uint32)[:, None])
    return Replay(inputs, (expected,), macs)
