"""The streams of the block elements of the comparison, cycle by cycle and without stalls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.baseline.block import BlockParameters
from sim.replay_data import Bits, integers_to_bits, lanes_to_bits
from sim.replays.beats import always

__all__ = ["beats_and_groups", "block_inputs", "coded", "sum_inputs"]

#: Cycles from a sum with `last` to the next one that its accumulator takes, and to its result.
_AFTER_LAST, _TO_RESULT = 3, 3


def coded(block: BlockParameters, q: NDArray[Any]) -> NDArray[np.int64]:
    """Integers as they are on the wires."""
    if block.wires == "twos-complement":
        return q.astype(np.int64)
    return np.asarray(np.abs(q) | (q < 0).astype(np.int64) << (block.bits - 1), dtype=np.int64)


def beats_and_groups(
    beats: Mapping[str, Bits], groups: Mapping[str, Bits], rows: int, flags: bool
) -> dict[str, Bits]:
    """Every port but those of flags: a beat in every cycle, each group with its sum the cycle after.

    Parameters
    ----------
    beats : mapping of str to bool array [runs, groups, rows, beats, width]
        Data ports of a beat, by name; the rows come in turn.
    groups : mapping of str to bool array [runs, groups, rows, width]
        Fields of the stream `groups`.
    rows : int
        Under way together, which end one after the other.
    flags : bool
        Whether a beat says that it is the first or the last of its group.
    """
    runs, count, _, per_group, _ = next(iter(beats.values())).shape
    items = count * rows
    ends = (np.arange(items) + 1) * per_group
    for i in range(items - rows + 1, items):
        ends[i] = max(int(ends[i]), int(ends[i - 1]) + _AFTER_LAST)
    cycles = int(ends[-1]) + _TO_RESULT + 1
    clock = np.arange(cycles)
    # Ports keep what comes next until it is taken, and the last one to the end.
    beat = np.minimum(clock, items * per_group - 1)
    item = np.minimum(np.searchsorted(ends, clock), items - 1)

    def flag(values: NDArray[np.bool_]) -> Bits:
        return np.broadcast_to(values[:, None], (runs, cycles, 1))

    inputs = {
        name: bits.reshape(runs, items * per_group, bits.shape[-1])[:, beat] for name, bits in beats.items()
    }
    inputs |= {
        f"groups_{name}": bits.reshape(runs, items, bits.shape[-1])[:, item] for name, bits in groups.items()
    }
    inputs |= {
        "activations_valid": flag(clock < items * per_group),
        "groups_first": flag(item < rows),
        "groups_last": flag(item >= items - rows),
        "groups_valid": flag(clock <= ends[-1]),
        "results_ready": always(runs, cycles),
    }
    if flags:
        inputs["activations_first"] = flag(beat % per_group == 0)
        inputs["activations_last"] = flag(beat % per_group == per_group - 1)
    return inputs


def block_inputs(
    block: BlockParameters,
    q: NDArray[Any],
    levels: NDArray[Any],
    groups: Mapping[str, tuple[NDArray[Any], int]],
) -> dict[str, Bits]:
    """The ports of a block element.

    Parameters
    ----------
    block
        Its integer part, with weights outside.
    q : integer array [runs, groups, rows, block]
    levels : integer array [runs, groups, block]
        The same for all rows.
    groups : mapping of str to (integer array [runs, groups, rows], width)
        Fields of the stream `groups`.

    Raises
    ------
    ValueError
        When weights are inside.
    """
    _require_outside(block)
    runs, count, rows, _ = q.shape
    shape = (runs, count, rows, block.beats, block.lanes)
    weights = np.broadcast_to(levels[:, :, None], q.shape).reshape(shape)
    beats = {
        "activations_values": lanes_to_bits(coded(block, q).reshape(shape), block.bits),
        "levels": lanes_to_bits(weights, block.level_bits),
    }
    fields = {name: integers_to_bits(values, width) for name, (values, width) in groups.items()}
    return beats_and_groups(beats, fields, rows, block.beats > 1)


def sum_inputs(block: BlockParameters, q: NDArray[Any], levels: NDArray[Any]) -> dict[str, Bits]:
    """The ports of the integer part alone: a beat in every cycle, and every sum taken at once.

    Parameters
    ----------
    block
        With weights outside.
    q, levels : integer array [runs, groups, block]

    Raises
    ------
    ValueError
        When weights are inside.
    """
    _require_outside(block)
    runs, count, _ = q.shape
    beats = count * block.beats
    shape = (runs, beats, block.lanes)
    # The last sum leaves the cycle after the last beat; until then ports keep what they had.
    clock = np.arange(beats + 1)
    beat = np.minimum(clock, beats - 1)

    def flag(values: NDArray[np.bool_]) -> Bits:
        return np.broadcast_to(values[:, None], (runs, beats + 1, 1))

    inputs = {
        "activations_values": lanes_to_bits(coded(block, q).reshape(shape), block.bits)[:, beat],
        "levels": lanes_to_bits(levels.reshape(shape), block.level_bits)[:, beat],
        "activations_valid": flag(clock < beats),
        "sum_ready": always(runs, beats + 1),
    }
    if block.beats > 1:
        inputs["activations_first"] = flag(beat % block.beats == 0)
        inputs["activations_last"] = flag(beat % block.beats == block.beats - 1)
    return inputs


def _require_outside(block: BlockParameters) -> None:
    if block.weights != "outside":
        raise ValueError("a replay is for weights outside, not inside")
