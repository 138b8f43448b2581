"""Put cycles, elements and memories together, and write the data and the page of whole systems.

Reads docs/data/system_cycles.json and docs/data/comparison.json; writes docs/data/system.json, the plot and
the tables of docs/system_efficiency.md.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from anda.figures import rendered
from anda.files import write_all
from anda.system_efficiency import described, efficiencies
from anda.system_efficiency_tables import plot_efficiency
from anda.tables import read_data, write_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"
DATA = DOCS / "data"


def main() -> None:
    cycles, comparison = (
        json.loads((DATA / f"{name}.json").read_text()) for name in ("system_cycles", "comparison")
    )
    data = {
        "evidence": {
            "speed": "computed",
            "areas of elements": "synthesized",
            "energies of elements": "simulated",
            "memories": "paper",
        },
        "command": "python scripts/measure_system_efficiency.py",
        "tools": comparison["tools"],
        "system_cycles_sha256": digest("system_cycles"),
        "comparison_sha256": digest("comparison"),
        "assumptions": described(cycles),
        "rows": list(efficiencies(cycles, comparison)),
    }
    write_all(DATA, {"system.json": json.dumps(data, indent=1) + "\n"})
    plot = rendered(plot_efficiency(data), "system-efficiency")
    write_all(DOCS / "figures", {"system-efficiency.svg": plot["system-efficiency.svg"]})
    page = DOCS / "system_efficiency.md"
    page.write_text(write_tables(page.read_text(), read_data(DATA)))


def digest(name: str) -> str:
    """Of a data file."""
    return hashlib.sha256((DATA / f"{name}.json").read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
