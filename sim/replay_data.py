"""What an element sees and must answer while it computes real data: the input of every power figure.

A replay holds the values on every input port in every cycle, without stalls, and the results that have to
come out. It is written once for an element, by what the golden model says, and then run on the netlist
(`anda.flow.activity`), which checks every result bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Bits",
    "Expected",
    "Replay",
    "constant",
    "integers_from_bits",
    "integers_to_bits",
    "lanes_to_bits",
]

Bits = NDArray[np.bool_]

_MOST_BITS = 64


@dataclass(frozen=True, eq=False)
class Expected:
    """The results that must leave at one port, in their order.

    A result leaves in every cycle in which `valid` is high. Nothing holds it back, so a port for readiness is
    an input of the replay that is always high.

    Parameters
    ----------
    valid, data : str
        Names of the Verilog output ports; `valid` is one bit wide.
    values : int array [runs, results]
        Numbers, compared modulo two to the power of the width.
    low : int
        First bit of `data` that holds the number.
    bits : int or None
        How many hold it, up to 64; None: from `low` to the last one.

    Raises
    ------
    ValueError
        When the values are no integers of two axes, or the place in the port is impossible.
    """

    valid: str
    data: str
    values: NDArray[Any]
    low: int = 0
    bits: int | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype.kind not in "iu" or not self.values.size:
            raise ValueError(
                f"the results at {self.data} must be integers [runs, results], "
                f"not {self.values.dtype} of shape {self.values.shape}"
            )
        if self.low < 0 or not 1 <= (1 if self.bits is None else self.bits) <= _MOST_BITS:
            raise ValueError(
                f"the results at {self.data} must begin at bit 0 or above and have 1 to {_MOST_BITS} bits, "
                f"not {self.bits} from bit {self.low}"
            )


@dataclass(frozen=True, eq=False)
class Replay:
    """Independent runs of one element over the same cycles, each from reset.

    Clock and reset (`clk`, `rst`) are no part of it: reset is held before the first cycle and is low in all
    of them.

    Parameters
    ----------
    inputs : mapping of str to bool array [runs, cycles, width]
        The value of every other input port, by its Verilog name, least significant bit first.
    results : tuple of Expected
        What must come out, at least one.
    macs : int
        Multiply-accumulates in all cycles of one run.

    Raises
    ------
    ValueError
        When the arrays do not fit each other or hold nothing.
    """

    inputs: Mapping[str, Bits]
    results: tuple[Expected, ...]
    macs: int
    runs: int = field(init=False)
    cycles: int = field(init=False)

    def __post_init__(self) -> None:
        if not self.inputs or not self.results:
            raise ValueError("a replay must have at least one input port and one expected result")
        if self.macs < 1:
            raise ValueError(f"a replay must have at least 1 multiply-accumulate, not {self.macs}")
        for name, bits in self.inputs.items():
            if bits.dtype != np.bool_ or bits.ndim != 3 or not bits.size:
                raise ValueError(
                    f"the input {name} must be bool [runs, cycles, width], "
                    f"not {bits.dtype} of shape {bits.shape}"
                )
        shapes = {name: bits.shape[:2] for name, bits in self.inputs.items()}
        runs, cycles = next(iter(shapes.values()))
        for name, shape in shapes.items():
            if shape != (runs, cycles):
                raise ValueError(
                    f"every input must have {runs} runs of {cycles} cycles as the first one has, "
                    f"but {name} has {shape[0]} of {shape[1]}"
                )
        for expected in self.results:
            if expected.values.shape[0] != runs or expected.values.shape[1] > cycles:
                raise ValueError(
                    f"the results at {expected.data} must be of {runs} runs and at most {cycles} a run, "
                    f"not of shape {expected.values.shape}"
                )
        object.__setattr__(self, "runs", runs)
        object.__setattr__(self, "cycles", cycles)


def integers_to_bits(values: NDArray[Any], width: int) -> Bits:
    """The `width` low bits of integers, two's complement where they are negative.

    Parameters
    ----------
    values : integer array [...]
    width : int
        1 to 64; every value must fit, as a signed or as an unsigned number.

    Returns
    -------
    bool array [..., width]
        Least significant bit first.

    Raises
    ------
    ValueError
        When the values are no integers, the width is impossible, or a value does not fit.
    """
    if values.dtype.kind not in "iu":
        raise ValueError(f"only integers have bits here, not {values.dtype}")
    if not 1 <= width <= _MOST_BITS:
        raise ValueError(f"a width must be from 1 to {_MOST_BITS} bits, not {width}")
    if values.size and not -(1 << (width - 1)) <= int(values.min()) <= int(values.max()) < 1 << width:
        raise ValueError(f"{width} bits cannot hold integers from {values.min()} to {values.max()}")
    words = np.ascontiguousarray(values).astype("<u8" if values.dtype.kind == "u" else "<i8")
    octets = words.view(np.uint8).reshape(*values.shape, 8)
    return np.unpackbits(octets, axis=-1, count=width, bitorder="little").astype(np.bool_)


def lanes_to_bits(values: NDArray[Any], width: int) -> Bits:
    """One word of all lanes, lane 0 in the least significant bits.

    Parameters
    ----------
    values : integer array [..., lanes]
    width : int
        Bits of a lane, as for `integers_to_bits`.

    Returns
    -------
    bool array [..., lanes * width]
    """
    bits = integers_to_bits(values, width)
    return bits.reshape(*bits.shape[:-2], bits.shape[-2] * width)


def integers_from_bits(bits: Bits) -> NDArray[np.uint64]:
    """Unsigned integers from their bits: the inverse of `integers_to_bits` modulo the width.

    Parameters
    ----------
    bits : bool array [..., width]
        Up to 64, least significant bit first.

    Returns
    -------
    uint64 array [...]

    Raises
    ------
    ValueError
        When there are more than 64 bits.
    """
    if bits.shape[-1] > _MOST_BITS:
        raise ValueError(f"an integer has up to {_MOST_BITS} bits here, not {bits.shape[-1]}")
    octets = np.zeros((*bits.shape[:-1], 8), dtype=np.uint8)
    packed = np.packbits(bits, axis=-1, bitorder="little")
    octets[..., : packed.shape[-1]] = packed
    return octets.view("<u8")[..., 0].astype(np.uint64)


def constant(value: int, width: int, runs: int, cycles: int) -> Bits:
    """A port that holds one value in every cycle.

    Returns
    -------
    bool array [runs, cycles, width]
    """
    return np.broadcast_to(integers_to_bits(np.array(value), width), (runs, cycles, width))
