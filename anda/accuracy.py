"""What a number format costs in accuracy on the real activations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.fixture import Projection
from golden.anda import AndaCodec

__all__ = ["AccuracyRow", "compare_encodings", "sqnr_db"]


@dataclass(frozen=True)
class AccuracyRow:
    """The two formats of the contract side by side on one projection.

    Attributes
    ----------
    projection : str
        Whose input it is.
    length : int
        M of format 2a and P of format 2b.
    published_db, compact_db : float
        Ratio of signal to quantization noise of 2a (`length + 1` planes) and of 2b (`length` planes).
    difference_db : float
        What the plane less costs: `compact_db - published_db`.
    """

    projection: str
    length: int
    published_db: float
    compact_db: float
    difference_db: float


def compare_encodings(
    projections: Mapping[str, Projection], lengths: Iterable[int] = range(4, 11)
) -> list[AccuracyRow]:
    """Contract 2b at P planes against 2a at M = P, that is with one plane more, on real activations."""
    rows = []
    choices = list(lengths)
    for name, projection in projections.items():
        for length in choices:
            published, compact = (
                sqnr_db(projection.x, codec.decode(codec.encode(projection.x)))
                for codec in (
                    AndaCodec(length + 1, "sign-magnitude", "truncate"),
                    AndaCodec(length, "twos-complement", "nearest"),
                )
            )
            rows.append(AccuracyRow(name, length, published, compact, compact - published))
    return rows


def sqnr_db(exact: NDArray[Any], approximate: NDArray[Any]) -> float:
    """Energy of the exact values over the energy of the error, in decibels; infinite without an error.

    Raises
    ------
    ValueError
        When the shapes differ or every exact value is zero.
    """
    if exact.shape != approximate.shape:
        raise ValueError(f"both arrays must have one shape, not {exact.shape} and {approximate.shape}")
    signal = np.sum(exact.astype(np.float64) ** 2)
    if signal == 0:
        raise ValueError("a ratio of signal to noise needs a signal, but every exact value is zero")
    noise = np.sum((approximate.astype(np.float64) - exact.astype(np.float64)) ** 2)
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))
