"""Optional packages, asked for in one sentence where they are missing."""

from __future__ import annotations

import importlib.util

__all__ = ["require"]


def require(package: str, extra: str, purpose: str) -> None:
    """Raise unless an optional package is installed.

    Parameters
    ----------
    package : str
        As Python imports it.
    extra : str
        The extra of this project that brings it.
    purpose : str
        What needs it; begins the sentence.

    Raises
    ------
    ValueError
        Says how to install it.
    """
    if importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{purpose} needs the package {package}, which is not installed: "
            f"run `pip install -e '.[{extra}]'`"
        )
