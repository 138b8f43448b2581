"""What a bench loads as weights: levels as they are, or codes of a format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from golden.formats import Format

from .bench import pack_lanes

__all__ = ["encode"]

Integers = NDArray[np.int64]


def encode(levels: Integers, form: Format | None, level_bits: int) -> tuple[Integers, list[tuple[int, ...]]]:
    """The nearest levels that can be loaded, and the items that load them, set by set.

    Parameters
    ----------
    levels : integer array [sets, lanes]
        What the weights should be.
    form : Format or None
        Of the codes; None where the levels themselves are loaded.
    level_bits : int
        Width of a level.

    Returns
    -------
    levels : integer array [sets, lanes]
        What they are.
    items : list of tuple of int
        For each set its packed levels or codes; with zero points, its zero as well.
    """
    if form is None or form.integer_levels is None:
        return levels, [(item,) for item in pack_lanes(levels, level_bits)]
    if form.scaling == "zero-point":
        top = len(form.values) - 1
        zeros = np.clip(-levels.min(axis=1, keepdims=True), 0, top)
        codes = np.clip(levels + zeros, 0, top)
        return codes - zeros, list(zip(pack_lanes(codes, form.code_bits), map(int, zeros[:, 0]), strict=True))
    known = {level: code for code, level in enumerate(form.integer_levels) if level is not None}
    table, order = np.array(list(known)), np.array(list(known.values()))
    nearest = np.abs(levels[..., None] - table).argmin(axis=-1)
    return table[nearest], [(item,) for item in pack_lanes(order[nearest], form.code_bits)]
