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
from anda.flow.library import Library

DATA = Path(__file__).resolve().parent.parent / "docs" / "data" / "abq_area.json"


def main(arguments: list[str]) -> None:
    libraries = {"generic": Library.generic()}
    for argument in arguments:
        name, _, files = argument.partition("=")
        libraries[name] = Library.from_files([Path(file) for file in files.split(",")])
    measured = measure_abq_area(libraries, Console().print)
    DATA.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
