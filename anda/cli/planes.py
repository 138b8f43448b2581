"""Numbers of planes as the command line writes them."""

from __future__ import annotations

import re

__all__ = ["planes_from"]


def planes_from(text: str) -> list[int]:
    """Numbers of planes from `6`, `4-13` or `4,6,8`.

    Raises
    ------
    ValueError
        When it is not written like that, or no number is left.
    """
    found: list[int] = []
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", word)
        if match is None:
            raise ValueError(f"expected numbers of planes such as 6, 4-13 or 4,6,8, not {text!r}")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not found:
        raise ValueError(f"expected numbers of planes from the smaller to the larger one, not {text!r}")
    return found
