"""Random configurations of the peers of the comparison, drawn as those of `sim.configurations` are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from golden.bitplanes import Encoding
from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.block import BlockParameters
from hdl.heap import AdderCells

__all__ = ["BASELINE_DRAWS", "draw_bfp", "draw_block"]


def draw_block(random: Random) -> BlockParameters:
    """The integer part of an element; small ones more often."""
    block = random.choice((8, 8, 8, 16, 32))
    encoding: Encoding = random.choice(("twos-complement", "sign-magnitude"))
    wires: Encoding = random.choice((encoding, "twos-complement"))
    return BlockParameters(
        bits=random.randint(2, 17),
        encoding=encoding,
        wires=wires,
        level_bits=random.randint(2, 8),
        block=block,
        lanes=random.choice([n for n in (1, 2, 4, 8) if n <= block]),
        weights=random.choice(("outside", "inside")),
        products="bits" if wires == "sign-magnitude" else random.choice(("bits", "digits")),
        adder_cells=random.choice(list(AdderCells)),
    )


def draw_bfp(random: Random) -> partial[Any]:
    """A block floating point element."""
    return partial(Bfp, BfpParameters(block=draw_block(random)))


#: How to draw each kind of peer.
BASELINE_DRAWS: dict[str, Callable[[Random], partial[Any]]] = {
    "bfp": draw_bfp,
}
