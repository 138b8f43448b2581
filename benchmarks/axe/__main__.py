"""`python -m benchmarks.axe`: the comparison with Brevitas' AXE, its data file and its plots."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from anda.axe_plot import plot_area, plot_methods
from anda.pool import open_workers
from benchmarks.__main__ import environment
from benchmarks.axe.layers import TEXT, all_problems
from benchmarks.axe.speed import speed_rows
from benchmarks.axe.work import WIDTHS_ON, Work, measured

PEER = Path(".venv-peer/bin/python")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.axe", description=__doc__)
    parser.add_argument("--peer", type=Path, default=PEER, help="a Python that has Brevitas")
    parser.add_argument("--work", type=Path, default=Path("build/axe"), help="where files of the peer go")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/data/axe.json"), help="the data file")
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"), help="where the plots go")
    parser.add_argument("--plot", action="store_true", help="draw the plots of the data file only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    arguments = parser.parse_args()
    console = Console()
    if not arguments.plot:
        data = measure(arguments, console)
        arguments.output.write_text(json.dumps(short(data), indent=1) + "\n")
        console.print(f"figures in {arguments.output}")
    draw(arguments.output, arguments.figures)


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The whole data file."""
    problems = all_problems()
    work = [Work(problem, arguments.peer.absolute(), arguments.work) for problem in problems]
    # The longest first, so that no process is left alone with it at the end.
    work.sort(key=lambda item: -item.problem.weights.size)
    found: dict[str, dict[str, Any]] = {}
    with open_workers(arguments.jobs) as workers:
        for index, result in workers.each(measured, work):
            name = work[index].problem.name
            found[name] = result
            console.print(f"{name}: highest ratio to the peer {max(c['ratio'] for c in result['cells']):.3f}")
    return {
        "evidence": "computed",
        "command": shlex.join(["python", "-m", "benchmarks.axe"]),
        "tools": {name: version(name) for name in ("anda", "numpy", "scipy")},
        "peer_tools": found[problems[0].name]["peer_tools"],
        "environment": environment(),
        "model": "SmolLM2-135M-Instruct.Q4_1.gguf",
        "text": TEXT,
        "seed": 1,
        **{
            section: [row for problem in problems for row in found[problem.name][section]]
            for section in ("problems", "cells", "methods", "widths")
        },
        "speed": [row.as_json() for row in speed_rows(arguments.peer.absolute(), arguments.work / "speed")],
    }


def draw(source: Path, figures: Path) -> None:
    """The plots, that of areas as well when they have been measured."""
    data = json.loads(source.read_text())
    plot_methods(data, figures / "axe.svg")
    area = source.with_name("axe_area.json")
    if area.is_file():
        plot_area(data, json.loads(area.read_text()), figures / "axe-area.svg", WIDTHS_ON[-1])


def short(value: Any) -> Any:
    """Figures with as many digits as mean something."""
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [short(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
