"""Where the flow keeps files that can be made again at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(*parts: str) -> Path:
    """A folder below ``anda`` in the user's cache folder, or in the temporary one where that is read-only."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "anda", *parts)
    try:
        user.mkdir(parents=True, exist_ok=True)
    except OSError:
        user = Path(tempfile.gettempdir(), f"anda-{os.getuid()}", *parts)
        user.mkdir(mode=0o700, parents=True, exist_ok=True)
    return user
