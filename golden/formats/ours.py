"""Codebooks of this project: 16 integer levels of at most 5 bits, found by exact search."""

from __future__ import annotations

from golden.formats.format import Format

__all__ = ["searched_formats"]

_CODEBOOKS = {
    "anda4": (
        (-11, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 9, 13),
        "best for Student's t, nu = 5, and normal weights together",
    ),
    "anda4-t": (
        (-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 11, 15),
        "best for heavy tails: Student's t, nu = 5",
    ),
    "anda4-n": (
        (-9, -7, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 11),
        "best for normal weights; sums of 256 products fit 16 bits",
    ),
    "anda4-w": (
        (-11, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 10, 14),
        "best for the projections and the embedding of a language model together",
    ),
}
"""Levels and what they are for. `docs/data/codebooks.json` has the figures."""


def searched_formats() -> list[Format]:
    """The codebooks of `scripts/search_codebook.py`.

    The sign of the scale takes a block's extreme to the largest level, so no level is spent on the same
    magnitude of the other sign.
    """
    return [
        Format(
            name,
            tuple(map(float, levels)),
            source="this project: scripts/search_codebook.py",
            summary=summary,
            family="searched codebook",
            unit=1.0,
            scaling="extreme",
        )
        for name, (levels, summary) in _CODEBOOKS.items()
    ]
