"""Measure power beside OpenSTA again (docs/data/power.json, docs/power.md).

Usage: measure_power_check.py NAME=FILE[,FILE...] ...

Each argument names a Liberty library with energies. Needs OpenSTA: `apt-get install opensta`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.files import write_all
from anda.flow.library import Library
from anda.power_check import measure_power_check
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def main(arguments: list[str]) -> int:
    libraries = {}
    try:
        for argument in arguments:
            name, _, files = argument.partition("=")
            libraries[name] = Library.from_files([Path(file) for file in files.split(",")])
        data = measure_power_check(libraries, Console(stderr=True).print)
    except ValueError as error:
        print(f"measure_power_check: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "data", {"power.json": json.dumps(data, indent=1) + "\n"})
    page = DOCS / "power.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
