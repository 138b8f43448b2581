"""Where a figure is from: its tier of evidence, the command that makes it again, tools and hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["TIERS", "Source", "badge", "provenance", "read_sources"]

TIERS: Mapping[str, str] = {
    "computed": "by the golden model, an analysis or a solver; nothing is built",
    "simulated": "the generated Verilog ran, and every result equals the golden model's",
    "generated": "read from the netlist of the generated Verilog",
    "synthesized": "mapped to cells of a library; without wires and clock tree",
    "placed": "placed and routed on a device",
    "measured": "run time and results of software on a machine",
    "paper": "printed in a paper, not measured here",
}
"""What each tier means."""

_COMMANDS = {
    "abq_area": "python scripts/measure_abq_area.py",
    "abq_projection": "python scripts/measure_abq_projection.py",
    "accuracy": "python scripts/refresh_tables.py",
    "area": "python scripts/refresh_tables.py NAME=FILE.lib ...",
    "axe_area": "python scripts/measure_axe_area.py NAME=FILE.lib ...",
    "bench": "python -m benchmarks -o docs/data/bench.json",
    "codebooks": "python scripts/search_codebook.py",
    "comparison": "python scripts/measure_comparison.py NAME=FILE.lib ...",
    "fpga": "python scripts/measure_fpga.py",
    "llm_check": "python scripts/check_language_model.py",
    "mac": "python scripts/refresh_tables.py NAME=FILE.lib ...",
    "profile": "python scripts/measure_weights.py",
    "proofs": "python scripts/measure_proofs.py",
    "quantize": "python scripts/measure_weights.py",
}
"""Of data files that do not say it themselves."""

_TIER = {"area": "synthesized", "bench": "measured", "fpga": "placed"}

_TIERS_OF_WORDS = {"claim": "paper", "claimed": "paper"}
_NAMES = {*TIERS, *_TIERS_OF_WORDS}


@dataclass(frozen=True)
class Source:
    """A data file.

    Attributes
    ----------
    name : str
    data : dict
    sha256 : str
        Of the file.
    recorded : bool
        Whether there is a file; otherwise the data were measured for the page.
    """

    name: str
    data: Mapping[str, Any]
    sha256: str
    recorded: bool = True

    @property
    def command(self) -> str:
        """What writes the file again."""
        return str(self.data.get("command") or _COMMANDS.get(self.name) or f"make {self.name}")

    @property
    def evidence(self) -> list[tuple[str, str]]:
        """Tiers, and what of the file each one is for where there are several."""
        found = self.data.get("evidence") or _TIER.get(self.name, "computed")
        if isinstance(found, Mapping):
            return [(_tier(str(tier)), str(what).replace("_", " ")) for what, tier in found.items()]
        first, *others = str(found).split(";")
        # Such as "synthesized; energies simulated on the mapped netlist".
        return [(_tier(first), ""), *((_tier(each), _subject(each)) for each in others)]


def read_sources(directory: Path) -> dict[str, Source]:
    """All data files of a directory, by name.

    Raises
    ------
    ValueError
        When there are none, or one is no JSON.
    """
    sources = {}
    for path in sorted(directory.glob("*.json")):
        raw = path.read_bytes()
        try:
            data = json.loads(raw)
        except ValueError as error:
            raise ValueError(f"expected JSON in {path}: {error}") from error
        sources[path.stem] = Source(path.stem, data, hashlib.sha256(raw).hexdigest())
    if not sources:
        raise ValueError(
            f"expected recorded data (*.json) in {directory}, there are none; the project has them in "
            "docs/data (--data DIR), and a design is measured without them"
        )
    return sources


def badge(tier: str, what: str = "") -> str:
    """A small mark for a tier of evidence."""
    label = "paper's claim" if tier == "paper" else tier
    told = f"{label}: {what}" if what not in ("", tier) else label
    return f'<span class="badge {tier}" title="{escape(TIERS[tier])}">{escape(told)}</span>'


def provenance(source: Source, single: str = "") -> str:
    """Badges, the command, and behind a fold everything else that identifies a data file.

    Parameters
    ----------
    source : Source
    single : str, optional
        A command that makes one row alone.
    """
    badges = "".join(badge(tier, what) for tier, what in source.evidence)
    again = f"again: <code>{escape(source.command)}</code>"
    if single:
        again += f" · one row: <code>{escape(single)}</code>"
    where = f"docs/data/{source.name}.json" if source.recorded else "measured for this page"
    facts = [("data", where), ("SHA-256", source.sha256), *_facts(source.data)]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return (
        f'<div class="provenance">{badges}<span class="command">{again}</span>'
        f"<details><summary>tools, hashes</summary><dl>{rows}</dl></details></div>"
    )


def _tier(told: str) -> str:
    """The first tier that is named."""
    words = re.findall(r"\w+", told)
    return next((_TIERS_OF_WORDS.get(word, word) for word in words if word in _NAMES), "computed")


def _subject(told: str) -> str:
    """What is said before the tier."""
    words = re.findall(r"\w+", told)
    return " ".join(words[: next((at for at, word in enumerate(words) if word in _NAMES), 0)])


def _facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rows = [row for row in _list(data.get("rows")) if isinstance(row, Mapping)]
    tools = dict(_mapping(data.get("tools")))
    for row in rows:
        tools |= _mapping(row.get("tools"))
    for key, found in (
        ("tools", tools),
        ("peer tools", _mapping(data.get("peer_tools"))),
        ("environment", _mapping(data.get("environment"))),
    ):
        if told := [f"{name} {value}" for name, value in found.items() if isinstance(value, str | int)]:
            yield key, ", ".join(told)
    for key, value in data.items():
        if key.endswith("sha256") and isinstance(value, str):
            yield key.replace("_", " "), value
    designs = {row["design"]: row["configuration_sha256"] for row in rows if "configuration_sha256" in row}
    for name, digest in designs.items():
        yield f"configuration of {name}", str(digest)
    libraries = dict(_mapping(data.get("libraries")))
    libraries |= {str(row.get("on")): row["library"] for row in rows if _mapping(row.get("library"))}
    for name, library in libraries.items():
        for file, digest in _mapping(_mapping(library).get("sha256")).items():
            yield f"library {name}", f"{file} {digest}"
    model = data.get("model")
    if isinstance(model, Mapping) and "sha256" in model:
        yield "model", f"{model.get('file', '')} {model['sha256']}".strip()
    elif isinstance(model, str):
        yield "model", model


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
