"""`anda demo`: the main job on real input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anda.cli.output import (
    Json,
    Liberty,
    Seed,
    Simulator,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from anda.demo import DemoReport, StageResult

__all__ = ["demo"]


@one_sentence_errors
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for everything.")] = Path(
        "build/demo"
    ),
    liberty: Liberty = None,
    seed: Seed = 1,
    simulator: Simulator = "auto",
    as_json: Json = False,
) -> None:
    """Run activations of a real language model through both presets and compare every bit.

    The FP16 inputs of the four projections of one block of SmolLM2-135M, 64 tokens, are compressed,
    multiplied by 4-bit weights and accumulated in the generated Verilog, in simulation, and compared with
    the golden model. Prints and plots planes, accuracy against float64, cycles, area and area efficiency;
    leaves Verilog, sidecars, waveforms, plots and results.json in the output directory.

    Exit status 1 when a single bit differs.
    """
    from anda.demo import STEPS, run_demo
    from anda.flow.library import Library
    from anda.report import plot_accuracy, plot_comparison

    library = Library.from_files(liberty) if liberty else Library.generic()
    with progress() as bar:
        tasks = {name: bar.add_task(name, total=steps) for name, steps in STEPS.items()}

        def done(preset: str, what: str) -> None:
            bar.update(tasks[preset], advance=1, description=f"{preset}: {what}")
            if not bar.console.is_terminal:
                # A log has no moving bars: one line a step instead.
                typer.echo(f"{preset}: {what}", err=True)

        report = run_demo(output, library, seed=seed, simulator=simulator, progress=done)
    plots = plot_comparison(report, output / "comparison") + plot_accuracy(
        report.accuracy, output / "accuracy"
    )
    if as_json:
        print_json({**report.as_dict(), "plots": [str(path) for path in plots]})
    else:
        _show(report)
        typer.echo(f"\nVerilog, sidecars, waveforms, plots and results.json are in {output}")
    if not report.ok:
        raise typer.Exit(1)


def _show(report: DemoReport) -> None:
    stages = [
        (preset.design, stage.role, stage.cycles, stage.items, stage.bits, _verdict(stage))
        for preset in (report.published, report.compact)
        for stage in preset.stages
    ]
    headers = ["preset", "component", "cycles", "items", "bits", "verdict"]
    print_table("Against the golden model", headers, stages)
    names = dict.fromkeys(row.projection for row in report.accuracy)
    print_table(
        "Signal to noise on the real activations, dB: 2a, M + 1 planes / 2b, P = M planes",
        ["M = P", *names, "loss"],
        _accuracy(report),
    )
    print_table("The presets side by side", ["", "published", "compact"], _comparison(report))


def _verdict(stage: StageResult) -> str:
    return "; ".join(stage.failures) or "all equal"


def _accuracy(report: DemoReport) -> list[list[object]]:
    """One row a length."""
    table: list[list[object]] = []
    for length in dict.fromkeys(row.length for row in report.accuracy):
        rows = [row for row in report.accuracy if row.length == length]
        cells = [f"{row.published_db:.2f}/{row.compact_db:.2f}" for row in rows]
        table.append([length, *cells, -min(row.difference_db for row in rows)])
    return table


def _comparison(report: DemoReport) -> list[tuple[object, ...]]:
    presets = (report.published, report.compact)
    unit = report.compact.area_unit
    table: list[tuple[object, ...]] = [
        ("planes per group", *(preset.planes for preset in presets)),
        ("cycles per group", *(preset.cycles_per_group for preset in presets)),
    ]
    for name in report.published.sqnr_db:
        table.append((f"results of {name}, dB against float64", *(p.sqnr_db[name] for p in presets)))
    for role in report.compact.areas:
        table.append((f"area of {role}, {unit}", *(preset.areas.get(role) for preset in presets)))
    table.append((f"area of one element with its shares, {unit}", *(p.element_area for p in presets)))
    table.append(("area efficiency", 1.0, report.area_efficiency))
    return table
