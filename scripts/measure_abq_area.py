"""Measure the area of binary elements for all pairs of widths again (docs/data/abq_area.json).

Usage: measure_abq_area.py [NAME=FILE[,FILE...] ...]

Each argument names a Liberty library to measure on besides the generic one that comes with the project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.abq_area import measure_abq_area
from anda.abq_tables import plot_abq_area
from anda.flow.library import Library

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main(arguments: list[str]) -> None:
    libraries = {"generic": Library.generic()}
    for argument in arguments:
        name, _, files = argument.partition("=")
        libraries[name] = Library.from_files([Path(file) for file in files.split(",")])
    measured = measure_abq_area(libraries, Console().print)
    (DOCS / "data" / "abq_area.json").write_text(json.dumps(measured, indent=1) + "\n")
    plot_abq_area(measured, DOCS / "figures" / "abq-area.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
