"""`anda verify`: the generated Verilog against the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import (
    Components,
    Json,
    Source,
    console,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from sim.runner import BenchResult

__all__ = ["verify"]


@one_sentence_errors
def verify(
    source: Source,
    component: Components = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Repeats a run; without it a new one is drawn.")
    ] = None,
    simulator: Annotated[
        str, typer.Option(help="verilator, icarus, or auto for the first one here.")
    ] = "auto",
    waves: Annotated[bool, typer.Option("--waves", help="Record every signal.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the random data.")] = False,
    proofs: Annotated[
        bool, typer.Option("--proofs", help="Prove that no register overflows, for all inputs, as well.")
    ] = False,
    projection: Annotated[
        bool,
        typer.Option(
            "--projection",
            help="Run whole projections of SmolLM2-135M on a larger accelerator as well: minutes.",
        ),
    ] = False,
    work: Annotated[Path, typer.Option(help="Directory for simulations and logs.")] = Path("build/sim"),
    as_json: Json = False,
) -> None:
    """Simulate every component of a design and compare each of its results with the golden model.

    Directed corners, random data, random stalls on every stream and resets in the middle of a group.
    Prints the seed of every run, and how much of the functional coverage was reached. Exit status 1 when
    a single bit differs, or when nothing was tested; then the messages say where, and the same seed repeats
    the run.

    Of a matrix engine its memories, group buffer, compressor and elementwise unit are simulated by themselves
    as well. An accelerator is driven over its bus with random back-pressure, refused jobs and resets; its
    cycle counters must be what the cycle model says, and two chained products of real activations and weights
    are run on it.

    With --projection also the query and up projections of one block of SmolLM2-135M for 16 tokens, on the
    accelerator of 4 x 16 elements of `anda.projection`: every bit, the cycles that the model says, and how
    busy the array was, from its own counters. Needs the model.

    With --proofs also every theorem about components of these very sizes, each followed by twins with a
    fault, which must fail: seconds each.
    """
    from anda.config import load
    from anda.real_chain import real_chain
    from anda.tops import choose, parts, tops
    from sim.proofs.theorem import proof_table
    from sim.verify import verify as simulate

    design = load(source)
    chosen = choose(parts(design) + tops(design), component)
    with progress() as bar:
        # An accelerator has two benches.
        total = len(chosen) + sum(top.role == "accelerator" for top in chosen)
        task = bar.add_task(f"verifying {design.name}", total=total)

        def done(result: BenchResult) -> None:
            bar.advance(task)

        report = simulate(
            (top.make() for top in chosen),
            seed=seed,
            simulator=simulator,
            waves=waves,
            quick=quick,
            proofs=proofs,
            chain=real_chain,
            work=work,
            progress=done,
        )
    rows, wrong = _projections(simulator, work) if projection else ([], None)
    if as_json:
        hashed = {"design": design.name, "configuration_sha256": design.hash}
        print_json({**hashed, **report.as_dict(), **({"projections": rows} if projection else {})})
    else:
        console().print(report.table())
        console().print(report.coverage.table())
        if report.proofs:
            console().print(proof_table(report.proofs))
        for run in report.runs:
            if run.waves:
                typer.echo(f"waves of {run.top}: {run.waves}")
        if rows:
            cells = [tuple(row[key] for key in _PROJECTION) for row in rows]
            print_table("Projections, every result right", list(_PROJECTION.values()), cells)
    for failure in [*report.failures, *([wrong] if wrong else [])]:
        console(stderr=True).print(failure, markup=False)
    if not report.ok or wrong:
        raise typer.Exit(1)


#: What is told of a projection.
_PROJECTION = {
    "tensor": "tensor",
    "n": "N",
    "k": "K",
    "c": "C",
    "planes": "planes",
    "cycles": "cycles",
    "macs_per_cycle": "MAC/cycle",
    "utilization": "utilization",
}


def _projections(simulator: str, work: Path) -> tuple[list[dict[str, Any]], str | None]:
    """What came of two whole projections; or what was wrong."""
    from anda.projection import QUESTIONS, measure_projections

    wanted = [question for question in QUESTIONS[:4] if question.matrix in ("attn_q", "ffn_up")]
    notes = console(stderr=True)
    try:
        found = measure_projections(notes.print, wanted, simulator=simulator, work=work)
    except AssertionError as error:
        return [], str(error)
    return found["rows"], None
