"""`python -m benchmarks`: measure, print a table, keep the figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import binary, codec, formats, gemm
from benchmarks.measure import Measurement


def environment() -> dict[str, object]:
    """What the figures depend on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "blas_variables": {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "OMP_"))},
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def table(measurements: list[Measurement], side: int) -> Table:
    shown = Table(title=f"Speed of the golden model, matrices of {side} x {side}")
    for heading in ("what", "rate", "asked", "times slower", "peer in the same run"):
        text = heading in ("what", "peer in the same run")
        shown.add_column(heading, no_wrap=True, justify="left" if text else "right")
    for m in measurements:
        rate, target = f"{m.rate:,.1f} {m.unit}", f"{m.target:,.1f}"
        shown.add_row(m.name, rate, target, f"{m.times_slower:.2f}", f"{m.peer}: {m.peer_rate:,.1f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--side", type=int, default=2048, help="rows, columns and depth (default 2048)")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("build/bench.json"), help="where the JSON goes"
    )
    arguments = parser.parse_args()
    if arguments.side < 64:
        parser.error(f"--side must be at least 64, one group, not {arguments.side}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file or a pipe: whole lines
    measurements: list[Measurement] = []
    with console.status("measuring") as status:
        for room in (codec, gemm, formats, binary):
            for measurement in room.measure(arguments.side):
                measurements.append(measurement)
                status.update(f"measured {measurement.name}")
    console.print(table(measurements, arguments.side))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        "evidence": "measured",
        "command": "python -m benchmarks -o docs/data/bench.json",
        "tools": {name: version(name) for name in ("anda", "numpy")},
        "environment": environment(),
        "side": arguments.side,
        "measurements": [m.as_json() for m in measurements],
    }
    arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"figures in {arguments.output}")


if __name__ == "__main__":
    main()
