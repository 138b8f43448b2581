"""What a bench loads as weights: levels as they are, or codes of a format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from golden.formats import Format

from .bench import pack_lanes

__all__ = ["encode", "nearest_codes"]

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
    reached, codes, zeros = nearest_codes(levels, form)
    packed = pack_lanes(codes, form.code_bits if form else level_bits)
    if zeros is None:
        return reached, [(item,) for item in packed]
    return reached, list(zip(packed, map(int, zeros), strict=True))


def nearest_codes(levels: Integers, form: Format | None) -> tuple[Integers, Integers, Integers | None]:
    """The nearest levels that can be loaded, the codes of each, and with zero points the zero of each set.

    Parameters
    ----------
    levels : integer array [sets, lanes]
        What the weights should be.
    form : Format or None
        Of the codes; None where the levels themselves are loaded.
    """
    if form is None or form.integer_levels is None:
        return levels, levels, None
    if form.scaling == "zero-point":
        top = len(form.values) - 1
        zeros = np.clip(-levels.min(axis=1, keepdims=True), 0, top)
        codes = np.clip(levels + zeros, 0, top)
        return codes - zeros, codes, zeros[:, 0]
    known = {level: code for code, level in enumerate(form.integer_levels) if level is not None}
    table, order = np.array(list(known)), np.array(list(known.values()))
    nearest = np.abs(levels[..., None] - table).argmin(axis=-1)
    return table[nearest], order[nearest], None
