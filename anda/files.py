"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_all"]


def write_all(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a directory, which is made if need be.

    Every text is written beside its place first and renamed when all are complete, so an error leaves
    neither a partial file nor half of a set.

    Parameters
    ----------
    directory : Path
    texts : mapping
        Contents by file name.

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
        for name, text in texts.items():
            (Path(scratch) / name).write_text(text, encoding="utf-8", newline="\n")
        for name in texts:
            os.replace(Path(scratch) / name, directory / name)
    return [directory / name for name in texts]
