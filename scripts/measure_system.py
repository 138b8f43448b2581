"""Compute cycles and traffic of whole models, and write the data and the tables of docs/system.md."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from anda.files import write_all
from anda.system_runs import measure_systems
from anda.tables import read_data, write_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    data = measure_systems(Console().print)
    write_all(DOCS / "data", {"system_cycles.json": json.dumps(data, indent=1) + "\n"})
    page = DOCS / "system.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))


if __name__ == "__main__":
    main()
