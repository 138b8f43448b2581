"""Place and route what docs/fpga.md tells about."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.files import write_all
from anda.fpga_table import measure_fpga
from anda.kept import Kept
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def main() -> int:
    console = Console()
    try:
        with console.status("placing") as status:
            data = measure_fpga(Kept(ROOT / "build" / "fpga"), status.update)
    except ValueError as error:
        print(f"measure_fpga: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "data", {"fpga.json": json.dumps(data, indent=1) + "\n"})
    page = DOCS / "fpga.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
