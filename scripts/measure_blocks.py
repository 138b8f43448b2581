"""Read modules and port widths of the presets from their netlists: docs/data/blocks.json."""

from __future__ import annotations

import json
from pathlib import Path

from anda.files import write_all
from anda.html_report.blocks import measure_blocks

DATA = Path(__file__).resolve().parent.parent / "docs" / "data"


def main() -> None:
    write_all(DATA, {"blocks.json": json.dumps(measure_blocks(), indent=1) + "\n"})


if __name__ == "__main__":
    main()
