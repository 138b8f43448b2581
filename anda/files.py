"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_all"]


def write_all(directory: Path, contents: Mapping[str, str | bytes]) -> list[Path]:
    """Write files into a directory, which is made if need be.

    Everything is written beside its place first and renamed when all are complete, so an error leaves
    neither a partial file nor half of a set.

    Parameters
    ----------
    directory : Path
    contents : mapping
        Text or bytes by file name.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    OSError
        When the directory cannot be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=directory) as scratch:
        for name, content in contents.items():
            path = Path(scratch) / name
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8", newline="\n")
            else:
                path.write_bytes(content)
        for name in contents:
            os.replace(Path(scratch) / name, directory / name)
    return [directory / name for name in contents]
