"""In which order hardware visits the pairs of planes, and what its register holds on the way (contract 8).

Blocks of `activation_planes_per_cycle` planes meet blocks of `weight_planes_per_cycle` planes. Pairs come by
falling significance, all elements along K for one pair before the next pair: the register then needs no
shifter but `acc <- (acc << unit) + sum`, and one register is enough, where ABQ-LLM's kernels keep a tile of
sums a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from golden.binary import BinaryFormat, BinaryOperand
from golden.bitplanes import Words

__all__ = ["Rate", "Step", "blocks", "serial_sums", "steps"]


@dataclass(frozen=True)
class Rate:
    """How many planes of each side are taken in one cycle, of how many there are at the most.

    Parameters
    ----------
    activation_planes_per_cycle, weight_planes_per_cycle : int
        1: one plane after the other; as many as there are: all at once.
    activation_planes, weight_planes : int
        The most that an operand has, 1 to 8.
    """

    activation_planes_per_cycle: int = 1
    weight_planes_per_cycle: int = 1
    activation_planes: int = 8
    weight_planes: int = 8

    def __post_init__(self) -> None:
        for side in ("activation", "weight"):
            planes, rate = getattr(self, f"{side}_planes"), getattr(self, f"{side}_planes_per_cycle")
            if not 1 <= planes <= 8:
                raise ValueError(f"{side}_planes must be from 1 to 8, not {planes}")
            if not 1 <= rate <= planes:
                raise ValueError(
                    f"{side}_planes_per_cycle must be from 1 to the {planes} {side} planes, not {rate}"
                )

    @property
    def unit(self) -> int:
        """Bits that the register is shifted by, when it is; 0 where everything is taken at once."""
        one_block = (
            self.activation_planes == self.activation_planes_per_cycle,
            self.weight_planes == self.weight_planes_per_cycle,
        )
        match one_block:
            case True, True:
                return 0
            case True, False:
                return self.weight_planes_per_cycle
            case False, True:
                return self.activation_planes_per_cycle
        return gcd(self.activation_planes_per_cycle, self.weight_planes_per_cycle)


@dataclass(frozen=True)
class Step:
    """What the register does with all elements along K before it goes on to the next step.

    Attributes
    ----------
    activations, weights : int
        The blocks that meet, 0 the least significant.
    shifts : bool
        Whether the register is shifted by the unit before the first addition.
    adds : bool
        Whether there is anything to add: no pair has the significance of a step that only shifts.
    activations_negative, weights_negative : bool
        Whether the top plane of the block counts negative.
    """

    activations: int
    weights: int
    shifts: bool
    adds: bool = True
    activations_negative: bool = False
    weights_negative: bool = False


def steps(x: BinaryFormat, w: BinaryFormat, rate: Rate) -> list[Step]:
    """The pairs of blocks of two formats by falling significance.

    Raises
    ------
    ValueError
        A format has more planes than there may be.
    """
    for side, form, most in (("activation", x, rate.activation_planes), ("weight", w, rate.weight_planes)):
        if form.planes > most:
            raise ValueError(f"there may be {most} {side} planes, but {form} has {form.planes}")
    a, b = rate.activation_planes_per_cycle, rate.weight_planes_per_cycle
    tops = -(-x.planes // a) - 1, -(-w.planes // b) - 1
    pairs: dict[int, list[tuple[int, int]]] = {}
    for i in range(tops[0], -1, -1):
        for j in range(tops[1], -1, -1):
            pairs.setdefault(a * i + b * j, []).append((i, j))
    found: list[Step] = []
    for significance in range(max(pairs), -1, -(rate.unit or 1)):
        for place, (i, j) in enumerate(pairs.get(significance, [])):
            signs = x.signed and i == tops[0], w.signed and j == tops[1]
            found.append(Step(i, j, bool(found) and place == 0, True, *signs))
        if significance not in pairs:
            found.append(Step(0, 0, True, adds=False))
    return found


def blocks(words: Words, planes_per_cycle: int, signed: bool) -> Words:
    """Plane words [rows, planes, words], the most significant plane first, as blocks of planes.

    A short top block is filled with copies of the sign plane, or with zeros.

    Returns
    -------
    uint64 array [blocks, planes_per_cycle, rows, words]
        The least significant block and plane first.
    """
    planes = np.moveaxis(words, 1, 0)
    fill = planes[:1] if signed else np.zeros_like(planes[:1])
    padded = np.concatenate([np.repeat(fill, -len(planes) % planes_per_cycle, axis=0), planes])[::-1]
    return padded.reshape(-1, planes_per_cycle, *planes.shape[1:])


def serial_sums(x: BinaryOperand, w: BinaryOperand, rate: Rate) -> NDArray[np.int64]:
    """What the register of every token and channel holds after each step, [steps, N, C].

    After the last step that is `sum_k x w` of the codes.
    """
    a, b = rate.activation_planes_per_cycle, rate.weight_planes_per_cycle
    of_x, of_w = blocks(x.words, a, x.format.signed), blocks(w.words, b, w.format.signed)
    held = np.zeros((x.rows, w.rows), np.int64)
    history = []
    for step in steps(x.format, w.format, rate):
        held = held << (rate.unit * step.shifts)
        for i in range(a if step.adds else 0):
            for j in range(b):
                negative = (step.activations_negative and i == a - 1) != (
                    step.weights_negative and j == b - 1
                )
                both = of_x[step.activations, i][:, None] & of_w[step.weights, j]
                counts = np.bitwise_count(both).sum(axis=-1, dtype=np.int64) << (i + j)
                held = held - counts if negative else held + counts
        history.append(held)
    return np.stack(history)
