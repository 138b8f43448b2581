"""The streams of elements and of columns of them, cycle by cycle and without stalls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.anda import AndaCodec
from golden.bitplanes import pack, plane_words_to_beats
from hdl.pe import PeParameters
from sim.replay_data import Bits, Expected, constant, integers_from_bits, lanes_to_bits

__all__ = ["LOAD_CYCLES", "always", "beat_inputs", "expected_words", "load_inputs", "require_codec"]

LOAD_CYCLES = 2
"""From the cycle in which weight levels are loaded to the first in which they are used."""

_WORD = 64


def require_codec(parameters: PeParameters, codec: AndaCodec) -> None:
    """Raise unless an element takes the groups of a codec.

    Raises
    ------
    ValueError
        When encoding or lanes differ, or a group has too many planes.
    """
    p = parameters
    if (codec.encoding, codec.group) != (p.encoding, p.lanes) or codec.planes > p.max_planes:
        raise ValueError(
            f"{p.name} takes groups of {p.lanes} in up to {p.max_planes} planes of {p.encoding}, not {codec}"
        )


def beat_inputs(
    parameters: PeParameters, codec: AndaCodec, q: NDArray[Any], start: int, cycles: int
) -> dict[str, Bits]:
    """The ports of the stream `planes`: one group after the other, from cycle `start` on.

    Parameters
    ----------
    parameters
        Of the elements.
    codec
        Whose integers they are.
    q : integer array [runs, rows, groups, lanes]
    start, cycles
        The first cycle with a beat, and how many cycles there are.

    Returns
    -------
    dict of str to bool array [runs, cycles, width]
        After the last beat, the data ports keep their values.
    """
    p = parameters
    runs, rows, groups, _ = q.shape
    beats = p.beats(codec.planes)
    words = plane_words_to_beats(
        pack(q, codec.planes, p.encoding), p.planes_per_cycle, p.encoding, p.lanes
    )  # [runs, rows, groups, beats, planes a cycle(, words a plane)]
    bits = lanes_to_bits(words.reshape(runs, rows, groups * beats, -1), min(p.lanes, 64))
    bits = np.moveaxis(bits, 1, 2).reshape(runs, groups * beats, -1)
    busy = np.arange(groups * beats)
    end = start + groups * beats
    found = {"planes_words": np.zeros((runs, cycles, bits.shape[2]), dtype=np.bool_)}
    found["planes_words"][:, start:end] = bits
    found["planes_words"][:, end:] = bits[:, -1:]
    pulses = {"valid": busy >= 0, "first": busy % beats == 0, "last": busy % beats == beats - 1}
    for name, pulse in pulses.items():
        port = np.zeros((runs, cycles, 1), dtype=np.bool_)
        port[:, start:end, 0] = pulse
        found[f"planes_{name}"] = port
    return found


def load_inputs(levels: NDArray[Any], level_bits: int, beats: int, cycles: int) -> dict[str, Bits]:
    """The ports of a stream `load` that serves a group every `beats` cycles, the first one in cycle 0.

    Parameters
    ----------
    levels : integer array [runs, groups, lanes]
    level_bits, beats, cycles

    Returns
    -------
    dict of str to bool array [runs, cycles, width]
        The levels stay at the port until the next ones come.
    """
    runs, groups, _ = levels.shape
    group = np.minimum(np.arange(cycles) // beats, groups - 1)
    valid = np.zeros((runs, cycles, 1), dtype=np.bool_)
    valid[:, np.arange(groups) * beats] = True
    return {"load_payload": lanes_to_bits(levels, level_bits)[:, group], "load_valid": valid}


def always(runs: int, cycles: int) -> Bits:
    """A port that is high."""
    return constant(1, 1, runs, cycles)


def expected_words(valid: str, data: str, bits: Bits) -> tuple[Expected, ...]:
    """A wide port in words of 64 bits.

    Parameters
    ----------
    valid, data : str
        Names of the ports.
    bits : bool array [runs, results, width]
        What must come.
    """
    return tuple(
        Expected(valid, data, integers_from_bits(part), low, part.shape[-1])
        for low in range(0, bits.shape[-1], _WORD)
        for part in [bits[..., low : low + _WORD]]
    )
