"""Measure the comparison of elements again (docs/data/comparison.json, docs/comparison.md).

Usage: measure_comparison.py [NAME=FILE[,FILE...] ...]

Each argument names a Liberty library to measure on besides the generic one that comes with the project. What
was measured before is kept in build/comparison, so an interrupted run goes on where it stopped; the data file
is written again whenever an element is done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from anda.comparison import Comparison
from anda.comparison_catalog import SUBJECTS
from anda.comparison_plot import plot_ablation, plot_efficiency
from anda.comparison_subjects import Subject
from anda.files import write_all
from anda.flow.library import Library
from anda.kept import Kept
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

_FIRST = ("compact", "published", "fp-fp", "figna")


def steps(libraries: Mapping[str, Library]) -> Iterator[tuple[str, Subject, bool]]:
    """Library, element, and whether with energies and converters: what tables need most comes first."""
    generic, *real = libraries
    # The generic library says least.
    order = [*real, generic]
    # Bit-parallel elements take ABC very long where a library has no adder cells.
    quick = [on for on in order if libraries[on].adder_style != "none"]
    slow = [on for on in order if on not in quick]
    every = list(SUBJECTS.values())
    first = [SUBJECTS[name] for name in _FIRST]
    bound = [subject for subject in every if subject.name.startswith("bfp")]
    rest = [subject for subject in every if subject.kind != "ablation" and subject not in bound]
    ablation = [subject for subject in every if subject.kind == "ablation"]
    for group, libraries_of_it, complete in (
        (first, order, False),
        (ablation, order, False),
        (first, order, True),
        (rest, order, False),
        (rest, order, True),
        (ablation, order, True),
        (bound, quick, False),
        (bound, quick, True),
        (bound, slow, True),
    ):
        for on in libraries_of_it:
            yield from ((on, subject, complete) for subject in group)


def main(arguments: list[str]) -> int:
    console = Console()
    libraries = {"generic": Library.generic()}
    try:
        for argument in arguments:
            name, _, files = argument.partition("=")
            libraries[name] = Library.from_files([Path(file) for file in files.split(",")])
        comparison = Comparison(libraries, Kept(ROOT / "build" / "comparison"), console.print)
        comparison.take_over(json.loads((DOCS / "data" / "area.json").read_text()))
        for on, subject, complete in steps(libraries):
            comparison.measure(on, subject, power=complete, converters=complete)
            _write(comparison.data())
    except ValueError as error:
        print(f"measure_comparison: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "figures", plot_efficiency(comparison.data()) | plot_ablation(comparison.data()))
    page = DOCS / "comparison.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


def _write(data: Mapping[str, Any]) -> None:
    write_all(DOCS / "data", {"comparison.json": json.dumps(data, indent=1) + "\n"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
