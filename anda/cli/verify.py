"""`anda verify`: the generated Verilog against the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anda.cli.output import (
    Components,
    Json,
    Source,
    console,
    one_sentence_errors,
    print_json,
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
    if as_json:
        print_json({"design": design.name, "configuration_sha256": design.hash, **report.as_dict()})
    else:
        console().print(report.table())
        console().print(report.coverage.table())
        if report.proofs:
            console().print(proof_table(report.proofs))
        for run in report.runs:
            if run.waves:
                typer.echo(f"waves of {run.top}: {run.waves}")
    for failure in report.failures:
        console(stderr=True).print(failure, markup=False)
    if not report.ok:
        raise typer.Exit(1)
