"""Results that are kept by everything they depend on, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anda.files import write_all

__all__ = ["Kept", "sources_sha256"]


class Kept:
    """A directory of results.

    Parameters
    ----------
    directory : Path
        Made when the first result comes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get(self, depends: Mapping[str, Any]) -> Any:
        """What was kept for this content; None without a result, or when it is damaged."""
        try:
            return json.loads(gzip.decompress(self._path(depends).read_bytes()))
        except (OSError, EOFError, ValueError):
            return None

    def put(self, depends: Mapping[str, Any], found: Any) -> None:
        """Keep a result, anything that JSON holds."""
        content = gzip.compress(json.dumps(found).encode(), mtime=0)
        write_all(self.directory, {self._path(depends).name: content})

    def _path(self, depends: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()
        return self.directory / f"{digest}.json.gz"


@cache
def sources_sha256(*modules: str) -> str:
    """Digest of the source of modules, which may be packages: of everything inside.

    Raises
    ------
    ValueError
        When there is no such module.
    """
    digest = hashlib.sha256()
    for name in modules:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ValueError(f"expected a module of the project, not {name!r}")
        origin = Path(spec.origin)
        paths = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()
